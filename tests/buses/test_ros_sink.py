"""What another program gets over ROS 2, decoded by rclpy."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.health.types import Condition, Health, Level, NodeState
from perception.scene import Signal, Status
from perception.sinks.base import Sink
from perception.sinks.registry import SINKS, open_sink
from tests.buses.programs import INFO, Program, a_scene, own_domain, until

pytest.importorskip("rclpy")
IMAGE, COMPRESSED, STRING = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"
TOPICS = {
    "/car/front/labels": IMAGE,
    "/car/front/labels/compressed": COMPRESSED,
    "/car/front/instances": IMAGE,
    "/car/front/image/compressed": COMPRESSED,
    "/car/front/camera_info": "sensor_msgs/msg/CameraInfo",
    "/car/front/scene": STRING,
}
UNWELL = Health(
    "front", NodeState.ACTIVE, Signal.OK, Level.ERROR, (Condition("age", Level.ERROR, "late", 1.0),),
    wall_ns=1_700_000_000_000_000_042, captured=3, published=3,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _domain(monkeypatch: pytest.MonkeyPatch) -> None:
    own_domain(monkeypatch)


@pytest.fixture
def sink() -> Iterator[Sink]:
    one = open_sink("ros2:/car/front", 30, DRIVE)
    yield one
    one.close()


def writing(sink: Sink, status: Status = Status.OK, first: int = 0) -> Callable[[], None]:
    numbers = count(first)

    def write() -> None:
        frame, scene = a_scene(next(numbers), status)
        assert sink.write(frame, scene, frame.image) is None

    return write


def of_topic(topic: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: line["topic"] == topic


def test_one_that_cannot_publish_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    from perception.interchange.buses.ros_node import RosNode  # noqa: PLC0415 - skipped without ROS

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such middleware")

    monkeypatch.setattr(RosNode, "publisher", refuse)
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="no such middleware"):
        open_sink("ros2:/car/front", 30, DRIVE)
    assert set(threading.enumerate()) <= before


def test_maps_stamps_calibration_and_levels_come_as_they_are(sink: Sink) -> None:
    listened = [f"{topic}={kind}" for topic, kind in TOPICS.items()]
    with Program(
        "ros_listener.py", *listened, "/diagnostics=diagnostic_msgs/msg/DiagnosticArray"
    ) as listener:
        write = writing(sink)
        lines = {topic: listener.heard(of_topic(topic), write) for topic in TOPICS}
        unwell = listener.heard(of_topic("/diagnostics"), lambda: sink.write_health(UNWELL))
    for topic, line in lines.items():
        if topic != "/car/front/scene":
            assert line["header"]["frame_id"] == "lens"
            assert line["header"]["stamp"]["sec"] == 1_700_000_000
            sequence = line["header"]["stamp"]["nanosec"] - 123_456_000
            assert 0 <= sequence < 10_000
            lines[topic]["scene"] = a_scene(sequence)[1]
    raw, packed, instances, _, info, record = lines.values()
    assert (raw["encoding"], raw["height"], raw["width"], raw["step"]) == ("mono8", 32, 48, 48)
    assert bytes.fromhex(raw["data"]) == raw["scene"].labels.tobytes()
    png = np.frombuffer(bytes.fromhex(packed["data"]), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), packed["scene"].labels)
    assert (instances["encoding"], instances["step"]) == ("mono16", 96)
    assert bytes.fromhex(instances["data"]) == instances["scene"].instance_map.astype("<u2").tobytes()
    assert tuple(info["k"]) == INFO.k
    assert tuple(info["p"]) == INFO.p
    assert json.loads(record["data"])["status"] == "ok"
    assert unwell["header"]["stamp"] == {"sec": 1_700_000_000, "nanosec": 42}
    assert (unwell["status"][0]["level"], unwell["status"][0]["message"]) == ("02", "late")


def test_who_comes_late_gets_what_is_latched(sink: Sink) -> None:
    writing(sink)()
    for _ in range(2):  # the second one comes after the first was killed
        with Program("ros_listener.py", f"/car/front/classes={STRING}=latched") as listener:
            line = listener.heard(of_topic("/car/front/classes"), lambda: None)
        assert [one["name"] for one in json.loads(line["data"])["classes"]] == list(DRIVE.names)


def test_nothing_is_encoded_for_nobody(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    writing(sink)()  # what is latched is published once
    monkeypatch.setattr(
        "perception.interchange.ros.vocabulary.cdr", lambda one: pytest.fail(f"{one} is encoded")
    )
    writing(sink)()
    sink.write_health(UNWELL)


def test_what_must_not_be_trusted_is_withheld(sink: Sink) -> None:
    """Topics have no order among them: labels from before may come after a scene that is stale."""
    labels, scene, later = "/car/front/labels", "/car/front/scene", 500_000
    with Program("ros_listener.py", f"{labels}={IMAGE}", f"{scene}={STRING}") as listener:
        listener.heard(of_topic(labels), writing(sink))
        stale, seen = writing(sink, Status.STALE, later), 0
        while seen < 4:
            line = listener.heard(lambda line: True, stale)
            if line["topic"] == labels:
                assert line["header"]["stamp"]["nanosec"] < 123_456_000 + later
            else:
                seen += json.loads(line["data"])["status"] == "stale"


def test_a_subscriber_that_is_killed_holds_nobody_up(sink: Sink) -> None:
    write, labels = writing(sink), "/car/front/labels"
    with Program("ros_listener.py", f"{labels}={IMAGE}") as listener:
        listener.heard(of_topic(labels), write)
    longest = 0.0
    with Program("ros_listener.py", f"{labels}={IMAGE}") as other:

        def timed() -> None:
            nonlocal longest
            began = time.monotonic()
            write()
            longest = max(longest, time.monotonic() - began)

        other.heard(of_topic(labels), timed)
    assert longest < 5


def test_the_clock_is_that_of_the_frames() -> None:
    sink = open_sink("ros2:/car/front?clock=1", 30, DRIVE)
    with Program("ros_listener.py", "/clock=rosgraph_msgs/msg/Clock") as listener:
        line = listener.heard(of_topic("/clock"), writing(sink))
    sink.close()
    assert line["clock"]["sec"] == 1_700_000_000
    assert line["clock"]["nanosec"] // 1000 == 123_456


def test_a_manager_says_when_scenes_are_published(capfd: pytest.CaptureFixture[str]) -> None:
    sink = open_sink("ros2:/car/front?managed=1", 30, DRIVE)

    def until_withheld(reason: str | None) -> None:
        until(lambda: sink.write(*a_scene(), a_scene()[0].image) == reason)

    try:
        until_withheld("unconfigured")
        with Program("ros_manager.py", "/car/front/perception") as manager:
            for transition, allowed, state in (
                ("activate", False, "unconfigured"),  # a wrong request ends nothing
                ("configure", True, "inactive"),
                ("activate", True, None),
                ("configure", False, None),
                ("deactivate", True, "inactive"),
                ("cleanup", True, "unconfigured"),
            ):
                manager.say(transition)
                assert manager.heard(lambda line: True, lambda: None) == {transition: allowed}
                until_withheld(state)
    finally:
        sink.close()


def test_types_that_are_not_there_are_named(caplog: pytest.LogCaptureFixture) -> None:
    open_sink("ros2:/car/front", 30, DRIVE).close()
    left_out = [record.getMessage() for record in caplog.records if "leaves out" in record.getMessage()]
    for package, channel in (("vision_msgs", "detections"), ("tf2_msgs", "transforms")):
        try:
            __import__(package)
        except ModuleNotFoundError:
            assert channel in left_out[0]
            assert package in left_out[0]


@pytest.mark.parametrize("name", ["FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"])
def test_fast_dds_gets_room_for_pictures_unless_the_user_says_otherwise(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rclpy  # noqa: PLC0415 - skipped without ROS

    create, profiles = rclpy.create_node, []

    def noting(*given: Any, **named: Any) -> Any:
        profiles.append({os.environ[one] for one in os.environ if "PROFILES_FILE" in one})
        return create(*given, **named)

    monkeypatch.setattr(rclpy, "create_node", noting)
    open_sink("ros2:/car/front", 30, DRIVE).close()
    assert not {one for one in os.environ if "PROFILES_FILE" in one}
    monkeypatch.setenv(name, "/theirs.xml")
    open_sink("ros2:/car/front", 30, DRIVE).close()
    (ours,), theirs = profiles
    assert theirs == {"/theirs.xml"}
    room = re.search(r"<segment_size>(\d+)<", Path(ours).read_text(encoding="utf-8"))
    assert room is not None
    assert int(room[1]) > 4 * 1920 * 1080 * 3


def test_a_name_that_ros_does_not_take_is_refused() -> None:
    for name in ("", "car/front", "/car-1/front", "/car/", "/1/front"):
        with pytest.raises(ConfigError, match="each part of letters"):
            SINKS.parse(f"ros2:{name}")
