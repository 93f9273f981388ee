"""RoIAlign against its definition, one point at a time, and against torchvision's where that imports."""

import importlib
import math

import pytest
import torch
from torch import Tensor

from perception.networks.zoo.roi_align import pyramid_level, roi_align

STRIDE = 4
BOXES = torch.tensor(
    [
        [[3.3, 5.1, 40.7, 29.9], [0.0, 0.0, 96.0, 64.0], [90.0, 60.0, 96.0, 64.0]],
        [[10.0, 2.0, 90.0, 62.0], [50.5, 0.0, 51.0, 64.0], [0.0, 0.0, 0.0, 0.0]],
    ]
)


@pytest.fixture
def levels() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 16 >> i, 24 >> i, generator=generator) for i in range(3)]


def bilinear(image: Tensor, y: float, x: float) -> Tensor:
    """(c, h, w) at a point; pixel i is centred at i; outside, the border goes on."""
    y, x = min(max(y, 0.0), image.shape[1] - 1), min(max(x, 0.0), image.shape[2] - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, image.shape[1] - 1), min(x0 + 1, image.shape[2] - 1)
    dy, dx = y - y0, x - x0
    top = (1 - dx) * image[:, y0, x0] + dx * image[:, y0, x1]
    return (1 - dy) * top + dy * ((1 - dx) * image[:, y1, x0] + dx * image[:, y1, x1])


def by_definition(levels: list[Tensor], boxes: Tensor, size: int, samples: int) -> Tensor:
    out = torch.zeros(*boxes.shape[:2], levels[0].shape[1], size, size)
    for n, regions in enumerate(boxes):
        for r, (x0, y0, x1, y1) in enumerate(regions.tolist()):
            side = math.sqrt((x1 - x0) * (y1 - y0))
            level = min(max(int(math.log2(side / 32)), 0), len(levels) - 1) if side >= 64 else 0
            stride = STRIDE * 2**level
            for row in range(size):
                for column in range(size):
                    for i in range(samples):
                        for j in range(samples):
                            y = y0 + (y1 - y0) * (row + (i + 0.5) / samples) / size
                            x = x0 + (x1 - x0) * (column + (j + 0.5) / samples) / size
                            value = bilinear(levels[level][n], y / stride - 0.5, x / stride - 0.5)
                            out[n, r, :, row, column] += value / samples**2
    return out


@pytest.mark.parametrize(("size", "samples"), [(7, 2), (14, 1), (3, 3)])
def test_follows_the_definition(levels: list[Tensor], size: int, samples: int) -> None:
    found = roi_align(levels, BOXES, stride=STRIDE, size=size, samples=samples)
    assert found.shape == (2, 3, 3, size, size)
    assert torch.allclose(found, by_definition(levels, BOXES, size, samples), atol=1e-5)


def test_answers_as_torchvision(levels: list[Tensor]) -> None:
    try:
        theirs = importlib.import_module("torchvision.ops").roi_align
    except (ImportError, RuntimeError) as error:  # next to another torch's build it raises the latter
        pytest.skip(f"torchvision does not import: {error}")
    inside = BOXES[:, :1]
    found = roi_align(levels[:1], inside, stride=STRIDE, size=7, samples=2)
    expected = theirs(levels[0], list(inside), 7, 1 / STRIDE, sampling_ratio=2, aligned=True)
    assert torch.allclose(found.flatten(0, 1), expected, atol=1e-5)


def test_large_boxes_are_pooled_from_coarse_levels() -> None:
    sides = torch.tensor([1.0, 63.9, 64.0, 127.0, 128.0, 300.0, 5000.0])
    boxes = torch.stack([torch.zeros(7), torch.zeros(7), sides, sides], -1)
    assert pyramid_level(boxes, 4).tolist() == [0, 0, 1, 1, 2, 3, 3]


def test_gradient_reaches_the_sampled_level_alone(levels: list[Tensor]) -> None:
    for level in levels:
        level.requires_grad_()
    box = torch.tensor([[[0.0, 0.0, 80.0, 60.0]]]).expand(2, 1, 4)  # √area 69: the second level
    roi_align(levels, box, stride=STRIDE, size=7, samples=2).sum().backward()  # type: ignore[no-untyped-call]
    reached = [level.grad is not None and bool((level.grad != 0).any()) for level in levels]
    assert reached == [False, True, False]
    assert levels[1].grad is not None
    # Every sample's weights add up to 1.
    assert levels[1].grad.sum() == pytest.approx(2 * 3 * 7 * 7, rel=1e-5)


def test_flat_features_stay_flat(levels: list[Tensor]) -> None:
    flat = [torch.full_like(level, 2.5) for level in levels]
    assert torch.allclose(roi_align(flat, BOXES, stride=STRIDE, size=7), torch.tensor(2.5))
