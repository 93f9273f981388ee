"""A scene in short, as a picture, and as tables of other libraries."""

import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from perception import Bundle, Frame, Instance, Lane, Perceiver, Scene
from perception.classes import DRIVE, ClassSet
from perception.errors import ConfigError
from perception.overlay import SCENE, draw
from tests.conftest import COLOURS_BGR
from tests.media import picture, truth

CAR, WALKER = (
    Instance(8001, 8, 0.875, (0.0, 1.0, 7.0, 6.0), 12),
    Instance(9001, 9, 0.5, (8.0, 0.0, 10.0, 6.0)),
)
FARM = ClassSet("farm", ("track", *"abcdefg", "animal", "farmer"), ((0, 0, 0),) * 10, ("animal", "farmer"))


def make_scene(**more: object) -> Scene:
    """Two road users; the first has a hole, and a second part of four pixels."""
    ids = np.zeros((6, 12), np.uint16)
    ids[1:4, 2:7] = CAR.id
    ids[2, 4] = 0
    ids[5, 0:4] = CAR.id
    ids[:, 8:10] = WALKER.id
    frame = Frame(np.zeros((6, 12, 3), np.uint8), stamp_ns=7, sequence=3, camera="rear")
    return Scene.of(frame, np.full((6, 12), 3, np.uint8), ids, instances=(CAR, WALKER), **more)


def test_each_is_one_short_line(colour_bundle: Bundle) -> None:
    lane = Lane(np.zeros((40, 2), np.float32), "dashed", 0.75, "left")
    scene = make_scene(lanes=(lane,))
    assert repr(scene) == "<Scene 3 of rear, 12×6, ok: 1 vehicle, 1 pedestrian, 1 lane boundary>"
    assert repr(replace(scene, instances=(), lanes=())) == "<Scene 3 of rear, 12×6, ok: nothing>"
    frame = Frame(np.zeros((6, 12, 3), np.uint8), 1_250_000_000, sequence=3, camera="rear")
    assert repr(frame) == "<Frame 3 of rear, 12×6, 1.250 s>"
    assert repr(CAR) == "<Instance 8001 of class 8, track 12, 88%, 0,1 to 7,6>"
    assert repr(WALKER) == "<Instance 9001 of class 9, 50%, 8,0 to 10,6>"
    assert repr(lane) == "<Lane dashed, left of the ego lane, 75%, 40 points>"
    assert repr(Perceiver.load(colour_bundle.folder, "onnx-cpu")) == "<Perceiver colour 1 on onnx-cpu>"


def test_an_image_is_stamped_when_it_is_perceived(colour_bundle: Bundle) -> None:
    perceiver = Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)
    image, before, wall_before = picture(3), time.monotonic_ns(), time.time_ns()
    scene = perceiver.perceive(image)
    assert before <= scene.stamp_ns == scene.host_ns <= time.monotonic_ns()
    assert wall_before <= scene.wall_ns <= time.time_ns()
    framed = perceiver.perceive(Frame(image, 0))
    assert (scene.labels == framed.labels).all() and scene.instances == framed.instances
    with pytest.raises(ConfigError, match="was it read"):
        perceiver.perceive(cv2.imread("no such file.jpg"))  # type: ignore[arg-type]


def test_a_scene_draws_itself_with_its_own_classes(colour_bundle: Bundle) -> None:
    perceiver = Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)
    image = COLOURS_BGR[truth(3)]
    scene = perceiver.perceive(image)
    assert scene.classes == DRIVE
    expected = draw(Frame(image, 0), scene, DRIVE, SCENE)
    untouched = image.copy()
    assert (scene.draw(image) == expected).all() and (scene.draw(Frame(image, 0)) == expected).all()
    assert (image == untouched).all()
    red = replace(DRIVE, colours=((255, 0, 0),) * len(DRIVE))
    assert (replace(scene, classes=red).draw(image) != expected).any()
    with pytest.raises(ConfigError, match="the scene is"):
        scene.draw(image[:-1])


def test_masks_are_exact_and_polygons_give_them_but_for_holes() -> None:
    scene = make_scene()
    assert scene.mask(CAR).dtype == np.bool_
    assert (scene.mask(CAR) == (scene.instance_map == 8001)).all()
    large, small = scene.polygons(CAR)
    assert sorted(map(tuple, large.tolist())) == [(2, 1), (2, 3), (6, 1), (6, 3)]
    filled = np.zeros((6, 12), np.uint8)
    cv2.fillPoly(filled, [large.astype(np.int32), small.astype(np.int32)], 1)
    differs = filled.astype(bool) != scene.mask(CAR)
    assert np.argwhere(differs).tolist() == [[2, 4]]  # the hole
    assert scene.polygons(replace(CAR, id=8002)) == []


NOWHERE = dict.fromkeys(("distance_m", "distance_sd_m", "lateral_m", "lateral_sd_m", "ttc_s", "ttc_sd_s"))
ROWS: list[dict[str, Any]] = [
    {
        "camera": "rear",
        "sequence": 3,
        "stamp_ns": 7,
        "id": 8001,
        "track": 12,
        "class_id": 8,
        "class": "vehicle",
    }
    | {"score": 0.875, "x0": 0.0, "y0": 1.0, "x1": 7.0, "y1": 6.0, "area": 18}
    | NOWHERE,
    {"camera": "rear", "sequence": 3, "stamp_ns": 7, "id": 9001, "track": None, "class_id": 9}
    | {"class": "pedestrian", "score": 0.5, "x0": 8.0, "y0": 0.0, "x1": 10.0, "y1": 6.0, "area": 12}
    | NOWHERE,
]


def test_the_table_has_a_row_for_each_road_user() -> None:
    assert make_scene().to_dicts() == ROWS
    assert [row["class"] for row in make_scene(classes=FARM).to_dicts()] == ["animal", "farmer"]
    assert replace(make_scene(), instances=()).to_dicts() == []


def test_pandas_takes_the_table() -> None:
    pd = pytest.importorskip("pandas")
    table = make_scene().to_pandas()
    assert list(table.columns) == list(ROWS[0])
    assert table["class"].tolist() == ["vehicle", "pedestrian"] and table["area"].sum() == 30
    assert table["track"].tolist() == [12, pd.NA]  # whole numbers, also where one is missing
    none = replace(make_scene(), instances=()).to_pandas()
    assert list(none.columns) == list(ROWS[0]) and len(none) == 0
    assert pd.concat([none, table]).dtypes.tolist() == table.dtypes.tolist()  # a drive's table has no objects
    assert table["track"].dtype == "Int64" and table["x0"].dtype == table["area"].dtype == "int64"


def test_supervision_takes_the_road_users() -> None:
    sv = pytest.importorskip("supervision")
    scene = make_scene()
    found: Any = scene.to_supervision()
    assert len(found) == 2 and found.tracker_id.tolist() == [12, -1]
    assert found.xyxy.tolist() == [list(CAR.box), list(WALKER.box)]
    assert found.confidence.tolist() == [0.875, 0.5] and found.class_id.tolist() == [8, 9]
    assert found.data["class_name"].tolist() == ["vehicle", "pedestrian"]
    # What supervision itself computes of the masks and boxes is what they say here.
    assert [int(area) for area in found.area] == [18, 12]
    assert sv.mask_to_xyxy(found.mask[1:]).tolist() == [[8, 0, 9, 5]]  # its corners are inclusive
    assert found[found.class_id == 9].mask.sum() == 12
    assert (
        sv.MaskAnnotator().annotate(np.zeros((6, 12, 3), np.uint8), found)[scene.mask(CAR)].any(axis=1).all()
    )
    assert replace(scene, instances=(WALKER,)).to_supervision().tracker_id is None
    none = replace(scene, instances=()).to_supervision()
    assert none.is_empty() and len(sv.Detections.merge([none, found])) == 2
