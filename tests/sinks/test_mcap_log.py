"""Logs as MCAP, read back by MCAP's own reader."""

import json
import resource
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer

from perception.camera_info import Transform
from perception.classes import DRIVE, NO_CLASSES
from perception.errors import ConfigError, SinkError
from perception.frame import Coded, Frame
from perception.interchange.files.records import scene_record
from perception.scene import Scene, Status, unknown_scene
from perception.sinks.base import PlaneSink
from perception.sinks.limits import Limits
from perception.sinks.mcap import McapOptions
from perception.sinks.mcap_file import McapFile
from perception.sinks.mcap_log import McapSink
from perception.sinks.own_files import check_own
from perception.sinks.registry import SINKS, open_sink
from tests.interchange.conftest import HEALTH, a_frame
from tests.mcap_reading import Logged, nanoseconds, pixels, read_log

MOUNT = Transform("base_link", "front_optical", (1.5, 0.0, 1.25), (-0.5, 0.5, -0.5, 0.5))
EACH = ["annotations", "instances", "labels", "picture", "scene"]


def drive(count: int) -> list[tuple[Frame, Scene]]:
    """Frames of 20 a second, a JPEG each as the camera sent it; the third cannot be relied on."""
    found = []
    for sequence in range(count):
        frame, scene = a_frame(sequence)
        jpeg = cv2.imencode(".jpg", np.full((144, 256, 3), sequence, np.uint8))[1].tobytes()
        if sequence == 2:
            scene = scene.evolve(status=Status.UNRELIABLE, reasons=("the picture is black",))
        found.append((replace(frame, coded=Coded("jpeg", jpeg), transforms=(MOUNT,)), scene))
    return found


def write(uri: str, frames: list[tuple[Frame, Scene]], health_each: int = 20) -> None:
    sink = open_sink(uri, 20.0, DRIVE)
    for frame, scene in frames:
        sink.write(frame, scene, frame.image)
        if (frame.sequence + 1) % health_each == 0:
            sink.write_health(HEALTH)
    sink.close()
    sink.close()  # changes nothing


def on(found: list[Logged], channel: str) -> list[Logged]:
    return [one for one in found if one.topic == f"/front/{channel}"]


def test_a_log_holds_every_scene_with_its_stamp_and_status(tmp_path: Path) -> None:
    frames, path = drive(45), tmp_path / "deep" / "out.mcap"
    write(str(path), frames)
    found = read_log(path)
    assert Counter(one.topic.removeprefix("/front/") for one in found) == dict.fromkeys(EACH, 45) | {
        "classes": 1,
        "transforms": 1,
        "health": 2,
    }
    for channel in EACH:
        own = on(found, channel)
        assert [one.log_ns for one in own] == [one.publish_ns for one in own]
        assert [one.log_ns for one in own] == [50_000_000 * i for i in range(45)]
        assert [one.sequence for one in own] == list(range(45))
        if channel != "scene":
            assert [nanoseconds(one.value.timestamp) for one in own] == [one.log_ns for one in own]
    for i, (frame, scene) in enumerate(frames):
        assert frame.coded is not None
        assert on(found, "picture")[i].value.data == frame.coded.data
        assert pixels(on(found, "labels")[i].value).tobytes() == scene.labels.tobytes()
        assert pixels(on(found, "instances")[i].value).tobytes() == scene.instance_map.tobytes()
        assert on(found, "scene")[i].value == json.loads(json.dumps(scene_record(scene, DRIVE)))
        assert len(on(found, "annotations")[i].value.texts) == 3
    assert [one.value["status"] for one in on(found, "scene")[:4]] == ["ok", "ok", "unreliable", "ok"]
    assert [one.log_ns for one in on(found, "health")] == [
        950_000_000,
        1_950_000_000,
    ]  # a recording's own time
    assert on(found, "classes")[0] is found[0]


def test_the_same_recording_makes_the_same_log(tmp_path: Path) -> None:
    for name in ("a.mcap", "b.mcap"):
        write(f"{tmp_path}/{name}", drive(30))
    assert (tmp_path / "a.mcap").read_bytes() == (tmp_path / "b.mcap").read_bytes()


@pytest.mark.parametrize("wall", [1_764_000_000_123_456_789, 0])
def test_health_has_the_clock_of_the_frames(tmp_path: Path, wall: int) -> None:
    """Be it the wall clock's, or a recording's own that is played in real time."""
    sink = open_sink(f"{tmp_path}/out.mcap", 20.0, DRIVE)
    live = replace(HEALTH, link="streaming", wall_ns=1_790_000_000_000_000_000)
    sink.write_health(replace(live, link="connecting"))  # no frame has come yet
    for frame, scene in drive(2):
        shown = replace(frame, wall_ns=wall and wall + frame.stamp_ns, host_ns=10**15 + frame.stamp_ns)
        sink.write(shown, scene, frame.image)
    sink.write_health(replace(live, stamp_ns=10**15 + 10**9))
    sink.close()
    found = read_log(tmp_path / "out.mcap")
    assert [one.log_ns - wall for one in on(found, "scene")] == [0, 50_000_000]
    assert [one.log_ns - wall for one in on(found, "health")] == [0, 10**9]
    assert [one.value["link"] for one in on(found, "health")] == ["connecting", "streaming"]


def test_a_camera_that_never_gave_a_frame_leaves_its_state(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/out.mcap", 20.0, DRIVE)
    sink.write_health(replace(HEALTH, link="lost", wall_ns=10**18))
    sink.close()
    [health] = on(read_log(tmp_path / "out.mcap"), "health")
    assert (health.log_ns, health.value["link"]) == (10**18, "lost")


def test_what_is_said_of_a_recording_before_its_first_frame_waits_for_its_time(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/out.mcap", 20.0, DRIVE)
    sink.write_health(replace(HEALTH, wall_ns=10**18, published=1))
    sink.write_health(replace(HEALTH, wall_ns=10**18, published=2))
    frame, scene = a_frame(0)
    sink.write(replace(frame, stamp_ns=40), scene, frame.image)
    sink.write(replace(frame, stamp_ns=50), scene, frame.image)
    sink.close()
    [health] = on(read_log(tmp_path / "out.mcap"), "health")
    assert (health.log_ns, health.value["published"]) == (40, 2)


def test_a_mounting_that_changes_is_written_again(tmp_path: Path) -> None:
    frames = drive(6)
    moved = replace(MOUNT, translation=(1.5, 0.0, 1.5))
    frames[3:] = [(replace(frame, transforms=(moved,)), scene) for frame, scene in frames[3:]]
    write(f"{tmp_path}/out.mcap", frames)
    found = on(read_log(tmp_path / "out.mcap"), "transforms")
    assert [(one.log_ns, one.value.transforms[0].translation.z) for one in found] == [
        (0, 1.25),
        (150_000_000, 1.5),
    ]


def test_no_picture_where_none_is_wanted_and_no_maps_without_classes(tmp_path: Path) -> None:
    write(f"{tmp_path}/out.mcap?image=none", drive(1))
    topics = {one.topic for one in read_log(tmp_path / "out.mcap")}
    assert topics == {
        f"/front/{name}" for name in ("annotations", "instances", "labels", "scene", "classes", "transforms")
    }
    sink = open_sink(f"{tmp_path}/blind.mcap", 20.0, NO_CLASSES)
    frame, scene = a_frame(0)
    sink.write(frame, scene.evolve(instances=(), classes=NO_CLASSES), frame.image)
    sink.close()
    assert {one.topic for one in read_log(tmp_path / "blind.mcap")} == {"/front/picture", "/front/scene"}


def test_without_a_frame_nothing_is_left_and_what_was_there_stays(tmp_path: Path) -> None:
    write(f"{tmp_path}/old.mcap", drive(1))
    before = (tmp_path / "old.mcap").read_bytes()
    for name in ("old.mcap", "new.mcap", "rolled.mcap?keep=1GB"):
        sink = open_sink(f"{tmp_path}/{name}", 20.0, DRIVE)
        sink.write_health(HEALTH)  # of a recording
        sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["old.mcap"]
    assert (tmp_path / "old.mcap").read_bytes() == before


def test_only_logs_of_this_program_are_overwritten(tmp_path: Path) -> None:
    write(f"{tmp_path}/own.mcap", drive(3))
    write(f"{tmp_path}/own.mcap", drive(1))
    assert len(on(read_log(tmp_path / "own.mcap"), "scene")) == 1
    with (tmp_path / "other.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start("ros2")
        writer.finish()  # type: ignore[no-untyped-call]
    before = (tmp_path / "other.mcap").read_bytes()
    with pytest.raises(SinkError, match=r"other\.mcap: a file is there that this program did not write"):
        open_sink(f"{tmp_path}/other.mcap", 20.0, DRIVE)
    write(f"{tmp_path}/other.mcap?keep=1GB", drive(1))  # has a name of its own
    assert (tmp_path / "other.mcap").read_bytes() == before
    for profile in ("", "ros2"):
        McapFile(tmp_path / "cut.mcap", profile)  # and the program ends
        check_own(tmp_path / "cut.mcap")


def test_after_a_failure_a_log_goes_on_in_another_file(tmp_path: Path) -> None:
    write(f"{tmp_path}/out.mcap", drive(1))
    before = (tmp_path / "out.mcap").read_bytes()
    sink = open_sink(f"{tmp_path}/out.mcap", 20.0, DRIVE, again=True)
    frame, scene = a_frame(0)
    sink.write(frame, scene, frame.image)
    sink.close()
    assert (tmp_path / "out.mcap").read_bytes() == before
    assert len(on(read_log(tmp_path / "out-2.mcap"), "scene")) == 1


def test_what_a_full_disk_took_is_read_and_has_its_summary(tmp_path: Path) -> None:
    path, before = tmp_path / "out.mcap", resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0)
    sink = open_sink(str(path), 20.0, DRIVE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    written = 0
    try:
        with pytest.raises(SinkError, match=r"out\.mcap: cannot be written \(File too large\)"):
            for frame, scene in drive(60):
                labels = noise.integers(0, 12, (144, 256), np.uint8)
                sink.write(frame, scene.evolve(labels=labels), frame.image)
                written += 1
        assert isinstance(sink, McapSink) and path.stat().st_size == sink.size  # up to the last whole chunk
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert written > 5
    scenes = on(read_log(path), "scene")
    assert written - 20 <= len(scenes) <= written


def test_a_log_of_which_nothing_got_to_the_disk_is_removed(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = open_sink(f"{tmp_path}/out.mcap", 20.0, DRIVE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(SinkError, match="File too large"):
            for frame, scene in drive(30):
                sink.write(frame, scene, frame.image)
        sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_chunks_are_small_so_that_few_topics_are_read_fast(tmp_path: Path) -> None:
    write(f"{tmp_path}/out.mcap", drive(40))
    with (tmp_path / "out.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    sizes = [chunk.uncompressed_size for chunk in summary.chunk_indexes]
    assert max(sizes) < 256 * 1024 + 80_000 and sorted(sizes)[len(sizes) // 2] > 256 * 1024


def test_a_picture_that_is_too_large_for_jpeg_is_reported(tmp_path: Path) -> None:
    frame = Frame(np.zeros((2, 70_000, 3), np.uint8), 0)
    sink = open_sink(f"{tmp_path}/out.mcap", 20.0, DRIVE)
    with pytest.raises(SinkError, match="cannot be written"):
        sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
    sink.close()


def test_an_overlay_in_planes_is_left_as_it_is(tmp_path: Path) -> None:
    for uri in (f"{tmp_path}/out.mcap", f"{tmp_path}/out.mcap?keep=1GB"):
        sink = open_sink(uri, 20.0, DRIVE)
        assert isinstance(sink, PlaneSink) and not sink.wants_overlay
        sink.close()


def test_a_log_that_was_removed_is_reported(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/out.mcap", 20.0, DRIVE)
    frames = drive(30)
    sink.write(*frames[0], frames[0][0].image)
    (tmp_path / "out.mcap").unlink()
    with pytest.raises(SinkError, match="No such file or directory"):
        for frame, scene in frames[1:]:
            sink.write(frame, scene, frame.image)
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for uri in (f"{tmp_path}/file/out.mcap", f"{tmp_path}/file/out.mcap?keep=1GB"):
        with pytest.raises(SinkError, match="cannot be written"):
            open_sink(uri, 20.0, DRIVE)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("out.mcap?profile=ros3", "profile = 'ros3' is refused; allowed are foxglove"),
        ("out.mcap?image=png", "image = 'png' is refused; allowed are jpeg, h264, none"),
        ("out.mcap?megabytes=500&keep=20MB", "allowed is what fits into keep = 20MB"),
        (
            "out.mcap?encoder=x264",
            "unknown option encoder; known are minutes, megabytes, keep, profile, image",
        ),
    ],
)
def test_wrong_options(uri: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SINKS.parse(uri)


def test_options() -> None:
    assert SINKS.parse("out.mcap").options == McapOptions()
    given = SINKS.parse("out.mcap?minutes=10&image=h264&profile=foxglove").options
    assert given == McapOptions(Limits(10), "foxglove", "h264")
