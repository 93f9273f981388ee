"""Messages of ROS 2, read back by rosbags, and their bytes where a reader might be as wrong as the writer."""

import json
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from perception.camera_info import CameraInfo, Transform
from perception.classes import DRIVE, NO_CLASSES
from perception.errors import SinkError
from perception.frame import Coded, Frame
from perception.health.types import Condition, Health, Level, NodeState, SinkState
from perception.interchange.files.records import health_record, scene_record
from perception.interchange.messages.channels import Message
from perception.interchange.ros.types import time
from perception.interchange.ros.vocabulary import RosVocabulary
from perception.scene import Instance, Scene, Signal

STAMP_NS = 1_700_000_000_123_456_789
INFO = CameraInfo(
    24,
    16,
    "plumb_bob",
    (0.1, -0.2, 0.001, 0.0, 0.3),
    k=(700.0, 0.0, 12.5, 0.0, 701.0, 8.25, 0.0, 0.0, 1.0),
    r=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    p=(690.0, 0.0, 12.0, 0.0, 0.0, 691.0, 8.0, 0.0, 0.0, 0.0, 1.0, 0.0),
)
MOUNT = Transform("base_link", "left_lens", (1.5, -0.25, 1.25), (0.5, -0.5, 0.5, -0.5))
VOCABULARY = RosVocabulary("left", DRIVE, "/car")


def a_scene(**more: Any) -> tuple[Frame, Scene]:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (16, 24, 3), np.uint8)
    frame = Frame(
        image, 5, camera="left", frame_id="left_lens", camera_info=INFO, transforms=(MOUNT,), **more
    )
    labels = random.integers(0, 256, (16, 24), np.uint8)
    ids = random.integers(0, 1 << 16, (16, 24), np.uint16)
    found = (Instance(8001, 8, 0.75, (2.0, 3.0, 12.5, 9.0), 17), Instance(9001, 9, 0.5, (0.0, 0.0, 4.0, 5.0)))
    return frame, Scene.of(frame, labels, ids, instances=found)


def messages(*wanted: str, **more: Any) -> dict[str, Message]:
    frame, scene = a_scene(**more)
    made = VOCABULARY.scene(frame, scene, np.full((16, 24, 3), 77, np.uint8), STAMP_NS, wanted)
    return {one.channel.name: one for one in made}


def decoded(one: Message) -> Any:
    """By a typestore that is made of nothing but the definition that goes into logs."""
    store, schema = get_typestore(Stores.EMPTY), one.channel.schema
    store.register(get_types_from_msg(schema.definition.decode(), schema.name))
    assert one.data[:4] == b"\0\1\0\0"  # CDR, little endian
    return store.deserialize_cdr(one.data, schema.name)


def test_every_header_has_the_stamp_to_the_nanosecond_and_the_optical_frame() -> None:
    made = messages(*VOCABULARY.channels)
    assert set(made) == {
        "picture", "overlay", "labels", "labels/compressed", "instances", "instances/compressed",
        "calibration", "detections", "scene",
    }  # fmt: skip
    for name, one in made.items():
        assert one.stamp_ns == STAMP_NS
        if name != "scene":
            header = decoded(one).header
            assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_000, 123_456_789)
            assert header.frame_id == "left_lens"


def test_only_what_is_wanted_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "perception.interchange.ros.vocabulary.encode_ids", lambda ids: pytest.fail("a PNG is encoded")
    )
    monkeypatch.setattr("cv2.imencode", lambda *given: pytest.fail("a JPEG is encoded"))
    assert list(messages("labels", "scene")) == ["labels", "scene"]
    assert not messages()


@pytest.mark.parametrize(
    ("name", "encoding", "dtype"), [("labels", "mono8", "u1"), ("instances", "mono16", "<u2")]
)
def test_maps_come_pixel_by_pixel(name: str, encoding: str, dtype: str) -> None:
    _, scene = a_scene()
    truth = scene.labels if name == "labels" else scene.instance_map
    made = messages(name, f"{name}/compressed")
    raw, packed = decoded(made[name]), decoded(made[f"{name}/compressed"])
    assert (raw.height, raw.width, raw.encoding, raw.is_bigendian) == (16, 24, encoding, 0)
    assert raw.step == 24 * truth.itemsize
    np.testing.assert_array_equal(np.frombuffer(raw.data.tobytes(), dtype).reshape(16, 24), truth)
    assert made[name].data.endswith(truth.astype(dtype).tobytes())
    assert packed.format == f"{encoding}; png compressed {encoding}"
    np.testing.assert_array_equal(cv2.imdecode(packed.data, cv2.IMREAD_UNCHANGED), truth)


def test_a_cameras_own_jpeg_goes_on_as_it_came() -> None:
    jpeg = cv2.imencode(".jpg", np.zeros((16, 24, 3), np.uint8))[1].tobytes()
    sent = decoded(messages("picture", coded=Coded("jpeg", jpeg))["picture"])
    assert sent.format == "bgr8; jpeg compressed bgr8"
    assert sent.data.tobytes() == jpeg


@pytest.mark.parametrize("coded", [None, Coded("h264", b"\0\0\0\1")])
def test_other_pictures_are_encoded(coded: Coded | None) -> None:
    made = messages("picture", "overlay", coded=coded)
    overlay, picture = (
        np.asarray(cv2.imdecode(decoded(made[name]).data, cv2.IMREAD_COLOR))
        for name in ("overlay", "picture")
    )
    np.testing.assert_allclose(overlay, 77, atol=2)
    assert picture.shape == (16, 24, 3)
    assert picture.std() > 20


def test_the_calibration_is_that_of_the_frame() -> None:
    made = messages("calibration")["calibration"]
    info = decoded(made)
    assert (info.width, info.height, info.distortion_model) == (24, 16, "plumb_bob")
    for name in "dkrp":
        assert tuple(getattr(info, name)) == getattr(INFO, name)
    assert struct.pack("<9d", *INFO.k) in made.data
    frame, scene = a_scene()
    bare = Frame(frame.image, 0)
    assert not list(VOCABULARY.scene(bare, scene, frame.image, 1, {"calibration"}))


def test_detections_have_class_score_box_and_track() -> None:
    sure, unsure = decoded(messages("detections")["detections"]).detections
    assert (sure.id, unsure.id) == ("17", "")
    assert (sure.results[0].hypothesis.class_id, sure.results[0].hypothesis.score) == ("8", 0.75)
    box = sure.bbox
    assert (box.center.position.x, box.center.position.y, box.size_x, box.size_y) == (7.25, 6.0, 10.5, 6.0)


def test_the_scene_is_a_line_of_scenes_jsonl() -> None:
    _, scene = a_scene()
    assert json.loads(decoded(messages("scene")["scene"]).data) == scene_record(scene, DRIVE)


def test_what_is_latched() -> None:
    frame, _ = a_scene()
    made = {one.channel.name: one for one in VOCABULARY.latched(frame, STAMP_NS)}
    assert set(made) == {name for name, channel in VOCABULARY.channels.items() if channel.latched}
    table = json.loads(decoded(made["classes"]).data)
    assert (table["name"], table["unknown"]) == ("drive", 255)
    assert table["classes"][8] == {"id": 8, "name": "vehicle", "colour": [20, 90, 230], "thing": True}
    assert not table["classes"][0]["thing"]
    info = decoded(made["label_info"])
    assert {one.class_id: one.class_name for one in info.class_map} == dict(enumerate(DRIVE.names))
    (mount,) = decoded(made["transforms"]).transforms
    assert (mount.header.frame_id, mount.child_frame_id) == ("base_link", "left_lens")
    move, turn = mount.transform.translation, mount.transform.rotation
    assert (move.x, move.y, move.z) == MOUNT.translation
    assert (turn.x, turn.y, turn.z, turn.w) == MOUNT.rotation
    assert "transforms" not in {one.channel.name for one in VOCABULARY.latched(Frame(frame.image, 0), 1)}


def test_without_classes_there_are_no_labels() -> None:
    plain = RosVocabulary("front", NO_CLASSES)
    assert set(plain.channels) == {
        "picture", "overlay", "calibration", "scene", "health", "diagnostics", "transforms",
    }  # fmt: skip
    frame, scene = a_scene()
    assert not list(plain.scene(frame, scene, frame.image, 1, {"labels", "detections"}))


def test_topics_are_below_the_cameras_namespace_or_where_everybody_looks_for_them() -> None:
    topics = {name: channel.topic for name, channel in VOCABULARY.channels.items()}
    assert topics["picture"] == "/car/left/image/compressed"
    assert topics["calibration"] == "/car/left/camera_info"  # next to `image`, as image_transport has it
    assert topics["labels/compressed"] == "/car/left/labels/compressed"
    assert (topics["diagnostics"], topics["transforms"]) == ("/diagnostics", "/tf_static")
    assert RosVocabulary("front", DRIVE).channels["labels"].topic == "/front/labels"


@pytest.mark.parametrize("level", Level)
def test_diagnostics_say_how_bad_it_is_and_where_frames_went(level: Level) -> None:
    broken = SinkState("out.mp4", 90, {"queue full": 3}, error="No space left on device")
    state = Health(
        "left", NodeState.ACTIVE, Signal.OK, level, (Condition("age", level, "scenes are stale", 1.0),),
        captured=100, published=93, dropped={"superseded": 7}, age_ms=(41.0, 98.5), sinks=(broken,),
    )  # fmt: skip
    record, made = VOCABULARY.health(state, STAMP_NS)
    assert json.loads(decoded(record).data) == json.loads(json.dumps(health_record(state)))
    node, sink = decoded(made).status
    assert (node.level, node.name, node.message) == (level.value, "perception left: node", "scenes are stale")
    assert node.hardware_id == "left"
    values = {one.key: one.value for one in node.values}
    assert (values["captured"], values["published"], values["dropped superseded"]) == ("100", "93", "7")
    assert (values["age_ms 50 %"], values["age_ms 99 %"]) == ("41.00", "98.50")
    assert (sink.level, sink.name) == (2, "perception left: sink out.mp4")
    assert sink.message == "No space left on device"
    assert {one.key: one.value for one in sink.values}["lost queue full"] == "3"
    # Header (stamp, empty frame), two statuses, then the level of the first as one byte.
    head = struct.pack("<2iI", 1_700_000_000, 123_456_789, 1) + b"\0\0\0\0" + struct.pack("<I", 2)
    assert made.data[4 : 5 + len(head)] == head + bytes([level.value])


def test_a_time_that_ros_cannot_hold_is_named() -> None:
    """Its seconds have 32 bits; a Foxglove log may be of later."""
    assert time((1 << 31) * 10**9 - 1).sec == (1 << 31) - 1
    for stamp_ns in ((1 << 31) * 10**9, -((1 << 31) * 10**9) - 1):
        with pytest.raises(SinkError, match=r"has the time -?214748364\d s, messages of ROS hold less"):
            time(stamp_ns)
