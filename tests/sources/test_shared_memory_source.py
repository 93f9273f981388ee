"""Pictures from shared memory: stamps, freshness, and writers that come, go and lie."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception.frame import DropReason, Frame
from perception.health.types import LinkState
from perception.interchange.shm import place
from perception.interchange.shm.layout import Part, SharedFrame
from perception.interchange.shm.place import check_owner
from perception.interchange.shm.ring import Ring
from perception.pixels import Yuv420
from perception.sources.base import is_live
from perception.sources.registry import open_source
from tests.interchange.rings import ring
from tests.sources.live import Reading, live_source, until


def picture(number: int, **changes: object) -> SharedFrame:
    now = time.monotonic_ns()
    image = np.full((8, 16, 3), number, np.uint8)
    values = {"parts": {Part.PICTURE: image}, "pixel_aspect": 1.5, "frame_id": "mast", **changes}
    return replace(SharedFrame(number, 5, 1_800_000_000_123_456_789, now, now), **values)  # type: ignore[arg-type]


def publish(served: Ring, frame: SharedFrame) -> None:
    """Once somebody asks."""
    until(lambda: served.wanted)
    served.publish(frame, Part.PICTURE)


def send(served: Ring, reading: Reading, number: int) -> Frame:
    """A picture that must come."""
    had = len(reading.frames)
    publish(served, picture(number))
    reading.at_least(had + 1)
    return reading.frames[-1]


def test_pictures_come_with_their_writers_stamps(runtime: Path) -> None:
    with (
        ring(runtime, hello=b'{"rate": 12.5}') as served,
        Reading(live_source("shm:front", "left")) as reading,
    ):
        for number in range(10):
            before = time.monotonic_ns()
            frame = send(served, reading, number)
            assert before <= frame.host_ns == frame.stamp_ns <= time.monotonic_ns()
            assert frame.wall_ns == 1_800_000_000_123_456_789
            assert (frame.camera, frame.frame_id, frame.pixel_aspect) == ("left", "mast", 1.5)
        assert reading.source.rate == 12.5
        assert reading.source.link.state is LinkState.STREAMING
        for number, frame in enumerate(reading.frames):  # copied: the memory was written again since
            assert (frame.image == number).all() and frame.image.flags.writeable


def test_planes_stay_planes(runtime: Path) -> None:
    planes = Yuv420(np.arange(12 * 16, dtype=np.uint8).reshape(12, 16), matrix=1, full_range=True)
    with ring(runtime) as served, Reading(live_source("shm:front")) as reading:
        publish(served, picture(0, parts={Part.PICTURE: planes}))
        reading.at_least(1)
        (frame,) = reading.frames
        assert isinstance(frame.pixels, Yuv420) and (frame.pixels.i420 == planes.i420).all()
        assert (frame.pixels.matrix, frame.pixels.full_range) == (1, True)


def test_the_newest_counts_and_each_other_one_is_accounted_for(runtime: Path) -> None:
    with ring(runtime) as served, Reading(live_source("shm:front")) as reading:
        send(served, reading, 0)
        with reading.gate:
            for number in range(1, 31):
                publish(served, picture(number))
        until(lambda: reading.frames[-1].image[0, 0, 0] == 30)
        assert len(reading.items) == 31 and len(reading.frames) < 6
        assert {drop.reason for drop in reading.drops} == {DropReason.SUPERSEDED}


def test_a_writer_that_goes_is_lost_and_found_again(runtime: Path) -> None:
    with Reading(live_source("shm:front")) as reading:
        until(lambda: reading.source.link.reason == "nobody serves the ring front")
        with ring(runtime) as served:
            send(served, reading, 1)
            assert reading.source.link.connections == 1
        until(lambda: reading.source.link.state is LinkState.LOST)
        with ring(runtime) as served:
            frame = send(served, reading, 2)
            assert (frame.image == 2).all()
            assert reading.source.link.state is LinkState.STREAMING
            assert reading.source.link.connections == 2


def test_a_writer_that_falls_silent_is_lost_and_stays_connected(runtime: Path) -> None:
    with ring(runtime) as served, Reading(live_source("shm:front")) as reading:
        send(served, reading, 1)
        until(lambda: reading.source.link.state is LinkState.LOST)
        assert reading.source.link.reason == "no picture for 1 s"
        send(served, reading, 2)
        assert reading.source.link.state is LinkState.STREAMING
        assert reading.source.link.connections == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parts": {Part.SCENE: b"{}"}}, "shm:front: frame 1 has no picture"),
        ({"host_ns": 1 << 62}, "ms in the future; host_ns is by CLOCK_MONOTONIC"),
        ({"host_ns": 1}, "frame 1 is stamped before the last one"),
    ],
)
def test_pictures_that_cannot_be_taken_are_dropped(
    changes: dict[str, object], words: str, runtime: Path
) -> None:
    with ring(runtime) as served, Reading(live_source("shm:front")) as reading:
        send(served, reading, 0)
        publish(served, picture(1, **changes))
        until(lambda: reading.drops)
        assert words in reading.drops[0].message and reading.drops[0].reason is DropReason.UNDECODABLE
        send(served, reading, 2)


def test_pictures_of_too_many_pixels_are_dropped(runtime: Path) -> None:
    source = open_source("shm:front", max_pixels=100)
    assert is_live(source)
    with ring(runtime) as served, Reading(source) as reading:
        until(lambda: source.link.connections)
        publish(served, picture(0))
        until(lambda: reading.drops)
        assert "--max-pixels" in reading.drops[0].message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a socket to somebody else")
def test_in_a_folder_of_all_the_sockets_of_others_are_not_trusted(runtime: Path) -> None:
    with ring(runtime):
        path = runtime / "perception-front.sock"
        os.chown(path, 12345, -1)
        check_owner(path)
        runtime.chmod(0o1777)
        with Reading(live_source("shm:front")) as reading:
            until(lambda: reading.source.link.reason)
            words = f"{path} belongs to user 12345; share rings between users in /run/perception"
            until(lambda: words in reading.source.link.reason)
            os.chown(path, 0, -1)
            until(lambda: reading.source.link.connections)


def test_rings_are_looked_for_in_each_folder(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (runtime / name).mkdir()
    monkeypatch.setattr(place, "_SYSTEM", runtime / "a")
    monkeypatch.setattr(place, "_LAST", runtime / "b")
    assert place.socket_path("front") == runtime / "perception-front.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "none"))
    assert place.socket_path("front") == runtime / "a/perception-front.sock"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    (runtime / "a").rmdir()
    path = place.socket_path("front")
    assert path == runtime / "b/perception-front.sock"
    (runtime / "a").mkdir()
    with ring(runtime / "b") as served, Reading(live_source("shm:front")) as reading:
        send(served, reading, 1)
        assert place.sockets("front") == [path]
