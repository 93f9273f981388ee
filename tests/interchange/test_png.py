import io
import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from perception.interchange.files.png import encode_ids


def street(height: int, width: int) -> npt.NDArray[np.uint16]:
    """Blocks of instance ids between none, enlarged as the node's maps are."""
    rng = np.random.default_rng(height)
    ids = np.where(rng.random((9, 16)) < 0.5, 0, rng.integers(8001, 10100, (9, 16))).astype(np.uint16)
    return cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint16)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (270, 480)])
def test_other_readers_find_every_pixel_in_its_depth(size: tuple[int, int]) -> None:
    instances = street(*size)
    instances[-1, -1] = 65535
    for ids, mode in (((instances // 1000).astype(np.uint8), "L"), (instances, "I;16")):
        data = encode_ids(ids)
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert read is not None
        assert read.dtype == ids.dtype
        np.testing.assert_array_equal(read, ids)
        picture = Image.open(io.BytesIO(data))
        picture.verify()
        assert (picture.mode, picture.size) == (mode, size[::-1])


def test_every_chunk_has_its_checksum() -> None:
    data = encode_ids(street(90, 160))
    at, names = 8, []
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(data[at + 4 : at + 8 + length])
        names.append(name)
        at += 12 + length
    assert names == [b"IHDR", b"IDAT", b"IEND"]


def test_any_part_of_a_map_may_be_written() -> None:
    for ids in (street(60, 90)[10:41, 5:70], np.asfortranarray(street(60, 90)), street(60, 90)[::2, ::3]):
        read = cv2.imdecode(np.frombuffer(encode_ids(ids), np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(read, ids)


def test_maps_take_no_more_room_than_by_opencv() -> None:
    for ids in (street(720, 1280), (street(720, 1280) // 1000).astype(np.uint8)):
        assert len(encode_ids(ids)) <= 1.2 * len(cv2.imencode(".png", ids)[1])
