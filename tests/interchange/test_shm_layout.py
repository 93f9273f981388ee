"""Frames in shared memory and messages, as bytes: against struct's own reading, and whatever comes."""

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from perception.errors import DataError
from perception.interchange.shm.layout import STATUSES, Content, Part, SharedFrame
from perception.interchange.shm.messages import HELD, Kind, Place, Request, Said, read_message
from perception.pixels import BT709, Yuv420
from perception.scene import Status

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (6, 10, 3), np.uint8)
LABELS = RNG.integers(0, 256, (6, 10), np.uint8)
INSTANCES = RNG.integers(0, 65536, (6, 10), np.uint16)
PLANES = Yuv420(RNG.integers(0, 256, (9, 10), np.uint8), BT709, full_range=True)
ALL: dict[Part, Content] = {
    Part.PICTURE: PICTURE,
    Part.LABELS: LABELS,
    Part.INSTANCES: INSTANCES,
    Part.SCENE: b'{"a": 1}',
}


def written(frame: SharedFrame, room: int = 0) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    memory = np.full(frame.size + room, 0xAA, np.uint8)
    frame.write(memory)
    return memory


def full(**changes: object) -> SharedFrame:
    values = {"status": Status.UNRELIABLE, "frame_id": "front_optical", "pixel_aspect": 1.25, "parts": ALL}
    return SharedFrame(7, 1, 2, 3, 4, 5, **{**values, **changes})  # type: ignore[arg-type]


def test_a_frame_lies_as_the_table_says() -> None:
    memory = written(full()).tobytes()
    assert memory[:4] == b"PSF1" and struct.unpack_from("<I", memory, 4) == (288,)
    assert struct.unpack_from("<Qqqqqq", memory, 8) == (7, 1, 2, 3, 4, 5)
    assert struct.unpack_from("<IId", memory, 56) == (3, 4, 1.25)
    assert memory[72:128] == b"front_optical".ljust(56, b"\0")
    rows = [struct.unpack_from("<IIIIIIQQ", memory, 128 + 40 * i) for i in range(4)]
    assert [row[:6] for row in rows] == [
        (1, 10, 6, 30, 0, 0), (3, 10, 6, 10, 0, 0), (4, 10, 6, 20, 0, 0), (5, 0, 0, 0, 0, 0),
    ]  # fmt: skip
    parts = PICTURE.tobytes(), LABELS.tobytes(), INSTANCES.astype("<u2").tobytes(), b'{"a": 1}'
    for (*_, offset, size), part in zip(rows, parts, strict=True):
        assert offset % 64 == 0 and memory[offset : offset + size] == part
    assert " ".join(STATUSES) == "ok stale not_ready unreliable no_signal"


def test_what_was_written_is_read_in_place() -> None:
    memory = written(full(), room=100)
    found = SharedFrame.read(memory)
    assert (found.sequence, found.stamp_ns, found.wall_ns, found.host_ns) == (7, 1, 2, 3)
    assert (found.published_ns, found.max_age_ns, found.status) == (4, 5, Status.UNRELIABLE)
    assert (found.frame_id, found.pixel_aspect) == ("front_optical", 1.25)
    for part in (Part.PICTURE, Part.LABELS, Part.INSTANCES):
        view, wrote = found.parts[part], ALL[part]
        assert isinstance(view, np.ndarray) and isinstance(wrote, np.ndarray)
        assert view.dtype == wrote.dtype and (view == wrote).all() and np.shares_memory(view, memory)
    assert found.parts[Part.SCENE] == b'{"a": 1}'


def test_planes_keep_how_they_were_mixed() -> None:
    found = SharedFrame.read(written(full(parts={Part.PICTURE: PLANES}))).picture
    assert isinstance(found, Yuv420)
    assert (found.matrix, found.full_range) == (BT709, True) and (found.i420 == PLANES.i420).all()
    assert Part.LABELS not in SharedFrame.read(written(full(parts={Part.PICTURE: PLANES}))).parts


def test_a_picture_that_is_a_part_of_another_one() -> None:
    part = np.zeros((20, 20, 3), np.uint8)[3:9:2, ::-2]
    part[:] = RNG.integers(0, 256, part.shape, np.uint8)
    found = SharedFrame.read(written(full(parts={Part.PICTURE: part}))).picture
    assert isinstance(found, np.ndarray) and (found == part).all()


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0, b"PSF2", "begins with b'PSF2'"),
        (4, struct.pack("<I", 292), "292, 4; not of this layout"),
        (60, struct.pack("<I", 5), "288, 5; not of this layout"),
        (56, struct.pack("<I", 5), "status 5; known are 0 to 4"),
        (64, struct.pack("<d", 0.0), "pixel aspect 0.0"),
        (64, struct.pack("<d", float("nan")), "pixel aspect nan"),
        (72, b"\xff", "is no UTF-8"),
        (128, struct.pack("<I", 3), "picture of format 3, which it cannot have"),
        (128, struct.pack("<I", 9), "picture of format 9"),
        (132, struct.pack("<I", 11), "picture of 11×6, rows of 30 bytes"),
        (136, struct.pack("<I", 0), "picture of 10×0"),
        (168 + 12, struct.pack("<I", 9), "labels of 10×6, rows of 9 bytes"),
        (152, struct.pack("<Q", 1 << 40), "picture lies at 1099511627776"),
        (152, struct.pack("<Q", 8), "picture lies at 8"),
        (160, struct.pack("<Q", 179), "cannot have 179 bytes"),
    ],
)
def test_what_is_not_of_this_layout_is_refused(at: int, value: bytes, words: str) -> None:
    memory = written(full())
    memory[at : at + len(value)] = np.frombuffer(value, np.uint8)
    with pytest.raises(DataError, match=words):
        SharedFrame.read(memory)


def test_planes_that_nobody_knows_are_refused() -> None:
    for detail, words in ((99, "matrix 99"), (1 | 2 << 8, "range 2")):
        memory = written(full(parts={Part.PICTURE: PLANES}))
        memory[144:148] = np.frombuffer(struct.pack("<I", detail), np.uint8)
        with pytest.raises(DataError, match=words):
            SharedFrame.read(memory)


def test_a_name_that_is_too_long_is_refused() -> None:
    assert SharedFrame.read(written(full(frame_id="x" * 55))).frame_id == "x" * 55
    with pytest.raises(DataError, match="has 56 bytes; in shared memory 55 are allowed"):
        written(full(frame_id="é" * 28))


@given(st.lists(st.tuples(st.integers(0, 287), st.integers(0, 255)), max_size=6), st.integers(0, 800))
def test_damaged_frames_are_read_or_refused(damage: list[tuple[int, int]], length: int) -> None:
    memory = written(full())
    for place, value in damage:
        memory[place] = value
    try:
        found = SharedFrame.read(memory[:length])
    except DataError:
        return
    for part in found.parts.values():
        if isinstance(part, np.ndarray):
            assert np.shares_memory(part, memory)


@given(arrays.arrays(np.uint16, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_ids_of_any_size(ids: np.ndarray[tuple[int, int], np.dtype[np.uint16]]) -> None:
    low = (ids & 0xFF).astype(np.uint8)
    found = SharedFrame.read(written(full(parts={Part.LABELS: low, Part.INSTANCES: ids}))).parts
    assert np.array_equal(found[Part.LABELS], low) and np.array_equal(found[Part.INSTANCES], ids)  # type: ignore[arg-type]


def test_messages_lie_as_the_table_says() -> None:
    assert Place(1, 2, 3, 4).pack() == struct.pack("<IIQQQQ", 2, 0, 1, 2, 3, 4)
    assert Said(Kind.HEALTH, b"{}").pack() == struct.pack("<II", 3, 1) + b"{}"
    assert Request(9, Part.LABELS | Part.HEALTH).pack() == struct.pack("<QII", 9, 18, 0)
    assert [kind.value for kind in Kind] == [1, 2, 3, 4] and HELD == 2
    assert [part.value for part in Part] == [1, 2, 4, 8, 16]


@given(st.binary(max_size=48))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    reserved = data[4:8], data[12:16]
    for read in (read_message, Request.read):
        with suppress(DataError):
            assert read(data).pack() == data or reserved != (bytes(4), bytes(4))


def test_messages_of_another_version_are_refused() -> None:
    with pytest.raises(DataError, match="kind 1, version 2; known is version 1"):
        read_message(struct.pack("<II", 1, 2) + b"{}")
    with pytest.raises(DataError, match="a message of 7 bytes"):
        read_message(bytes(7))
    with pytest.raises(DataError, match="it asks for 0x20; known are the bits of 0x1f"):
        Request.read(struct.pack("<QII", 0, 32, 0))
    with pytest.raises(DataError, match="a request of 17 bytes"):
        Request.read(bytes(17))
