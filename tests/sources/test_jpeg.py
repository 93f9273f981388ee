"""The pictures of an MJPEG stream as files by themselves."""

import cv2
import numpy as np
import pytest

from perception.sources.jpeg import whole_jpeg
from tests.servers.pictures import numbered

JPEG = cv2.imencode(".jpg", numbered(7, 96, 160))[1].tobytes()
TABLES = JPEG[JPEG.index(b"\xff\xc4") : JPEG.index(b"\xff\xda")]


def test_a_whole_file_stays_as_it_is() -> None:
    assert whole_jpeg(JPEG) == JPEG


def test_tables_that_the_stream_leaves_out_are_put_in() -> None:
    bare = JPEG.replace(TABLES, b"")
    assert len(TABLES) > 400 and len(bare) == len(JPEG) - len(TABLES)
    assert whole_jpeg(bare) == JPEG


def test_a_scan_that_looks_like_tables_has_none() -> None:
    bare = JPEG.replace(TABLES, b"") + b"\xff\xc4"
    assert whole_jpeg(bare) == JPEG + b"\xff\xc4"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", JPEG[1:], JPEG[:30], JPEG[:2] + b"\xff\xe0\0\1" + JPEG[2:]]
)
def test_what_is_no_picture_is_none(data: bytes) -> None:
    assert whole_jpeg(data) == b""


def test_the_picture_is_the_same_with_and_without_the_tables() -> None:
    whole = whole_jpeg(JPEG.replace(TABLES, b""))
    image = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(image, cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR))
