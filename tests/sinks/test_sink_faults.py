"""Disks that fill and folders that vanish, under real sinks in their queues: what is lost, what recovers."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.health.types import Health, Level, NodeState
from perception.scene import Signal
from perception.sinks import queue as sink_queue
from perception.sinks.base import Publication
from perception.sinks.queue import SinkQueue
from perception.sinks.registry import reopening
from perception.types import Policy
from tests.media import read_image, read_video
from tests.sinks.conftest import MakeScene

FULL = "No space left on device"
SINKS = ["out.mp4", "out.mp4?megabytes=0.5", "labels/"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB, most of which something else takes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here ({error})")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_queue, "_BACK_OFF_S", (0.02, 0.1))


def frames_in(video: Path) -> int:
    """All but what the end of the disk has cut through."""
    with av.open(str(video)) as container:
        return sum(len(packet.decode()) for packet in container.demux(video=0) if not packet.is_corrupt)


class Feed:
    """Frames of noise, which fill a disk soon, into a sink queue, until a condition holds."""

    def __init__(self, uri: str, make_scene: MakeScene) -> None:
        self.queue = SinkQueue(uri, reopening(uri, 25.0, DRIVE), Policy.FRESHEST)
        self.offered = 0
        self._make_scene, self._noise = make_scene, np.random.default_rng(0)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, self.queue.state
            frame, scene = self._make_scene(self.offered)
            noise = self._noise.integers(0, 256, (96, 160, 3), np.uint8)
            self.queue.offer(Publication(frame, scene, noise))
            self.offered += 1
            state = self.queue.state
            assert state.written + sum(state.lost.values()) + state.queued == self.offered
            time.sleep(0.003)

    def more(self, frames: int) -> None:
        written = self.queue.state.written
        self.until(lambda: self.queue.state.written >= written + frames and not self.queue.broken)


@pytest.mark.parametrize("sink", SINKS)
def test_a_full_disk_costs_frames_until_there_is_room(
    small_disk: Path, make_scene: MakeScene, sink: str
) -> None:
    feed = Feed(f"{small_disk}/{sink}", make_scene)
    feed.more(3)
    other = small_disk / "other"
    with other.open("wb") as file:
        file.write(bytes(1_500_000))
    feed.until(lambda: feed.queue.broken)
    assert FULL in feed.queue.state.lost and feed.queue.state.error == FULL
    lost = feed.queue.state.lost[FULL]
    feed.until(lambda: feed.queue.state.lost[FULL] > lost + 50)
    assert all(path.stat().st_size for path in small_disk.glob("*.mp4"))  # tries leave nothing behind
    other.unlink()
    for path in small_disk.glob("labels/0*"):
        path.unlink()
    feed.more(15)
    feed.queue.close()
    state = feed.queue.state
    assert set(state.lost) <= {FULL, "queue full"} and state.queued == 0
    if sink == "labels/":
        stems = [json.loads(line)["stem"] for line in (small_disk / "labels/scenes.jsonl").open()]
        assert len(stems) == state.written and stems == sorted(set(stems))
        assert read_image(small_disk / f"labels/{stems[-1]}.overlay.jpg") is not None
    else:
        videos = sorted(small_disk.glob("*.mp4"), key=lambda path: path.stat().st_mtime_ns)
        assert len(videos) >= 2
        assert all(frames_in(video) for video in videos)
        assert frames_in(videos[-1]) >= 15


@pytest.mark.parametrize("sink", SINKS)
def test_a_folder_that_vanishes_is_made_again(tmp_path: Path, make_scene: MakeScene, sink: str) -> None:
    folder = tmp_path / "deep" / "folder"
    feed = Feed(f"{folder}/{sink}", make_scene)
    feed.more(3)
    shutil.rmtree(tmp_path / "deep", ignore_errors=True)  # it is written to meanwhile
    feed.until(lambda: feed.queue.failure is not None)
    feed.more(15)
    feed.queue.close()
    assert "No such file or directory" in feed.queue.state.lost
    if sink == "labels/":
        assert len((folder / "labels/scenes.jsonl").read_text().splitlines()) >= 15
    else:
        [video] = folder.glob("*.mp4")
        assert len(read_video(video)) >= 15


def test_lines_of_a_file_that_was_removed_are_not_written_into_nothing(
    tmp_path: Path, make_scene: MakeScene
) -> None:
    feed = Feed(f"{tmp_path}/labels/", make_scene)
    feed.more(3)
    (tmp_path / "labels/scenes.jsonl").unlink()
    feed.until(lambda: feed.queue.failure is not None)
    feed.more(3)
    feed.queue.close()
    assert (tmp_path / "labels/scenes.jsonl").read_text().count("\n") >= 3


def test_after_a_failure_lines_go_on_where_they_were(tmp_path: Path, make_scene: MakeScene) -> None:
    opener = reopening(f"{tmp_path}/labels/", 25.0, DRIVE)
    for number in range(3):
        sink = opener()
        frame, scene = make_scene(number)
        sink.write(frame, scene, frame.image)
        sink.write_health(Health("front", NodeState.ACTIVE, Signal.OK, Level.WARN, published=number))
        sink.close()
    lines = [json.loads(line) for line in (tmp_path / "labels/scenes.jsonl").open()]
    assert [line["sequence"] for line in lines] == [0, 1, 2]
    healths = [json.loads(line) for line in (tmp_path / "labels/health.jsonl").open()]
    assert [(line["published"], line["level"], line["signal"]) for line in healths] == [
        (number, "warn", "ok") for number in range(3)
    ]
