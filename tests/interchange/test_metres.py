"""Metres in every output, read back by others."""

import json
import math
from dataclasses import replace
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from scipy.spatial.transform import Rotation

from perception.camera_info import CameraInfo, Mount, Transform
from perception.classes import DRIVE, NO_CLASSES, SIZES_M
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.ground import Ground
from perception.geometry.mounted import mounted
from perception.geometry.mounting import find_mount
from perception.interchange.files.records import SCENES, SceneRecord, scene_record, schemas
from perception.interchange.foxglove.vocabulary import FoxgloveVocabulary
from perception.interchange.messages.channels import Message, Vocabulary, looked_for, trusted
from perception.interchange.ros.vocabulary import RosVocabulary
from perception.scene import Instance, Lane, Road, Scene, Status
from tests.interchange.conftest import HEIGHT, WIDTH, a_frame
from tests.mcap_reading import decode, nanoseconds

STAMP_NS = 1_700_000_000_123_456_789
INFO = CameraInfo(
    WIDTH, HEIGHT, "plumb_bob", (-0.1, 0.01, 0.0, 0.0, 0.0),
    k=(200.0, 0.0, 127.5, 0.0, 200.0, 71.5, 0.0, 0.0, 1.0),
    r=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    p=(200.0, 0.0, 127.5, 0.0, 0.0, 200.0, 71.5, 0.0, 0.0, 0.0, 1.0, 0.0),
)  # fmt: skip
CALIBRATION = Calibration(INFO, Mount(1.4, 0.05, -0.02, 0.01))
METRES = np.array([[4, 1.75], [10, 1.8125], [np.nan, np.nan], [30, 2.5], [50, 3.5]], np.float32)
SD = np.array([[0.125, 0.0625], [0.5, 0.125], [np.nan, np.nan], [4, 0.5], [9, 0.875]], np.float32)


def a_scene() -> tuple[Frame, Scene]:
    """A vehicle that is reached in 2.5 s, a pedestrian whose place is not known, and two boundaries."""
    frame, scene = a_frame(1)
    car, _, walker = scene.instances
    near = replace(
        car, distance_m=23.25, distance_sd_m=0.5, lateral_m=-1.5, lateral_sd_m=0.25, ttc_s=2.5, ttc_sd_s=0.5
    )
    points = np.stack([np.linspace(60, 110, 5), np.linspace(143, 44, 5)], 1).astype(np.float32)
    known = Lane(points, "solid", 0.875, "left", METRES, SD)
    lost = Lane(
        points, "dashed", 0.5, None, np.full((5, 2), np.nan, np.float32), np.full((5, 2), np.nan, np.float32)
    )
    road = Road(-0.125, 0.01, 3.5, 0.02, 0.01, 0.001, None, None, 0.05, 0.002)
    return mounted(frame, CALIBRATION, metres=True), scene.evolve(
        instances=(near, walker), lanes=(known, lost), road=road
    )


def said(vocabulary: Vocabulary, frame: Frame, scene: Scene) -> dict[str, Message]:
    wanted = frozenset(vocabulary.channels)
    made = vocabulary.scene(frame, scene, frame.image, STAMP_NS, wanted)
    return {one.channel.name: one for one in made}


def of_ros(one: Message) -> Any:
    """By a typestore that is made of nothing but the definition that goes into logs."""
    store, schema = get_typestore(Stores.EMPTY), one.channel.schema
    store.register(get_types_from_msg(schema.definition.decode(), schema.name))
    return store.deserialize_cdr(one.data, schema.name)


def of_foxglove(one: Message) -> Any:
    return decode(one.channel.schema.name, one.channel.schema.definition, one.data)


def test_a_line_of_json_has_metres_where_they_are_known() -> None:
    _, scene = a_scene()
    line = json.loads(json.dumps(scene_record(scene, DRIVE), allow_nan=False))
    jsonschema.validate(line, schemas()[SCENES])
    car, walker = line["instances"]
    assert {key: car[key] for key in car if key.endswith(("_m", "_s"))} == {
        "distance_m": 23.25, "distance_sd_m": 0.5, "lateral_m": -1.5, "lateral_sd_m": 0.25, "ttc_s": 2.5,
        "ttc_sd_s": 0.5,
    }  # fmt: skip
    assert "distance_m" not in walker and "ttc_s" not in walker
    known, lost = line["lanes"]
    assert known["metres"] == [[4, 1.75], [10, 1.812], None, [30, 2.5], [50, 3.5]]
    assert known["metres_sd"] == [[0.125, 0.062], [0.5, 0.125], None, [4, 0.5], [9, 0.875]]
    assert lost["metres"] == [None] * 5
    assert (line["road"]["offset_m"], line["road"]["curvature_per_m"]) == (-0.125, None)
    assert (line["road"]["width_m"], line["road"]["pitch_sd_rad"]) == (3.5, 0.002)
    read = SceneRecord.model_validate(line)
    assert read.instances[0].distance_m == 23.25 and read.instances[1].distance_m is None
    assert read.lanes[0].metres is not None and read.lanes[0].metres[2] is None
    assert read.road is not None and read.road.width_m == 3.5


def test_without_a_calibration_lines_are_as_before() -> None:
    _, scene = a_frame(1)
    text = json.dumps(scene_record(scene, DRIVE))
    assert not any(word in text for word in ("distance", "metres", 'road"', "ttc", "lateral"))


def test_the_table_has_a_column_for_each() -> None:
    _, scene = a_scene()
    car, walker = scene.to_dicts()
    assert (car["distance_m"], car["lateral_m"], car["ttc_s"]) == (23.25, -1.5, 2.5)
    assert (car["distance_sd_m"], car["lateral_sd_m"], car["ttc_sd_s"]) == (0.5, 0.25, 0.5)
    assert walker["distance_m"] is None
    table = scene.to_pandas()
    assert table["distance_m"].dtype == table["ttc_sd_s"].dtype == np.float64
    assert table["distance_m"].tolist()[0] == 23.25 and math.isnan(table["distance_m"][1])
    assert scene.evolve(instances=()).to_pandas()["distance_m"].dtype == np.float64


def test_the_ground_hangs_on_the_camera_where_it_is_seen() -> None:
    """Points of the ground, turned and moved as viewers do, are projected by OpenCV to where the road is."""
    frame, _ = a_scene()
    camera, place = frame.transforms
    assert (camera.parent, camera.child) == ("base_footprint", "front_optical")  # the source knows no other
    assert (
        (place.parent, place.child)
        == ("front_optical", "front_ground")
        == (frame.optical_frame, frame.ground_frame)
    )
    assert frame.camera_info == INFO
    road = np.array([[5.0, 0.0, 0.0], [12.0, 2.0, 0.0], [30.0, -4.0, 1.5]])
    seen = Rotation.from_quat(place.rotation).apply(road) + place.translation
    pixels, _ = cv2.projectPoints(
        seen, np.zeros(3), np.zeros(3), np.reshape(INFO.k, (3, 3)), np.array(INFO.d)
    )
    assert CALIBRATION.mount is not None
    truth = Ground(INFO, CALIBRATION.mount).to_pixels(road[:, :2], road[:, 2])
    np.testing.assert_allclose(pixels[:, 0], truth, atol=1e-6)


def test_a_calibration_wins_over_what_the_source_knows_of_its_camera() -> None:
    """Its metres are shown over its pictures: by another lens, or on another ground, they lie elsewhere."""
    frame, _ = a_frame(1)
    on_the_car = Transform("base_link", "cam0", (1.5, 0.0, 1.25), (0.5, -0.5, 0.5, -0.5))
    own = replace(INFO, d=())
    known = mounted(
        replace(frame, frame_id="cam0", camera_info=own, transforms=(on_the_car,)), CALIBRATION, metres=True
    )
    assert known.camera_info == INFO
    camera, ground = known.transforms
    assert camera == on_the_car  # the camera's place in the vehicle is not the calibration's to say
    assert (ground.parent, ground.child) == ("cam0", "front_ground")
    assert mounted(known, CALIBRATION, metres=True).transforms == known.transforms
    higher = mounted(known, replace(CALIBRATION, mount=Mount(2.0)), metres=True).transforms
    assert higher[0] == on_the_car
    assert higher[1].child == "front_ground"
    assert higher[1].translation == pytest.approx((0.0, 2.0, 0.0))
    assert not mounted(frame, Calibration(INFO), metres=True).mounted  # a lens alone
    backwards = mounted(known, CALIBRATION, metres=False)
    assert backwards.transforms == (on_the_car,) and not backwards.mounted


def test_a_log_says_enough_for_metres_of_its_pictures() -> None:
    """What leaves as transforms is a mount again when it comes back."""
    frame, _ = a_scene()
    mount = find_mount(frame.transforms, frame.optical_frame)
    assert mount is not None and CALIBRATION.mount is not None
    for name in ("height", "pitch", "yaw", "roll"):
        assert getattr(mount, name) == pytest.approx(getattr(CALIBRATION.mount, name))


def test_foxglove_draws_them_on_the_ground() -> None:
    frame, scene = a_scene()
    message = said(FoxgloveVocabulary("front", DRIVE), frame, scene)["road"]
    assert (message.channel.topic, message.channel.schema.name) == ("/front/road", "foxglove.SceneUpdate")
    update = of_foxglove(message)
    (before,) = update.deletions
    assert (before.type, nanoseconds(before.timestamp)) == (1, STAMP_NS)  # ALL that is older
    lane, car = update.entities
    for one in (lane, car):
        assert (one.frame_id, one.lifetime.seconds, nanoseconds(one.timestamp)) == (
            "front_ground",
            1,
            STAMP_NS,
        )
    parts = [[(point.x, point.y, point.z) for point in line.points] for line in lane.lines]
    assert parts == [[(4, 1.75, 0), (10, 1.8125, 0)], [(30, 2.5, 0), (50, 3.5, 0)]]
    assert {line.type for line in lane.lines} == {0}  # LINE_STRIP
    (cube,) = car.cubes
    near, right, bottom = (getattr(cube.pose.position, a) - getattr(cube.size, a) / 2 for a in "xyz")
    assert (near, bottom) == pytest.approx((23.25, 0))
    assert right + cube.size.y / 2 == pytest.approx(-1.5)
    assert (cube.size.x, cube.size.y, cube.size.z) == SIZES_M["vehicle"]
    assert [round(255 * level) for level in (cube.color.r, cube.color.g, cube.color.b)] == list(
        DRIVE.colours[8]
    )
    assert car.texts[0].text == "vehicle 7  23 m  2.5 s"
    metadata = {pair.key: pair.value for pair in car.metadata}
    assert (
        metadata["distance_m"] == "23.25" and metadata["lateral_sd_m"] == "0.25" and metadata["track"] == "7"
    )
    shown = of_foxglove(said(FoxgloveVocabulary("front", DRIVE), frame, scene)["annotations"])
    assert [one.text for one in shown.texts] == ["vehicle 90% #7 23 m", "pedestrian 75% #3"]


def test_a_boundary_is_drawn_where_it_is_known() -> None:
    """A point alone is no line; far away, places may be metres to the side, or kilometres ahead."""
    _, scene = a_scene()
    metres = np.array(
        [[4, 1], [np.nan, np.nan], [9, 2], [12, np.nan], [20, 3], [30, 4], [900, 9]], np.float32
    )
    sds = np.full((7, 2), 0.5, np.float32)
    sds[6, 1] = 1.0
    (part,) = replace(scene.lanes[0], metres=metres, metres_sd=sds).stretches
    assert part.tolist() == [[20, 3], [30, 4]]
    assert replace(scene.lanes[0], metres=None, metres_sd=None).stretches == []


def test_ros_has_detections_with_their_covariance_and_markers_for_rviz() -> None:
    frame, scene = a_scene()
    made = said(RosVocabulary("front", DRIVE, "/car"), frame, scene)
    assert made["detections_3d"].channel.topic == "/car/front/detections_3d"
    found = of_ros(made["detections_3d"])
    assert (found.header.frame_id, found.header.stamp.nanosec) == ("front_ground", 123_456_789)
    (car,) = found.detections
    assert (car.id, car.results[0].hypothesis.class_id) == ("7", "8")
    assert car.bbox.center.position.x - car.bbox.size.x / 2 == pytest.approx(23.25)
    assert (car.bbox.center.position.y, car.bbox.center.orientation.w) == (-1.5, 1.0)
    covariance = np.reshape(car.results[0].pose.covariance, (6, 6))
    assert (covariance[0, 0], covariance[1, 1], covariance.sum()) == (0.25, 0.0625, 0.3125)
    assert car.results[0].pose.pose.position.x == car.bbox.center.position.x

    markers = of_ros(made["road"]).markers
    assert [(one.ns, one.type, one.action) for one in markers] == [
        ("", 0, 3), ("lanes", 4, 0), ("lanes", 4, 0), ("road users", 1, 0), ("labels", 9, 0),
    ]  # fmt: skip
    assert {one.header.frame_id for one in markers} == {"front_ground"}
    assert len({(one.ns, one.id) for one in markers}) == len(markers)
    assert [(point.x, point.y) for point in markers[2].points] == [(30, 2.5), (50, 3.5)]
    box, label = markers[3:]
    assert box.pose.position.x - box.scale.x / 2 == pytest.approx(23.25)
    assert (box.pose.position.z, box.scale.z) == (0.75, 1.5)
    assert (label.text, label.lifetime.sec) == ("vehicle 7  23 m  2.5 s", 1)
    assert min(one.color.a for one in markers[1:]) > 0.5  # 0 is not seen


@pytest.mark.parametrize("speaks", [FoxgloveVocabulary, RosVocabulary])
def test_nothing_is_said_where_the_ground_is_not_known(speaks: Any) -> None:
    """An empty list of road users would say that there are none."""
    frame, scene = a_scene()
    blind = said(speaks("front", DRIVE), replace(frame, transforms=()), scene)
    assert not {"road", "detections_3d"} & set(blind)
    assert not {"road", "detections_3d"} & set(speaks("front", NO_CLASSES).channels)
    empty = said(speaks("front", DRIVE), frame, scene.evolve(instances=(), lanes=()))
    assert "road" in empty


def test_what_is_not_trusted_is_withheld_from_buses() -> None:
    _, scene = a_scene()
    wanted = frozenset({"road", "detections_3d", "scene"})
    assert trusted(scene, wanted) == wanted
    assert trusted(scene.evolve(status=Status.STALE), wanted) == {"scene"}


@pytest.mark.parametrize(
    "scene",
    [
        a_scene()[1].evolve(left_out=("instances", "lanes")),
        a_scene()[1].evolve(status=Status.NOT_READY),
        a_scene()[1].evolve(status=Status.NO_SIGNAL),
    ],
    ids=["left out", "not ready", "no signal"],
)
def test_what_was_not_looked_for_is_not_said_to_be_none(scene: Scene) -> None:
    wanted = frozenset(
        {*FoxgloveVocabulary("front", DRIVE).channels, *RosVocabulary("front", DRIVE).channels}
    )
    gone = wanted - looked_for(scene, wanted)
    assert gone == {"instances", "instances/compressed", "detections", "detections_3d", "road"}
    assert not trusted(scene, wanted) & gone
    if scene.left_out:
        assert trusted(scene, wanted) == wanted - gone  # labels go on


def test_a_road_user_without_a_track_keeps_its_own_marker() -> None:
    frame, scene = a_scene()
    two = tuple(Instance(8000 + k, 8, 0.5, (0, 0, 9, 9), None, 10.0 * k, 1.0, 0.0, 0.1) for k in (1, 2))
    update = of_foxglove(said(FoxgloveVocabulary("front", DRIVE), frame, scene.evolve(instances=two))["road"])
    assert [one.id for one in update.entities[1:]] == ["vehicle 8001", "vehicle 8002"]
    markers = of_ros(said(RosVocabulary("front", DRIVE), frame, scene.evolve(instances=two))["road"]).markers
    assert [one.id for one in markers if one.ns == "road users"] == [8001, 8002]
