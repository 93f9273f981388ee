"""The sink in shared memory: what a reader finds there, what is withheld, and who may read."""

import json
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception.classes import DRIVE, NO_CLASSES, ClassSet
from perception.errors import ConfigError, SinkError
from perception.frame import Frame
from perception.health.types import Health, Level, NodeState
from perception.interchange.files.records import scene_record
from perception.interchange.shm.layout import PARTS, Part
from perception.interchange.shm.reader import Held, Reader
from perception.pixels import Yuv420
from perception.scene import Scene, Signal, Status
from perception.sinks.base import Sink
from perception.sinks.registry import SINKS, open_sink
from tests.sinks.conftest import MakeScene
from tests.sources.live import until

FRAME = Part.PICTURE | Part.LABELS | Part.INSTANCES | Part.SCENE
OVERLAY = np.zeros((0, 0, 3), np.uint8)


@contextmanager
def watched(
    wanted: Part = FRAME, uri: str = "shm:front", classes: ClassSet = DRIVE
) -> Iterator[tuple[Sink, Reader]]:
    """A sink, and a reader that waits."""
    sink = open_sink(uri, 30.0, classes)
    try:
        with Reader.open(uri.removeprefix("shm:").partition("?")[0], wanted) as reader:
            assert reader.next(0.001) is None
            until(lambda: sink._ring.wanted == wanted)  # type: ignore[attr-defined]
            yield sink, reader
    finally:
        sink.close()


def take(reader: Reader) -> Held:
    held = reader.next(10.0)
    assert isinstance(held, Held)
    return held


def live(made: tuple[Frame, Scene], **changes: object) -> tuple[Frame, Scene]:
    """As of a camera, now."""
    frame, scene = made
    now = time.monotonic_ns()
    return replace(frame, host_ns=now), scene.evolve(host_ns=now, max_age_ms=60_000.0, **changes)


def test_a_reader_finds_the_picture_the_maps_and_the_scene(runtime: Path, make_scene: MakeScene) -> None:
    with watched() as (sink, reader):
        frame, scene = live(make_scene(3))
        before = time.time_ns()
        sink.write(frame, scene, OVERLAY)
        held = take(reader)
        found = held.frame
        assert (found.sequence, found.stamp_ns, found.host_ns) == (3, frame.stamp_ns, scene.host_ns)
        assert (found.status, found.frame_id, found.max_age_ns) == (
            Status.OK,
            "front_optical",
            60_000_000_000,
        )
        assert before - 1e9 < found.wall_ns < time.time_ns() + 1e9  # by the clock, as the frame knows none
        assert scene.host_ns <= found.published_ns <= time.monotonic_ns()
        for part, array in zip(PARTS, (frame.image, scene.labels, scene.instance_map), strict=False):
            assert np.array_equal(found.parts[part], array)  # type: ignore[arg-type]
        text = found.parts[Part.SCENE]
        assert isinstance(text, bytes)
        # Its JSON has the time that the header has.
        expected = scene_record(scene.evolve(wall_ns=found.wall_ns), DRIVE)
        assert json.loads(text) == json.loads(json.dumps(expected))


def test_road_users_that_are_not_looked_for_are_absent(runtime: Path, make_scene: MakeScene) -> None:
    with watched() as (sink, reader):
        frame, scene = live(make_scene(1), left_out=("instances", "lanes"))
        sink.write(frame, scene, OVERLAY)
        found = take(reader).frame
        assert found.status is Status.OK
        assert set(found.parts) == {Part.PICTURE, Part.LABELS, Part.SCENE}


def test_stamps_of_the_input_come_through_to_the_nanosecond(runtime: Path, make_scene: MakeScene) -> None:
    wall_ns = 1_800_000_000_123_456_789
    with watched(Part.PICTURE) as (sink, reader):
        _, scene = live(make_scene(0))
        image = Yuv420.of(make_scene(0)[0].image)
        frame = Frame(image, 5, wall_ns, frame_id="mast", pixel_aspect=1.5)
        sink.write(frame, scene, OVERLAY)
        found = take(reader).frame
        assert (found.wall_ns, found.frame_id, found.pixel_aspect) == (wall_ns, "mast", 1.5)
        assert isinstance(found.picture, Yuv420) and np.array_equal(found.picture.i420, image.i420)
        assert set(found.parts) == {Part.PICTURE}  # nobody asked for more


@pytest.mark.parametrize("status", [Status.STALE, Status.UNRELIABLE, Status.NOT_READY, Status.NO_SIGNAL])
def test_maps_that_may_not_be_trusted_are_withheld(
    status: Status, runtime: Path, make_scene: MakeScene
) -> None:
    reasons: dict[Status, dict[str, object]] = {
        Status.UNRELIABLE: {"reasons": ("black",)},
        Status.STALE: {"max_age_ms": 1e-3},
    }
    with watched() as (sink, reader):
        frame, scene = live(make_scene(1), status=status)
        scene = scene.evolve(**reasons.get(status, {}))
        sink.write(frame, scene, OVERLAY)
        found = take(reader).frame
        assert found.status is status and set(found.parts) == {Part.PICTURE, Part.SCENE}
        text = found.parts[Part.SCENE]
        assert isinstance(text, bytes) and json.loads(text)["status"] == status


def test_a_scene_that_has_grown_old_meanwhile_is_not_handed_out(runtime: Path, make_scene: MakeScene) -> None:
    with watched() as (sink, reader):
        frame, scene = live(make_scene(1))
        sink.write(frame, scene, OVERLAY)
        reader.release(take(reader))
        sink.write(frame, scene.evolve(sequence=2, max_age_ms=50.0), OVERLAY)
        time.sleep(0.06)  # what is tested is that it grows old
        assert reader.next(0.2) is None
        sink.write(frame, scene.evolve(sequence=3), OVERLAY)
        held = take(reader)
        assert (held.frame.sequence, held.missed) == (3, 1)
        reader.release(held)
        sink.write(frame, scene.evolve(sequence=4), OVERLAY)
        sink.write_health(Health("front", NodeState.ACTIVE, Signal.NO_SIGNAL, Level.ERROR))
        assert reader.next(0.2) is None


def test_a_late_reader_gets_the_classes_and_the_state(runtime: Path, make_scene: MakeScene) -> None:
    sink = open_sink("shm:front", 12.5, DRIVE)
    sink.write(*live(make_scene(0)), OVERLAY)
    sink.write_health(Health("front", NodeState.ACTIVE, Signal.OK, Level.WARN, captured=9))
    with Reader.open("front", FRAME | Part.HEALTH) as reader:
        assert reader.hello["rate"] == 12.5
        rows = reader.hello["classes"]
        assert [row["name"] for row in rows] == list(DRIVE.names)
        assert [row["id"] for row in rows] == list(range(len(DRIVE)))
        assert rows[DRIVE.id("vehicle")] == {
            "id": DRIVE.id("vehicle"),
            "name": "vehicle",
            "colour": list(DRIVE.colours[DRIVE.id("vehicle")]),
            "thing": True,
        }
        state = reader.next(10.0)
        assert isinstance(state, dict)
        assert (state["version"], state["level"], state["captured"]) == (1, "warn", 9)
    sink.close()


def test_nothing_is_written_while_nobody_reads(runtime: Path, make_scene: MakeScene) -> None:
    def memories() -> int:
        return Path("/proc/self/maps").read_text().count("memfd:perception")

    before = memories()
    with watched() as (sink, reader):
        reader.close()
        until(lambda: not sink._ring.wanted)  # type: ignore[attr-defined]
        sink.write(*live(make_scene(0)), OVERLAY)
        assert memories() == before


def test_a_network_without_classes_has_no_maps(runtime: Path, make_scene: MakeScene) -> None:
    with watched(classes=NO_CLASSES) as (sink, reader):
        frame, scene = live(make_scene(0), instances=())
        sink.write(frame, scene, OVERLAY)
        assert set(take(reader).frame.parts) == {Part.PICTURE, Part.SCENE}


def test_a_name_that_is_too_long_for_the_header_costs_its_frames(
    runtime: Path, make_scene: MakeScene
) -> None:
    with watched() as (sink, _):
        frame, scene = live(make_scene(0))
        with pytest.raises(SinkError, match=r"sink shm:front: frame_id 'xxx.* has 60 bytes"):
            sink.write(Frame(frame.image, 0, frame_id="x" * 60), scene, OVERLAY)


def test_who_may_read_is_told_by_the_mode_of_the_file(runtime: Path) -> None:
    for uri, mode in (("shm:a", 0o600), ("shm:b?mode=660", 0o660)):
        sink = open_sink(uri, 30.0, DRIVE)
        path = runtime / f"perception-{uri[4]}.sock"
        assert stat.S_IMODE(path.stat().st_mode) == mode
        sink.close()
        sink.close()
        assert not path.exists()


def test_a_name_that_is_served_already_is_refused(runtime: Path) -> None:
    with (
        watched(),
        pytest.raises(SinkError, match=r"sink shm:front: .*serves it already; end it, or choose another"),
    ):
        open_sink("shm:front", 30.0, DRIVE)


def test_names(runtime: Path) -> None:
    assert SINKS.parse("shm:{camera}?readers=3").options == {"readers": 3}
    with pytest.raises(ConfigError, match="'a/b' is no name; it has 1 to 40 letters"):
        SINKS.parse("shm:a/b")
