"""Masks in COCO's forms, by pycocotools' own reading of them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from perception.interchange.files.masks import flat, outlines, rles, run_lengths, seamed
from perception.types import Bools


@st.composite
def masks(draw: st.DrawFn) -> Bools:
    """Noise of any density, or blobs with holes."""
    height, width = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((height, width))
    if draw(st.booleans()):
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.float64).reshape(height, width)
    return np.asarray(noise < np.quantile(noise, draw(st.sampled_from((0.05, 0.3, 0.6, 0.9, 1.0)))))


@given(masks())
def test_run_lengths_are_those_of_pycocotools(mask: Bools) -> None:
    found = rles(np.where(mask, 8001, 9002).astype(np.uint16))
    for number, one in ((8001, mask), (9002, ~mask)):
        wanted = coco_mask.encode(np.asfortranarray(one.view(np.uint8)))
        if one.any():
            assert found[number] == {"size": list(mask.shape), "counts": wanted["counts"].decode()}
        else:
            assert number not in found


@given(masks())
def test_outlines_filled_are_the_mask(mask: Bools) -> None:
    height, width = mask.shape
    parts = outlines(mask)
    assert len(parts) == cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0] - 1
    if not mask.any():
        return
    for polygons in (parts, [seamed(parts)]):  # each part on its own, and all by seams
        filled = coco_mask.decode(
            coco_mask.merge(coco_mask.frPyObjects(list(map(flat, polygons)), height, width))
        )
        np.testing.assert_array_equal(filled, mask)


def test_corners_of_a_box_lie_between_pixels() -> None:
    mask = np.zeros((9, 12), bool)
    mask[2:5, 3:10] = True
    (corners,) = outlines(mask)
    assert {tuple(corner) for corner in corners.tolist()} == {(3, 2), (10, 2), (10, 5), (3, 5)}
    assert len(corners) == 4


@pytest.mark.parametrize(
    ("rows", "counts"), [([[1, 0], [1, 1]], [0, 2, 1, 1]), ([[0, 1], [0, 0]], [2, 1, 1])]
)
def test_run_lengths_go_down_the_columns(rows: list[list[int]], counts: list[int]) -> None:
    assert run_lengths(np.array(rows, np.uint16)) == {1: counts}
