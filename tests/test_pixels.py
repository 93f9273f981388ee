"""Planes against FFmpeg's own conversions, for every way to mix them."""

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.pixels import (
    BT601,
    MATRICES,
    UNSPECIFIED,
    Yuv420,
    as_bgr,
    from_bgr,
    grey,
    size_of,
    subsample,
    to_bgr,
)  # fmt: skip
from perception.types import Image

WAYS = [(matrix, full_range) for matrix in sorted(MATRICES) for full_range in (False, True)]


def colourful(height: int = 48, width: int = 64, seed: int = 0) -> Image:
    """All colours, smooth enough to survive halved planes."""
    few = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def ffmpeg(image: Image, stored: str, matrix: int, full_range: bool) -> av.VideoFrame:
    code = 5 if matrix == UNSPECIFIED else matrix
    picture = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
        format=stored, dst_colorspace=code, dst_color_range=2 if full_range else 1, interpolation="BILINEAR"
    )
    picture.colorspace, picture.color_range = matrix, 2 if full_range else 1
    return picture


@pytest.mark.parametrize(("matrix", "full_range"), WAYS)
def test_colours_are_mixed_as_by_ffmpeg(matrix: int, full_range: bool) -> None:
    image = colourful()
    mixed = cv2.transform(image, from_bgr(matrix, full_range)).transpose(2, 0, 1)
    theirs = ffmpeg(image, "yuv444p", matrix, full_range).to_ndarray()
    assert np.abs(mixed.astype(int) - theirs).max() <= 1
    back = cv2.transform(mixed.transpose(1, 2, 0), to_bgr(matrix, full_range))
    assert np.abs(back.astype(int) - image).max() <= 3


@pytest.mark.parametrize(("matrix", "full_range"), WAYS)
def test_planes_become_the_colours_that_ffmpeg_makes_of_them(matrix: int, full_range: bool) -> None:
    picture = ffmpeg(colourful(), "yuv420p", matrix, full_range)
    planes = Yuv420(picture.to_ndarray().astype(np.uint8), matrix, full_range)
    theirs = picture.to_ndarray(format="bgr24")
    np.testing.assert_array_equal(planes.bgr, theirs)
    ours = planes.resized(lambda plane: np.asarray(cv2.resize(plane, (64, 48), interpolation=0), np.uint8))
    # FFmpeg's tables for this truncate: on average it is a level darker.
    assert np.abs(ours.astype(int) - theirs).max() <= 3


@pytest.mark.parametrize(("matrix", "full_range"), WAYS)
def test_an_image_keeps_its_colours_in_planes(matrix: int, full_range: bool) -> None:
    image = cv2.resize(colourful(24, 32), (64, 48), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    planes = Yuv420.of(image, matrix, full_range)
    assert (planes.matrix, planes.full_range, size_of(planes)) == (matrix, full_range, (48, 64))
    assert np.abs(planes.bgr.astype(int) - image).max() <= 5


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 20), st.integers(1, 20), st.booleans(), st.sampled_from(sorted(MATRICES)))
def test_views_are_the_planes(half_height: int, half_width: int, full_range: bool, matrix: int) -> None:
    height, width = 2 * half_height, 2 * half_width
    i420 = np.random.default_rng(height).integers(16, 236, (3 * half_height, width), np.uint8)
    planes = Yuv420(i420, matrix, full_range)
    assert [plane.shape for plane in planes.planes] == [(height, width), *2 * [(half_height, half_width)]]
    assert b"".join(plane.tobytes() for plane in planes.planes) == i420.tobytes()
    for plane in planes.planes:
        plane[0, 0] = 99
    assert (i420 == 99).sum() >= 3  # they are no copies
    copied = planes.copy()
    copied.i420[:] = 7
    assert (i420 != 7).any()


def test_grey_levels_span_all_the_range() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(2, 0)
    i420 = np.concatenate([ramp, np.full((1, 256), 128, np.uint8)])
    np.testing.assert_array_equal(grey(Yuv420(i420, full_range=True)), ramp)
    limited = grey(Yuv420(i420))[0].astype(int)
    assert limited[:17].max() == 0 and limited[235:].min() == 255
    assert np.abs(limited[16:236] - np.arange(220) * 255 / 219).max() <= 0.5
    image = colourful()
    assert np.abs(grey(Yuv420.of(image)).astype(int) - grey(image)).max() <= 2
    np.testing.assert_array_equal(grey(image, slice(3, 20, 4)), grey(image)[3:20:4])
    np.testing.assert_array_equal(grey(Yuv420.of(image), slice(3, 20, 4)), grey(Yuv420.of(image))[3:20:4])


def test_a_subsample_holds_single_pixels() -> None:
    image = colourful(480, 640)
    few = subsample(image, 24, 32)
    assert {tuple(one) for one in as_bgr(few).reshape(-1, 3)} <= {tuple(one) for one in image.reshape(-1, 3)}
    planes = Yuv420.of(image, BT601, full_range=True)
    sampled = subsample(planes, 24, 32)
    assert isinstance(sampled, Yuv420) and size_of(sampled) == (24, 32) and sampled.full_range
    for plane, one in zip(planes.planes, sampled.planes, strict=True):
        assert set(np.unique(one)) <= set(np.unique(plane))
