"""Recordings that are cut off or damaged: an error in our words, or pictures that are right."""

import sqlite3
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.writer import IndexType

from perception.errors import PerceptionError, SourceError
from perception.frame import Frame
from perception.sources.registry import open_source
from tests.sources.logs import McapLog, Shot, protobuf, shots, write_mcap, write_ros1, write_ros2

TAKEN = shots(24, height=12)


def outcome(path: Path, query: str = "") -> tuple[list[Frame], list[str], PerceptionError | None]:
    """What a run would see: frames, notes, and the error that ended it."""
    frames: list[Frame] = []
    try:
        source = open_source(f"{path}{query}")
    except PerceptionError as error:
        return frames, [], error
    try:
        for item in source:
            frames += [item] if isinstance(item, Frame) else []
    except PerceptionError as error:
        return frames, source.notes, error
    finally:
        source.close()
    return frames, source.notes, None


def check_right(frames: Sequence[Frame], taken: Sequence[Shot]) -> None:
    """Each picture is the one that was taken at its time, and none comes twice."""
    truth = {shot.stamp_ns: shot for shot in taken}
    for frame in frames:
        shot = truth.pop(frame.wall_ns)
        assert (frame.image == shot.image).all()


@pytest.mark.parametrize("options", [{}, {"use_chunking": False}, {"index_types": IndexType.NONE}])
def test_a_file_cut_anywhere_gives_all_that_is_whole(options: dict[str, Any], tmp_path: Path) -> None:
    whole = write_mcap(tmp_path / "whole.mcap", TAKEN, **{"chunk_size": 1024} | options).read_bytes()
    path = tmp_path / "cut.mcap"
    counts = []
    for size in range(0, len(whole), 499):
        path.write_bytes(whole[:size])
        frames, notes, error = outcome(path)
        assert [frame.wall_ns for frame in frames] == [shot.stamp_ns for shot in TAKEN[: len(frames)]]
        check_right(frames, TAKEN)
        if error is None:
            assert len(frames) == 24 or "breaks off at byte" in notes[0]
        else:
            assert not frames
        counts.append(len(frames))
    assert counts == sorted(counts)
    assert counts[-1] == 24
    assert max(later - earlier for earlier, later in pairwise(counts)) <= 3  # a chunk


def test_a_damaged_chunk_is_an_error_and_what_stands_behind_it_can_be_read(
    tmp_path: Path,
) -> None:
    path = write_mcap(tmp_path / "x.mcap", TAKEN, chunk_size=1024)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    frames, _, error = outcome(path)
    assert isinstance(error, SourceError)
    assert "x.mcap is damaged at byte" in str(error)
    assert f"after {len(frames)} frames" in str(error)
    assert 0 < len(frames) < 24
    check_right(frames, TAKEN)
    source = open_source(f"{path}?start={0.05 * (len(frames) + 4)}")
    behind = [item for item in source if isinstance(item, Frame)]
    check_right(behind, TAKEN)
    assert behind[-1].wall_ns == TAKEN[-1].stamp_ns
    source.close()


def test_damage_in_a_file_without_chunks_is_found_before_a_picture_is_shown(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "x.mcap", TAKEN, use_chunking=False, enable_data_crcs=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    frames, _, error = outcome(path)
    assert not frames
    assert "checksum" in str(error)


def test_less_than_the_statistics_say_is_an_error(tmp_path: Path) -> None:
    log = McapLog(tmp_path / "x.mcap", enable_crcs=False)
    log.add("/other", TAKEN[0].log_ns - 10**9, CompressedImage())  # the pictures begin later than the file
    for shot in TAKEN:
        log.add("/cam", shot.log_ns, protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png"))
    statistics = log.writer._Writer__statistics
    statistics.channel_message_counts[2] += 5
    statistics.message_count += 5
    frames, _, error = outcome(log.close(), "?topic=/cam")
    check_right(frames, TAKEN)
    assert len(frames) == 24
    assert "says 29 messages of /cam, but holds 24" in str(error)


def altered_summary(whole: bytes, alter: Callable[[list[tuple[int, bytes]]], None]) -> bytes:
    """An MCAP file without checksums whose summary's records are altered."""
    start = int.from_bytes(whole[-28:-20], "little")
    end = int.from_bytes(whole[-20:-12], "little") or len(whole) - 37
    records, at = [], start
    while at < end:
        size = int.from_bytes(whole[at + 1 : at + 9], "little")
        records.append((whole[at], whole[at : at + 9 + size]))
        at += 9 + size
    alter(records)
    footer = b"\2" + (20).to_bytes(8, "little") + start.to_bytes(8, "little") + bytes(12)
    return whole[:start] + b"".join(data for _, data in records) + footer + whole[-8:]


def test_a_summary_that_leaves_out_a_chunk_is_not_used(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "x.mcap", TAKEN, enable_crcs=False, chunk_size=1024)

    def leave_out(records: list[tuple[int, bytes]]) -> None:
        del records[next(i for i, (opcode, _) in enumerate(records) if opcode == Opcode.CHUNK_INDEX)]

    path.write_bytes(altered_summary(path.read_bytes(), leave_out))
    frames, notes, error = outcome(path)
    assert (len(frames), error) == (24, None)
    assert "no summary that can be used" in notes[0]
    check_right(frames, TAKEN)


def test_an_index_that_points_at_another_chunk_is_an_error(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "x.mcap", TAKEN, enable_crcs=False, chunk_size=1024)

    def point_at_the_first(records: list[tuple[int, bytes]]) -> None:
        held = [i for i, (opcode, _) in enumerate(records) if opcode == Opcode.CHUNK_INDEX]
        first, third = records[held[0]][1], records[held[2]][1]
        records[held[2]] = Opcode.CHUNK_INDEX, third[:25] + first[25:41] + third[41:]  # offset and length

    path.write_bytes(altered_summary(path.read_bytes(), point_at_the_first))
    frames, _, error = outcome(path)
    assert "its index is wrong" in str(error)
    check_right(frames, TAKEN)


def test_a_damaged_summary_is_not_used(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "x.mcap", TAKEN)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"/front/image/compressed") + 1] ^= 1
    path.write_bytes(data)
    frames, notes, error = outcome(path, "?topic=/front/image/compressed")
    assert (len(frames), error) == (24, None)
    assert "no summary that can be used" in notes[0]


def test_a_chunk_of_an_unknown_compression_is_not_taken_for_plain(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "x.mcap", TAKEN, enable_crcs=False)
    builder: Any = RecordBuilder()
    for name in ("zstd", "zz9d"):
        builder.write_prefixed_string(name)
    both = builder.end()
    path.write_bytes(path.read_bytes().replace(both[:8], both[8:]))
    frames, _, error = outcome(path)
    assert not frames
    assert "'zz9d'; zstd and lz4" in str(error)


def test_a_bag_of_ros_1_that_is_cut_off_asks_for_its_index(tmp_path: Path) -> None:
    path = write_ros1(tmp_path / "x.bag", TAKEN)
    whole = path.read_bytes()
    for size in range(5, len(whole), 3001):
        path.write_bytes(whole[:size])
        frames, _, error = outcome(path)
        assert not frames
        assert "x.bag: cannot be read as a bag of ROS 1" in str(error)


def test_a_damaged_database_is_an_error(tmp_path: Path) -> None:
    path = next(write_ros2(tmp_path / "bag", TAKEN).glob("*.db3"))
    data = path.read_bytes()
    for size in range(0, len(data), 4001):
        path.write_bytes(data[:size])
        frames, _, error = outcome(path)
        check_right(frames, TAKEN)
        assert len(frames) == 24 or error is not None
    path.write_bytes(data)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE messages SET data = 'text' WHERE id = 5")
    frames, _, error = outcome(path)
    assert len(frames) == 4
    assert "message 5 is str" in str(error)


def flipped(path: Path, whole: bytes, places: Sequence[tuple[float, int]]) -> None:
    data = bytearray(whole)
    for where, bit in places:
        data[min(int(where * len(data)), len(data) - 1)] ^= 1 << bit
    path.write_bytes(data)


PLACES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=3)
KINDS: dict[str, dict[str, Any]] = {
    "chunks": {"chunk_size": 1024},
    "lean": {"chunk_size": 1024, "index_types": IndexType.NONE},
    "loose": {"use_chunking": False, "enable_data_crcs": True},
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=PLACES)
def test_flipped_bits_in_mcap_never_give_a_wrong_picture(kind: str, places: Any, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mcap"
    if not whole.exists():
        write_mcap(whole, TAKEN, **KINDS[kind])
    flipped(tmp_path / "x.mcap", whole.read_bytes(), places)
    frames, _, _ = outcome(tmp_path / "x.mcap")
    check_right(frames, TAKEN)


@pytest.mark.parametrize("suffix", ["bag", "db3"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=PLACES)
def test_flipped_bits_in_bags_never_give_a_wrong_picture(suffix: str, places: Any, tmp_path: Path) -> None:
    """They have no checksums: the pictures' own (PNG) are all there is, and none for their stamps."""
    whole = tmp_path / f"whole.{suffix}"
    if not whole.exists():
        if suffix == "bag":
            write_ros1(whole, TAKEN)
        else:
            next(write_ros2(tmp_path / "one", TAKEN).glob("*.db3")).rename(whole)
    path = tmp_path / f"x.{suffix}"
    flipped(path, whole.read_bytes(), places)
    frames, _, _ = outcome(path)
    pictures = {shot.image.tobytes() for shot in TAKEN}
    assert all(frame.image.tobytes() in pictures for frame in frames)
