"""Boxes against brute force, and matrix suppression against the paper's formula in plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perception.networks import boxes as box

SIDE = 12
Corners = tuple[int, int, int, int]


@st.composite
def corners(draw: st.DrawFn) -> Corners:
    x0, y0 = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1))
    return x0, y0, draw(st.integers(x0 + 1, SIDE)), draw(st.integers(y0 + 1, SIDE))


@given(st.lists(corners(), min_size=1, max_size=4), st.lists(corners(), min_size=1, max_size=4))
def test_iou_counts_pixels(these: list[Corners], those: list[Corners]) -> None:
    def raster(one: Corners) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        canvas = np.zeros((SIDE, SIDE), bool)
        canvas[one[1] : one[3], one[0] : one[2]] = True
        return canvas

    found = box.iou(torch.tensor(these).float(), torch.tensor(those).float())
    for i, a in enumerate(map(raster, these)):
        for j, b in enumerate(map(raster, those)):
            assert found[i, j].item() == pytest.approx((a & b).sum() / (a | b).sum(), abs=1e-6)


@given(corners(), corners())
def test_decoding_undoes_encoding(start: Corners, goal: Corners) -> None:
    scale = torch.tensor([10.0, 10.0, 5.0, 5.0])
    a, b = torch.tensor([start]).float(), torch.tensor([goal]).float()
    assert torch.allclose(box.decode(a, box.encode(a, b, scale), scale), b, atol=1e-4)


def test_step_is_in_sides_and_in_logarithms() -> None:
    start, goal = torch.tensor([[10.0, 20.0, 30.0, 30.0]]), torch.tensor([[14.0, 20.0, 34.0, 40.0]])
    step = box.encode(start, goal, torch.ones(4))
    assert step[0].tolist() == pytest.approx([4 / 20, 5 / 10, 0.0, np.log(2)])


def test_no_step_blows_a_box_up() -> None:
    grown = box.decode(torch.tensor([[0.0, 0.0, 16.0, 16.0]]), torch.full((1, 4), 1e4), torch.ones(4))
    assert grown[0, 2] - grown[0, 0] == pytest.approx(1000)


def test_clip_keeps_what_is_inside() -> None:
    clipped = box.clip(torch.tensor([[-5.0, 3.0, 9.0, 99.0]]), height=50, width=8)
    assert clipped.tolist() == [[0.0, 3.0, 8.0, 50.0]]


def suppressed(boxes: torch.Tensor, scores: torch.Tensor) -> list[float]:
    """Equations 4 and 5 of SOLOv2 with the linear kernel, one pair at a time."""
    overlap = box.iou(boxes, boxes)
    result = []
    for j, score in enumerate(scores.tolist()):
        decay = 1.0
        for i in range(j):
            own = max((overlap[k, i].item() for k in range(i)), default=0.0)
            decay = min(decay, (1 - overlap[i, j].item()) / (1 - own))
        result.append(score * decay)
    return result


@given(st.lists(corners(), min_size=1, max_size=6, unique=True))
def test_matrix_suppression_is_the_papers(these: list[Corners]) -> None:
    boxes = torch.tensor(these).float()
    scores = torch.linspace(0.9, 0.3, len(these))
    assert box.matrix_nms(boxes, scores).tolist() == pytest.approx(suppressed(boxes, scores), abs=1e-5)


def test_suppression_spares_the_best_and_drops_its_copies() -> None:
    same = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    boxes = torch.cat([same, same, same + 20])
    assert box.matrix_nms(boxes, torch.tensor([0.9, 0.8, 0.7])).tolist() == pytest.approx([0.9, 0.0, 0.7])


def test_classes_do_not_suppress_each_other() -> None:
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0]]).expand(2, 3, 1, 4)
    scores = torch.rand(2, 3, 1)
    assert torch.equal(box.matrix_nms(boxes, scores), scores)
