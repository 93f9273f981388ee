"""Faults of sinks: each costs its own frames, counted with their reason, and no other sink's."""

import json
import resource
import shutil
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from tests.e2e.faults.disk import mounted
from tests.e2e.faults.node import Node, Values, readable
from tests.e2e.faults.table import Rows
from tests.e2e.faults.viewer import free_port, open_viewer, vanish
from tests.servers.control import Server

CAMERA = "--size", "320x192", "--rate", "25"
MOST_PAUSE_S = 15.0  # between two tries to open a sink again, the longest one and half as much
now = time.monotonic_ns


def sink(health: Values, uri: str) -> Values:
    return next(one for one in health["sinks"] if uri in one["uri"])


def lost_of(report: Values, uri: str) -> str:
    lost = sink(report, uri)["lost"]
    return ", ".join(f"{count} {reason}" for reason, count in lost.items()) or "nothing"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte and a half."""
    with mounted(tmp_path / "disk", "1500k") as folder:
        yield folder


def test_a_disk_that_is_full(
    rows: Rows, tmp_path: Path, small_disk: Path, arguments: tuple[object, ...]
) -> None:
    filler = small_disk / "others"
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, "disk/out.mp4", *arguments) as node,
    ):
        video = small_disk / "out.mp4"
        node.until("the video", lambda: video.exists() and video.stat().st_size > 50_000, 60.0)
        begun = now()
        with pytest.raises(OSError, match="No space"), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 14))
                file.flush()
        says, after = node.event(begun, "sink_broken", "No space left on device", 10.0)
        node.condition(begun, "sink disk/out.mp4", "takes nothing: No space left on device", 5.0)
        went = now()
        filler.unlink()
        _, recovered = node.event(went, "sink_recovered", "takes frames again", MOST_PAUSE_S)
        again = small_disk / "out-2.mp4"  # without a frame it would not stay
        node.until("the next video", lambda: again.exists() and again.stat().st_size > 0, 30.0)
        report = node.end()
        lost = lost_of(report, "out.mp4")
        assert "No space left on device" in lost and lost_of(report, "told") == "nothing"
        rows.add("disk is full", says, after, f"of the video: {lost}; of the folder: nothing", recovered)
        for name in ("out.mp4", "out-2.mp4"):
            assert readable(small_disk / name) > 0


def test_a_file_that_may_not_grow(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, "out.mp4", *arguments) as node,
    ):
        node.sound()
        begun = now()
        room = max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) + 100_000
        limits = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (room, limits[1]))
        says, after = node.event(begun, "sink_broken", "File too large", 20.0)
        went = now()
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, limits)
        _, recovered = node.event(went, "sink_recovered", "", MOST_PAUSE_S)
        report = node.end()
        lost = "; ".join(f"of {one['uri']}: {lost_of(report, one['uri'])}" for one in report["sinks"])
        assert "File too large" in lost
        rows.add("a file may not grow (RLIMIT_FSIZE)", says, after, lost, recovered)


def test_a_folder_that_vanishes(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, "labels/", *arguments) as node,
    ):
        node.sound()
        begun = now()
        (tmp_path / "labels").rename(tmp_path / "gone")
        shutil.rmtree(tmp_path / "gone")
        says, after = node.event(begun, "sink_broken", "labels", 3.0)
        _, recovered = node.event(begun, "sink_recovered", "labels", MOST_PAUSE_S)
        report = node.end()
        lost = lost_of(report, "labels")
        assert "No such file or directory" in lost and lost_of(report, "told") == "nothing"
        assert (tmp_path / "labels/scenes.jsonl").read_bytes().endswith(b"}\n")
        rows.add("folder is removed", says, after, f"of the folder: {lost}; of the other: nothing", recovered)


def test_viewers_that_never_read_or_vanish(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    port = free_port()
    with (
        Server("mjpeg", "--size", "640x384", "--rate", "25") as camera,
        Node(rows, tmp_path, camera.url, f"web://127.0.0.1:{port}", *arguments) as node,
    ):
        node.sound()
        alone = len(node.scenes)
        node.until("scenes", lambda: len(node.scenes) >= alone + 25, 30.0)
        without = statistics.median(scene["age_ms"] for scene in node.scenes[alone:])
        begun = now()
        viewers = [open_viewer(port) for _ in range(3)]
        first = node.scene(begun, 5.0)[0]["sequence"]
        node.until("scenes", lambda: node.scenes[-1]["sequence"] >= first + 75, 30.0)  # 5 MB of JPEG each
        ages = [scene["age_ms"] for scene in node.scenes if scene["stamp_ns"] >= begun]
        typical = statistics.median(ages)
        assert typical < 3 * without + 200  # who waited for them would wait for ever
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            told = json.load(answer)["viewers"]
        assert len(told) == 3 and all(one["sent"] < 40 for one in told)
        sent = ", ".join(str(one["sent"]) for one in told)
        says = f"sent to them: {sent} of {len(ages)} pictures; scenes go out after {typical:.0f} ms"
        node.row("3 viewers never read", says, None, begun)

        begun = now()
        descriptors = psutil.Process(node.process.pid).num_fds
        before = descriptors()
        for viewer in viewers:
            vanish(viewer)
        node.until("sockets are closed", lambda: descriptors() <= before - 3, 5.0)
        after = (now() - begun) / 1e9
        recovered = node.fresh(now(), 3.0)
        node.row("they vanish (RST)", "nothing: their sockets are closed", after, begun, recovered)
        report = node.end()
        assert lost_of(report, "web://") == lost_of(report, "told") == "nothing"


def test_a_port_that_is_taken(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    with Server("mjpeg", *CAMERA) as camera, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        begun = now()
        with Node(rows, tmp_path, camera.url, f"web://127.0.0.1:{port}", *arguments) as node:
            assert node.process.wait(60) == 1
            after = (now() - begun) / 1e9
        says = node.said.strip()
        assert "Address already in use" in says and "choose another port" in says
        rows.add("the page's port is taken", f"exit 1: {says}", after, "nothing")


def test_a_bus_without_a_peer(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    pytest.importorskip("zenoh", reason="needs the extra [zenoh]")
    drive = "sim:?size=160x96"
    with Node(rows, tmp_path, drive, "zenoh:car", *arguments, "--frames", 5) as node:
        assert node.process.wait(60) == 1
    says = node.said.splitlines()[-1]
    assert "none of 5 scenes was taken (5 not connected)" in says
    rows.add("a recording for a bus without a peer", f"exit 1: {says}", None, "of the bus: 5 not connected")
