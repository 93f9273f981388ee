"""Scenes in Foxglove's types, decoded by the definitions that go with them."""

import json
from dataclasses import replace
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from perception.camera_info import CameraInfo, Transform
from perception.classes import DRIVE, NO_CLASSES
from perception.frame import Coded, Frame
from perception.interchange.files.records import health_record, scene_record
from perception.interchange.foxglove.vocabulary import FoxgloveVocabulary
from perception.interchange.messages.channels import Message
from perception.scene import Scene, Status
from tests.interchange.conftest import HEALTH, a_frame
from tests.mcap_reading import decode, nanoseconds, pixels

STAMP = 1_700_000_000_123_456_789
EVERY = frozenset(
    {"picture", "overlay", "labels", "instances", "annotations", "scene", "health", "calibration"}
)


def decoded(message: Message) -> Any:
    schema = message.channel.schema
    if schema.encoding == "jsonschema":
        value = json.loads(message.data)
        jsonschema.validate(value, json.loads(schema.definition))
        return value
    return decode(schema.name, schema.definition, message.data)


def spoken(frame: Frame, scene: Scene, wanted: frozenset[str] = EVERY) -> dict[str, Message]:
    vocabulary = FoxgloveVocabulary("rear", scene.classes)
    overlay = 255 - frame.image
    return {one.channel.name: one for one in vocabulary.scene(frame, scene, overlay, STAMP, wanted)}


def test_maps_are_those_of_the_scene_to_the_byte() -> None:
    frame, scene = a_frame(1)
    messages = spoken(replace(frame, frame_id="cam0"), scene)
    for name, ids, encoding in (
        ("labels", scene.labels, "mono8"),
        ("instances", scene.instance_map, "mono16"),
    ):
        image = decoded(messages[name])
        assert (image.encoding, image.frame_id, nanoseconds(image.timestamp)) == (encoding, "cam0", STAMP)
        assert pixels(image).tobytes() == ids.tobytes() and pixels(image).shape == ids.shape
        assert messages[name].channel.topic == f"/rear/{name}"
        assert messages[name].channel.schema.name == "foxglove.RawImage"


def test_maps_that_are_no_plain_arrays() -> None:
    frame, scene = a_frame(1)
    turned = scene.evolve(labels=scene.labels[:, ::-1], instance_map=scene.instance_map.astype(">u2"))
    messages = spoken(frame, turned)
    assert (pixels(decoded(messages["labels"])) == scene.labels[:, ::-1]).all()
    assert (pixels(decoded(messages["instances"])) == scene.instance_map).all()


def test_boxes_lie_around_their_pixels_and_points_in_the_middle_of_theirs() -> None:
    """Foxglove counts from the corner of the first pixel: pixel 3 is from 3 to 4, its centre at 3.5."""
    frame, scene = a_frame(1)
    shown = decoded(spoken(frame, scene)["annotations"])
    assert nanoseconds(shown.timestamp) == STAMP
    boxes, lanes = shown.points[:3], shown.points[3:]
    for box, text, one in zip(boxes, shown.texts, scene.instances, strict=True):
        rows, columns = np.nonzero(scene.instance_map == one.id)
        corners = [(point.x, point.y) for point in box.points]
        x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        assert corners == [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        assert box.type == 2  # LINE_LOOP
        assert [
            round(255 * level) for level in (box.outline_color.r, box.outline_color.g, box.outline_color.b)
        ] == list(DRIVE.colours[one.class_id])
        assert (text.position.x, text.position.y) == (x0, y0)
    said = [{pair.key: pair.value for pair in box.metadata} for box in boxes]
    assert said[0] == {"id": "8001", "class": "vehicle", "score": "0.9000", "track": "7"}
    assert said[1] == {"id": "8002", "class": "vehicle", "score": "0.3000"}
    assert [text.text for text in shown.texts] == ["vehicle 90% #7", "vehicle 30%", "pedestrian 75% #3"]
    for drawn, lane in zip(lanes, scene.lanes, strict=True):
        assert [(point.x, point.y) for point in drawn.points] == [(x + 0.5, y + 0.5) for x, y in lane.points]
        assert drawn.type == 3  # LINE_STRIP
    sides = [{pair.key: pair.value for pair in lane.metadata} for lane in lanes]
    assert sides[0] == {"lane": "solid", "confidence": "0.9000", "side": "left"}
    assert sides[2] == {"lane": "unknown", "confidence": "0.5000"}
    [head] = shown.circles
    assert (head.position.x, head.position.y) == (155.5, 51.5)
    assert {pair.key: pair.value for pair in head.metadata} == {"key_point": "head", "score": "0.9000"}
    for part in (*shown.points, *shown.texts, *shown.circles):
        assert nanoseconds(part.timestamp) == STAMP and part.ByteSize() > 20


def test_the_camera_s_jpeg_is_passed_on_and_other_pictures_are_encoded() -> None:
    frame, scene = a_frame(1)
    frame = replace(frame, pixels=np.full((144, 256, 3), (10, 200, 90), np.uint8))
    sent = replace(frame, coded=Coded("jpeg", b"\xff\xd8 as the camera sent it"))
    image = decoded(spoken(sent, scene)["picture"])
    assert (image.data, image.format) == (b"\xff\xd8 as the camera sent it", "jpeg")
    assert (image.frame_id, nanoseconds(image.timestamp)) == ("front_optical", STAMP)
    for coded in (None, Coded("h264", b"\0\0\0\1")):
        messages = spoken(replace(frame, coded=coded), scene)
        for name, level in (("picture", 200), ("overlay", 55)):
            shown = cv2.imdecode(np.frombuffer(decoded(messages[name]).data, np.uint8), cv2.IMREAD_COLOR)
            assert shown is not None and shown.shape == (144, 256, 3)
            assert abs(float(shown[..., 1].mean()) - level) < 3


def test_scene_and_health_are_the_lines_of_a_folder() -> None:
    frame, scene = a_frame(1)
    stale = scene.evolve(status=Status.STALE, age_ms=700.0)
    message = spoken(frame, stale)["scene"]
    assert decoded(message) == scene_record(stale, DRIVE) and decoded(message)["status"] == "stale"
    [said] = FoxgloveVocabulary("rear", DRIVE).health(HEALTH, STAMP)
    assert decoded(said) == json.loads(json.dumps(health_record(HEALTH)))
    assert (said.stamp_ns, said.channel.topic, said.channel.latched) == (STAMP, "/rear/health", True)


def test_what_changes_rarely() -> None:
    k = (700.0, 0.0, 320.5, 0.0, 701.0, 180.5, 0.0, 0.0, 1.0)
    p = (*k[:3], 1.0, *k[3:6], 2.0, *k[6:], 3.0)
    info = CameraInfo(640, 360, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.3), k, k[::-1], p)
    mounted = Transform("base_link", "cam0", (1.5, -0.1, 1.25), (-0.5, 0.5, -0.5, 0.5))
    frame, _ = a_frame(0)
    plain = [one.channel.name for one in FoxgloveVocabulary("rear", DRIVE).latched(frame, STAMP)]
    assert plain == ["classes"]
    frame = replace(frame, frame_id="cam0", camera_info=info, transforms=(mounted, mounted))
    found = {one.channel.name: one for one in FoxgloveVocabulary("rear", DRIVE).latched(frame, STAMP)}
    assert all(one.channel.latched and one.stamp_ns == STAMP for one in found.values())
    classes = decoded(found["classes"])
    assert classes["unknown"] == 255 and classes["name"] == "drive"
    assert [one["name"] for one in classes["classes"]] == list(DRIVE.names)
    assert classes["classes"][8] == {"id": 8, "name": "vehicle", "colour": [20, 90, 230], "thing": True}
    assert not classes["classes"][0]["thing"]
    calibration = decoded(found["calibration"])
    assert (calibration.width, calibration.height, calibration.frame_id) == (640, 360, "cam0")
    assert calibration.distortion_model == "plumb_bob" and tuple(calibration.D) == info.d
    assert (tuple(calibration.K), tuple(calibration.R), tuple(calibration.P)) == (k, info.r, p)
    transforms = decoded(found["transforms"]).transforms
    assert len(transforms) == 2
    one = transforms[0]
    assert (one.parent_frame_id, one.child_frame_id) == ("base_link", "cam0")
    assert (one.translation.x, one.translation.y, one.translation.z) == mounted.translation
    assert (one.rotation.x, one.rotation.y, one.rotation.z, one.rotation.w) == mounted.rotation
    assert {nanoseconds(of.timestamp) for of in (calibration, *transforms)} == {STAMP}


def test_only_what_is_wanted_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, scene = a_frame(1)
    assert spoken(frame, scene, frozenset()) == {}
    monkeypatch.setattr(cv2, "imencode", None)  # would fail
    assert list(spoken(frame, scene, frozenset({"labels", "scene"}))) == ["labels", "scene"]


def test_a_network_without_classes_has_no_channels_of_them() -> None:
    frame, scene = a_frame(0)
    blind = scene.evolve(classes=NO_CLASSES, instances=())
    assert list(spoken(frame, blind)) == ["picture", "overlay", "scene"]
    assert list(FoxgloveVocabulary("rear", NO_CLASSES).latched(frame, STAMP)) == []


def test_key_points_are_drawn_without_classes_too() -> None:
    frame, scene = a_frame(1)
    blind = scene.evolve(classes=NO_CLASSES, instances=(), lanes=())
    [said] = FoxgloveVocabulary("front", NO_CLASSES).scene(frame, blind, frame.image, STAMP, {"annotations"})
    assert len(decoded(said).circles) == len(scene.key_points) == 1


def test_a_scene_of_nothing_has_annotations_that_clear_the_last_ones() -> None:
    frame, scene = a_frame(0)
    shown = decoded(spoken(frame, scene.unknown(Status.NO_SIGNAL))["annotations"])
    assert not shown.points and nanoseconds(shown.timestamp) == STAMP
