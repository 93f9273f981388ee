"""Recordings as sources: every container, against the pictures and times that were written."""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from mcap.writer import CompressionType, IndexType

from perception.errors import SourceError
from perception.frame import Drop, Frame
from perception.sources.log.opening import open_log
from perception.sources.looped import LoopedSource
from perception.sources.registry import open_source
from tests.sources.logs import (
    PERIOD_NS,
    START_NS,
    TOPIC,
    McapLog,
    Shot,
    protobuf,
    shots,
    write_mcap,
    write_ros1,
    write_ros2,
)

Write = Callable[[Path, Sequence[Shot]], Path]


def mcap(**options: Any) -> Write:
    return lambda folder, taken: write_mcap(folder / "x.mcap", taken, **options)


def ros2(*how: str, version: int = 9, file: str = "") -> Write:
    """The folder, or the one file in it."""

    def write(folder: Path, taken: Sequence[Shot]) -> Path:
        bag = write_ros2(folder / "bag", taken, *how, version=version)
        return next(bag.glob(file)) if file else bag

    return write


def ros1(compression: str = "") -> Write:
    return lambda folder, taken: write_ros1(folder / "x.bag", taken, compression)


CONTAINERS = {
    "mcap": mcap(),
    "mcap lz4": mcap(compression=CompressionType.LZ4),
    "mcap plain": mcap(compression=CompressionType.NONE),
    "mcap one chunk": mcap(chunk_size=1 << 24),
    "mcap without chunks": mcap(use_chunking=False),
    "mcap without checksums": mcap(enable_crcs=False),
    "mcap without indexes": mcap(index_types=IndexType.NONE),
    "mcap without message indexes": mcap(index_types=IndexType.CHUNK),
    "mcap channels once": mcap(repeat_channels=False),
    "mcap schemas once": mcap(repeat_schemas=False),
    "mcap without statistics": mcap(use_statistics=False),
    "db3 before Iron": ros2("sqlite3", version=8),
    "db3": ros2("sqlite3"),
    "db3 file": ros2("sqlite3", file="*.db3"),
    "db3 compressed messages": ros2("sqlite3", "message"),
    "db3 compressed file": ros2("sqlite3", "file"),
    "rosbag2 mcap": ros2("mcap"),
    "rosbag2 mcap compressed messages": ros2("mcap", "message"),
    "rosbag2 mcap compressed file": ros2("mcap", "file"),
    # A metadata record alone tells that its messages are compressed.
    "rosbag2 mcap file": ros2("mcap", "message", file="*.mcap"),
    "ROS 1": ros1(),
    "ROS 1 bz2": ros1("bz2"),
    "ROS 1 lz4": ros1("lz4"),
}
SCANNED = {
    f"mcap {words}" for words in ("without chunks", "without indexes", "channels once", "schemas once")
}
SCANNED |= {"mcap without statistics"}


def read(uri: Any) -> tuple[list[Frame | Drop], list[str]]:
    source = open_source(str(uri))
    try:
        return list(source), source.notes
    finally:
        source.close()


def check(items: Sequence[Frame | Drop], taken: Sequence[Shot], first_ns: int = START_NS) -> None:
    """Exactly these pictures, at these times."""
    assert len(items) == len(taken)
    for sequence, (item, shot) in enumerate(zip(items, taken, strict=True)):
        assert isinstance(item, Frame)
        assert (item.sequence, item.wall_ns, item.stamp_ns) == (
            sequence,
            shot.stamp_ns,
            shot.stamp_ns - first_ns,
        )
        assert (item.image == shot.image).all()


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_every_picture_at_its_time(container: str, tmp_path: Path) -> None:
    taken = shots(24, gap_after=9)
    path = CONTAINERS[container](tmp_path, taken)
    source = open_source(str(path))
    assert (source.length, source.live) == (24, False)
    assert source.rate == pytest.approx(1e9 / PERIOD_NS)
    items = list(source)
    check(items, taken)
    assert {item.frame_id for item in items if isinstance(item, Frame)} == {"front_optical"}
    assert bool(source.notes) == (container in SCANNED)
    source.close()


@pytest.mark.parametrize("container", ["mcap", "mcap without chunks", "db3", "rosbag2 mcap", "ROS 1"])
def test_nothing_before_the_time_that_was_asked_for_is_given(container: str, tmp_path: Path) -> None:
    taken = shots(24)
    log = open_log(CONTAINERS[container](tmp_path, taken))
    given = [record.log_ns for record in log.records({TOPIC}, taken[7].log_ns)]
    assert given == [shot.log_ns for shot in taken[7:]]
    assert list(log.records({"/other"})) == []
    log.close()


@pytest.mark.parametrize("container", ["mcap", "mcap without chunks", "db3", "rosbag2 mcap", "ROS 1"])
def test_a_part_keeps_the_stamps_of_the_whole(container: str, tmp_path: Path) -> None:
    taken = shots(24, gap_after=9)
    path = CONTAINERS[container](tmp_path, taken)
    items, _ = read(f"{path}?start=0.3&duration=1.5")
    check(items, taken[6:16])  # the 10th is followed by a gap of a second
    items, _ = read(f"{path}?topic={TOPIC}&duration=0.06")
    check(items, taken[:2])


def test_a_part_that_is_looped_goes_on_without_a_gap(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "x.mcap", shots(12))
    source = LoopedSource(lambda: open_source(f"{path}?start=0.4"))
    items = list(islice(source, 8))
    source.close()
    assert [round(item.stamp_ns / PERIOD_NS) for item in items if isinstance(item, Frame)] == list(range(8))
    assert [item.recording for item in items if isinstance(item, Frame)] == [0] * 4 + [1] * 4


def test_jpeg_is_handed_on_as_it_came(tmp_path: Path) -> None:
    taken = shots(3, ".jpg")
    items, _ = read(write_mcap(tmp_path / "x.mcap", taken))
    check(items, taken)
    assert [item.coded.data for item in items if isinstance(item, Frame) and item.coded] == [
        s.data for s in taken
    ]


def test_messages_are_sorted_by_time_within_and_across_chunks(tmp_path: Path) -> None:
    taken = shots(24)
    order = [*taken[6:12], *taken[:6], *reversed(taken[12:])]
    path = write_mcap(tmp_path / "x.mcap", order)
    items, _ = read(path)
    check(items, taken)


def test_files_of_a_split_bag_are_merged_by_time(tmp_path: Path) -> None:
    taken = shots(24)
    first = write_ros2(tmp_path / "bag", taken[::2])
    second = next(write_ros2(tmp_path / "other", taken[1::2]).glob("*.db3"))
    second.rename(first / "more.db3")
    metadata = yaml.safe_load((first / "metadata.yaml").read_text())
    about = metadata["rosbag2_bagfile_information"]
    about["relative_file_paths"].append("bag/more.db3")  # as old ones have it
    about["message_count"] = 24
    (first / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    items, notes = read(first)
    check(items, taken)
    assert not notes
    (first / "more.db3").unlink()
    with pytest.raises(SourceError, match=r"missing: more\.db3"):
        read(first)


def test_the_metadata_of_a_day_in_minutes_is_read(tmp_path: Path) -> None:
    taken = shots(4)
    folder = write_ros2(tmp_path / "bag", taken)
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    about = metadata["rosbag2_bagfile_information"]
    about["files"] = [
        {"path": f"bag_{i}.db3", "duration": {"nanoseconds": i}, "message_count": 1, "note": "x" * 200}
        for i in range(1440)
    ]
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    assert (folder / "metadata.yaml").stat().st_size > 256 << 10
    check(read(folder)[0], taken)


def test_a_folder_of_images_remains_one(tmp_path: Path) -> None:
    for index, shot in enumerate(shots(3)):
        (tmp_path / f"{index}.png").write_bytes(shot.data)
    items, _ = read(tmp_path)
    assert len(items) == 3


def test_what_a_killed_recorder_left_in_the_write_ahead_log_is_read(tmp_path: Path) -> None:
    taken = shots(12)
    path = next(write_ros2(tmp_path / "bag", taken).glob("*.db3"))
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        rows = database.execute("SELECT topic_id, timestamp, data FROM messages WHERE id > 6").fetchall()
        database.execute("DELETE FROM messages WHERE id > 6")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", rows)
        database.commit()
        killed = tmp_path / "killed"
        killed.mkdir()
        for file in path.parent.glob("*.db3*"):
            shutil.copy(file, killed)
    assert sorted(file.suffix for file in killed.iterdir()) == [".db3", ".db3-shm", ".db3-wal"]
    items, _ = read(next(killed.glob("*.db3")))
    check(items, taken)


def test_without_a_stamp_the_time_of_recording_counts(tmp_path: Path) -> None:
    log = McapLog(tmp_path / "x.mcap")
    taken = shots(3)
    for shot in taken:
        log.add("/cam", shot.log_ns, CompressedImage(data=shot.data, format="png"))
    items, notes = read(log.close())
    assert [item.wall_ns for item in items if isinstance(item, Frame)] == [shot.log_ns for shot in taken]
    assert [item.stamp_ns for item in items if isinstance(item, Frame)] == [0, PERIOD_NS, 2 * PERIOD_NS]
    assert "time of recording" in notes[0]
    assert len(notes) == 1


def test_stamps_that_run_back_begin_another_recording(tmp_path: Path) -> None:
    taken = shots(24)
    log = McapLog(tmp_path / "x.mcap")
    for index, shot in enumerate(taken):
        stamp_ns = shot.stamp_ns - 12 * PERIOD_NS * (index >= 12)
        log.add("/cam", shot.log_ns, protobuf(CompressedImage, stamp_ns, data=shot.data, format="png"))
    items, notes = read(log.close())
    assert [item.recording for item in items if isinstance(item, Frame)] == [0] * 12 + [1] * 12
    assert [item.wall_ns for item in items if isinstance(item, Frame)] == [s.stamp_ns for s in taken[:12]] * 2
    assert "another recording" in notes[0]


def test_a_message_that_is_no_picture_is_dropped(tmp_path: Path) -> None:
    taken = shots(6)
    broken = Shot(taken[2].stamp_ns, taken[2].image, taken[2].data[:-20])
    items, _ = read(write_mcap(tmp_path / "x.mcap", [*taken[:2], broken, *taken[3:]]))
    assert isinstance(items[2], Drop)
    assert items[2].sequence == 2
    assert "0.100 s on /front/image/compressed" in items[2].message
    good = [item for item in items if isinstance(item, Frame)]
    assert [item.sequence for item in good] == [0, 1, 3, 4, 5]
    assert all((item.image == taken[item.sequence].image).all() for item in good)


def test_a_recorder_without_a_clock_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    log = McapLog(tmp_path / "x.mcap", chunk_size=1024)
    taken = shots(24)
    for shot in taken:
        log.add("/cam", 0, protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png"))
    items, _ = read(log.close())
    check(items, taken)


def test_several_publishers_of_a_topic_are_one(tmp_path: Path) -> None:
    taken = shots(8)
    log, second = McapLog(tmp_path / "x.mcap"), 0
    for index, shot in enumerate(taken):
        message = protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png")
        if index % 2 == 0:
            log.add("/cam", shot.log_ns, message)
            continue
        second = second or log.writer.register_channel("/cam", "protobuf", 1)
        log.writer.add_message(second, shot.log_ns, message.SerializeToString(), shot.log_ns)
    source = open_source(str(log.close()))
    assert source.length == 8
    check(list(source), taken)
    source.close()


def test_reading_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "x.mcap", shots(12, ".jpg"))
    first, second = read(path)[0], read(path)[0]
    for one, other in zip(first, second, strict=True):
        assert isinstance(one, Frame)
        assert isinstance(other, Frame)
        assert np.array_equal(one.image, other.image)
        assert (one.stamp_ns, one.wall_ns, one.coded) == (other.stamp_ns, other.wall_ns, other.coded)
