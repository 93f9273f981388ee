"""Disks at the start of a node, what earlier runs have left on them, and two nodes on one output."""

import time
from pathlib import Path

import pytest

from perception.bundle.bundle import Bundle
from tests.e2e.faults.disk import mounted, remount
from tests.e2e.faults.node import Node, Values, readable
from tests.e2e.faults.table import Rows
from tests.servers.control import Server

CAMERA = "--size", "320x192", "--rate", "25"
MOST_PAUSE_S = 15.0  # between two tries to open a sink again, the longest one and half as much
now = time.monotonic_ns


def sink(report: Values, uri: str) -> Values:
    return next(one for one in report["sinks"] if uri in one["uri"])


def fill(disk: Path) -> Path:
    """A file of somebody else's that takes all room."""
    filler = disk / "others"
    with pytest.raises(OSError, match="No space"), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 14))
            file.flush()
    return filler


@pytest.mark.parametrize(
    ("fault", "words"), [("full", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_a_disk_that_cannot_be_written_at_the_start(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...], fault: str, words: str
) -> None:
    """The node runs for its other sinks, says ERROR, and records once it can."""
    with mounted(tmp_path / "disk", "3m") as disk, Server("mjpeg", *CAMERA) as camera:
        if fault == "full":
            fill(disk)
        else:
            remount(disk, "ro")
        outputs = "disk/rec/drive.mp4?minutes=1&keep=2MB", "disk/labels/"
        with Node(rows, tmp_path, camera.url, *outputs, *arguments) as node:
            begun = now()
            node.sound()
            says, _ = node.event(begun, "sink_broken", words, 5.0)
            node.condition(begun, "sink disk/rec/drive.mp4?minutes=1&keep=2MB", words, 5.0)
            health = node.healths[-1]
            assert health["level"] == "error" and health["state"] == "active"
            went = now()
            if fault == "full":
                (disk / "others").unlink()
            else:
                remount(disk, "rw")
            for output in ("drive.mp4", "labels"):
                node.event(went, "sink_recovered", output, MOST_PAUSE_S)
            recovered = (now() - went) / 1e9
            node.fresh(now() + 1_000_000_000, 10.0)
            report = node.end()
            lost = {name: sink(report, name)["lost"].get(words, 0) for name in ("drive.mp4", "labels")}
            assert all(lost.values()) and not sink(report, "told")["lost"]
            assert sum(readable(one) for one in disk.glob("rec/*.mp4")) == sink(report, "drive")["written"]
            counts = "; ".join(f"of {name}: {count}" for name, count in lost.items())
            rows.add(f"disk is {fault} at the start", says, None, counts, recovered)


def test_own_old_pieces_make_room_where_more_is_to_be_kept_than_fits(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    """At the start the disk is full of them, and later on would be."""
    with mounted(tmp_path / "disk", "4m") as disk, Server("mjpeg", *CAMERA) as camera:
        (disk / "rec").mkdir()
        old = [disk / f"rec/drive-20260101T00000{number}Z-000{number}.mp4" for number in range(1, 8)]
        for path in old:
            path.write_bytes(bytes(500_000))
        other = disk / "rec/other-20260101T000001Z-0001.mp4"
        other.write_bytes(b"of another recording")
        frame = disk / "labels/000000.labels.png"
        frame.parent.mkdir()
        for path in (frame, frame.with_name("000001.labels.png")):
            path.write_bytes(bytes(100_000))
        fill(disk)
        outputs = "disk/rec/drive.mp4?megabytes=0.5&keep=1GB", "disk/labels/?keep=1GB"
        with Node(rows, tmp_path, camera.url, *outputs, *arguments) as node:
            begun = now()
            node.sound()
            node.until("the oldest piece is gone", lambda: not old[0].exists(), 60.0)
            node.until("old frames are gone", lambda: not frame.exists(), 60.0)
            count = len(node.scenes)
            node.until("scenes", lambda: len(node.scenes) > count + 250, 60.0)
            there = [path.exists() for path in old]
            assert there == sorted(there)  # the oldest ones are gone
            report = node.end()
            assert not sink(report, "drive")["lost"] and not sink(report, "labels")["lost"]
            assert other.read_bytes() == b"of another recording"
            says = f"nothing: the {there.count(False)} oldest pieces are removed, and no file of others"
            node.row("?keep=1GB on a disk of 4 MB, full of old pieces", says, None, begun)


def test_what_a_kill_in_the_first_second_leaves_is_cleaned(
    rows: Rows, tmp_path: Path, breaking_bundle: Bundle
) -> None:
    run = "rec/drive.mp4?minutes=1", "--model", breaking_bundle.folder, "--engine", "onnx-cpu"
    pieces = tmp_path / "rec"
    pieces.mkdir()
    empty = pieces / "drive-20260101T000001Z-0001.mp4"
    empty.write_bytes(b"")
    with Server("mjpeg", *CAMERA) as camera:
        with Node(rows, tmp_path, camera.url, *run) as node:
            node.until("a piece", lambda: [one for one in pieces.glob("*.mp4") if one != empty], 60.0)
            node.process.kill()
            node.process.wait()
        assert not empty.exists()
        left = list(pieces.glob("*.mp4"))
        assert left and all(path.stat().st_size < 1000 for path in left)
        with Node(rows, tmp_path, camera.url, *run, "told/") as node:
            begun = now()
            node.sound()
            node.end()
            assert all(readable(path) for path in pieces.glob("*.mp4"))
            node.row("node: SIGKILL in its first second", "its piece without a frame is removed", None, begun)
    assert not list(pieces.glob(".*.lock"))


def test_two_nodes_on_one_output(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    outputs = "rec/drive.mp4?minutes=1&keep=2MB", "out.mp4", "labels/"
    model = arguments[1:]
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, *outputs, *arguments) as node,
    ):
        node.sound()
        begun = now()
        for output in outputs:
            with Node(rows, tmp_path, camera.url, output, *model, sink="none") as second:
                assert second.process.wait(60) == 1
                second._hearing.join()
            says = second.said.strip().splitlines()[-1]
            name = output.partition("?")[0].rstrip("/")
            assert f"sink {name}: the process {node.process.pid} writes there already" in says
        after = (now() - begun) / 1e9 / len(outputs)
        with Node(rows, tmp_path, camera.url, "labels/", "labels/", *model, sink="none") as twice:
            assert twice.process.wait(60) in {1, 2}
            twice._hearing.join()
        report = node.end()
        assert not any(one["lost"] for one in report["sinks"])
        assert readable(tmp_path / "out.mp4") == report["published"]
        says = says.replace(str(node.process.pid), "4711")
        rows.add("a second node on the same output", f"exit 1: {says}", after, "of the first: nothing")
    with Node(rows, tmp_path, "sim:?size=320x192", "labels/", *model, "--frames", 2, sink="labels") as node:
        node.end(status=0, number=None)
