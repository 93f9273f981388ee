"""What sinks and disks do to the health of a camera."""

import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from perception.health.disk import ASKED_EVERY_NS, Disks, Room
from perception.health.types import Level, SinkState
from tests.health.watched_camera import Camera, reason, told

FULL = "No space left on device"


@pytest.mark.parametrize(
    ("before", "after", "level", "words"),
    [
        (SinkState("a.mp4", 9, {}), SinkState("a.mp4", 99, {}), None, ""),
        (SinkState("a.mp4", 9, {FULL: 5}), SinkState("a.mp4", 99, {FULL: 5}), None, ""),  # it is over
        (
            SinkState("a.mp4", 9, {}),
            SinkState("a.mp4", 99, {FULL: 5}),
            Level.WARN,
            f"has just lost 5 frames, mostly: {FULL}",
        ),
        (
            SinkState("a.mp4", 9, {}),
            SinkState("a.mp4", 9, {FULL: 90}, error=FULL),
            Level.ERROR,
            f"takes nothing: {FULL}",
        ),
        (
            SinkState("a.mp4", 9, {}),
            SinkState("a.mp4", 9, {}, 4, 1500),
            Level.WARN,
            "lets a frame wait for 1500 ms, at most 1000 ms",
        ),
        (
            SinkState("web://h", 9, {}, viewers=True),
            SinkState("web://h", 9, {"queue full": 90}, viewers=True),
            None,
            "",
        ),
        (
            SinkState("web://h", 9, {}, viewers=True),
            SinkState("web://h", 9, {}, error="port taken", viewers=True),
            Level.WARN,
            "takes nothing: port taken",
        ),
    ],
)
def test_sinks(before: SinkState, after: SinkState, level: Level | None, words: str) -> None:
    camera = Camera()
    camera.told["sinks"] = [before]
    camera.frames(6)
    camera.told["sinks"] = [after]
    health = camera.frames(1)
    name = f"sink {after.uri}"
    assert told(health) == ({name: level} if level else {})
    if level:
        assert reason(health, name) == f"{name} {words}"


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free_gib", "total_gib", "words"),
    [
        (6, 100, ""),
        (4, 100, "is nearly full: 4.0 GiB (4 %) free, at least 1 GiB and 5 %"),
        (0.5, 4, "is nearly full: 0.5 GiB (12 %) free, at least 1 GiB and 5 %"),
    ],
)
def test_a_disk_that_fills_up(
    free_gib: float, total_gib: float, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Path] = []

    def usage(place: Path) -> Usage:
        asked.append(place)
        return Usage(total_gib * 2**30, 0, free_gib * 2**30)

    monkeypatch.setattr("shutil.disk_usage", usage)
    folder = tmp_path / "labels" / "today"  # not there yet
    health = Camera(folders=[folder]).frames(7)
    assert [one.reason for one in health.conditions] == ([f"the disk of {folder} {words}"] if words else [])
    assert asked == [tmp_path, tmp_path]  # in seven seconds


def test_a_disk_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def usage(place: Path) -> Usage:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr("shutil.disk_usage", usage)
    health = Camera(folders=[tmp_path]).frames(1)
    assert reason(health, f"disk {tmp_path}") == f"the disk of {tmp_path} cannot be asked: Stale file handle"


def test_a_disk_that_may_not_be_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def exists(place: Path) -> bool:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Path, "exists", exists)
    health = Camera(folders=[tmp_path]).frames(1)
    assert reason(health, f"disk {tmp_path}") == f"the disk of {tmp_path} cannot be asked: Stale file handle"


def test_a_disk_that_does_not_answer_holds_up_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server of NFS that is gone: those that ask it wait, for minutes or for ever."""
    server, gone = threading.Event(), tmp_path / "gone"
    gone.mkdir()

    def usage(place: Path) -> Usage:
        if place == gone:
            server.wait(30)
        return Usage(2**40, 0, 2**39 if place == gone else 0)

    monkeypatch.setattr("shutil.disk_usage", usage)
    disks, here = Disks([gone, tmp_path]), Room(str(tmp_path), 0, 2**40)
    start = time.monotonic()
    try:
        assert disks.rooms(0) == disks.rooms(ASKED_EVERY_NS - 1) == (here,)
        assert disks.rooms(ASKED_EVERY_NS) == (Room(str(gone), error="it does not answer"), here)
        assert threading.active_count() < 10 and time.monotonic() - start < 5
    finally:
        server.set()
    for thread in threading.enumerate():
        if thread.name == "disk":
            thread.join(5)
    assert disks.rooms(2 * ASKED_EVERY_NS)[0] == Room(str(gone), 2**39, 2**40)
