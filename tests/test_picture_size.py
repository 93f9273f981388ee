"""The size of a picture by its header, against pictures that OpenCV has encoded."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.picture_size import MAX_PIXELS, check_picture

FORMATS = (".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm", ".pgm")
LOSSLESS = [cv2.IMWRITE_WEBP_QUALITY, 101]
SIDES = st.integers(1, 300)


def encoded(ending: str, width: int, height: int, options: list[int] | None = None) -> bytes:
    channels = () if ending == ".pgm" else (3,)
    image = np.random.default_rng(width).integers(0, 256, (height, width, *channels), np.uint8)
    return cv2.imencode(ending, image, options or [])[1].tobytes()


@pytest.mark.parametrize("ending", FORMATS)
@given(SIDES, SIDES)
def test_as_many_pixels_as_it_has_are_allowed_and_no_fewer(ending: str, width: int, height: int) -> None:
    options = LOSSLESS if width % 2 else []
    for data in (encoded(ending, width, height), encoded(ending, width, height, options)):
        check_picture(data, width * height)
        if width * height > 1:
            with pytest.raises(ValueError, match=f"{width}×{height} = .* at most"):
                check_picture(data, width * height - 1)


@pytest.mark.parametrize("ending", FORMATS)
@given(st.data())
def test_what_is_cut_off_or_damaged_is_allowed_or_refused_with_words(
    ending: str, data: st.DataObject
) -> None:
    whole = bytearray(encoded(ending, 40, 30))
    cut = data.draw(st.integers(0, len(whole)))
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, min(200, len(whole)) - 1))] = data.draw(st.integers(0, 255))
    for one in (bytes(whole), bytes(whole[:cut])):
        try:
            check_picture(one)
        except ValueError as error:
            assert str(error) == "not a whole image" or "million pixels, at most 40 million" in str(error)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_words(data: bytes) -> None:
    try:
        check_picture(data)
    except ValueError as error:
        assert str(error)


def test_segments_before_the_size_do_not_hide_it() -> None:
    """Such as a thumbnail in EXIF, which is a JPEG with a size of its own."""
    big = encoded(".jpg", 300, 200)
    thumbnail = encoded(".jpg", 16, 8)
    exif = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    check_picture(big[:2] + exif + big[2:], 60_000)
    with pytest.raises(ValueError, match="300×200"):
        check_picture(big[:2] + exif + big[2:], 59_999)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_large_tiff_in_either_order_and_of_64_bits(order: str) -> None:
    mark = b"II" if order == "<" else b"MM"
    tags = struct.pack(order + "HHII", 256, 4, 1, 70_000) + struct.pack(order + "HHII", 257, 4, 1, 80_000)
    small = mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 2) + tags
    tags = struct.pack(order + "HHQQ", 256, 16, 1, 70_000) + struct.pack(order + "HHQQ", 257, 16, 1, 80_000)
    big = mark + struct.pack(order + "HHHQ", 43, 8, 0, 16) + struct.pack(order + "Q", 2) + tags
    for data in (small, big):
        with pytest.raises(ValueError, match=r"70000×80000 = 5600\.0 million pixels, at most 40 million"):
            check_picture(data)


def test_comments_of_a_pnm_and_rows_from_the_bottom_of_a_bmp() -> None:
    with pytest.raises(ValueError, match="9000×8000"):
        check_picture(b"P6 # a comment\n# another 12 34\n9000 # wide\n8000\n255\n")
    bmp = bytearray(encoded(".bmp", 4, 4))
    bmp[18:26] = struct.pack("<ii", 9000, -8000)
    with pytest.raises(ValueError, match="9000×8000"):
        check_picture(bytes(bmp))
    assert MAX_PIXELS == 40_000_000
