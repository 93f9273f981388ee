"""The ends of a road that is known exactly, and what they tell of a nod where no lane is painted."""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE, ClassSet
from perception.geometry.calibration_file import Calibration
from perception.geometry.ground import Ground
from perception.geometry.locator import Locator
from perception.geometry.verges import VergeFinder
from perception.scene import Scene
from tests.geometry.roads import HEIGHT, WIDTH, TrueRoad, camera, mount, scene_of

CAMERA = Calibration(camera(), mount())
ROAD, GRASS, PAVEMENT, VEHICLE, WALL = (
    DRIVE.id(name) for name in ("road", "vegetation", "sidewalk", "vehicle", "building")
)
LEFT, RIGHT = 4.1, -3.2  # metres, of the ends
MS = 1_000_000


def ends(nod: float, curvature: float) -> list[npt.NDArray[np.float64]]:
    """Their pixels, the nearest first."""
    assert CAMERA.mount is not None
    ground = Ground(CAMERA.info, replace(CAMERA.mount, pitch=CAMERA.mount.pitch + nod))
    road, ahead = TrueRoad(curvature=curvature), np.geomspace(2, 200, 400)
    return [ground.to_pixels(road.points(c, ahead)) for c in (LEFT, RIGHT)]


def unpainted(
    nod: float = 0.0, curvature: float = 0.0, beside: tuple[int, int] = (GRASS, PAVEMENT), stamp_ns: int = 0
) -> Scene:
    left, right = ends(nod, curvature)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    horizon = int(left[-1, 1])
    labels[horizon:, : WIDTH // 2], labels[horizon:, WIDTH // 2 :] = beside
    outline = np.concatenate([left, right[::-1]])
    cv2.fillPoly(labels, [np.rint(outline * 16).astype(np.int32)], (ROAD,), cv2.LINE_8, 4)
    scene = scene_of(CAMERA, TrueRoad(), [(30.0, 0.0)], nod, stamp_ns, sides=[])
    return scene.evolve(labels=labels)


def found(scene: Scene, classes: ClassSet = DRIVE) -> list[npt.NDArray[np.float64]]:
    return VergeFinder(classes).find(scene)


@pytest.mark.parametrize("curvature", [0.0, 4e-3])
def test_both_ends_are_where_they_are(curvature: float) -> None:
    for seen, true in zip(found(unpainted(curvature=curvature)), ends(0.0, curvature), strict=True):
        assert len(seen) > 20
        assert (np.diff(seen[:, 1]) < 0).all()
        x = np.interp(seen[:, 1], true[::-1, 1], true[::-1, 0])
        slope = np.abs(np.gradient(x, seen[:, 1]))
        assert (np.abs(seen[:, 0] - x) < 1.5 + slope).all()  # where it runs askew, half a row is more


def test_what_is_hidden_or_bounded_by_something_else_is_no_end() -> None:
    scene = unpainted()
    labels = scene.labels.copy()
    whole = found(scene)[1]
    labels[500:600, 800:1100] = VEHICLE
    parked = found(scene.evolve(labels=labels))[1]
    kept = (whole[:, 1] < 500) | (whole[:, 1] >= 600)
    assert 8 < kept.sum() < len(whole)
    np.testing.assert_array_equal(parked, whole[kept])
    assert [len(one) > 0 for one in found(unpainted(beside=(WALL, GRASS)))] == [False, True]


def test_a_speck_is_no_end() -> None:
    scene = unpainted()
    labels, whole = scene.labels.copy(), found(scene)[1]
    labels[400:480, 700:703] = GRASS
    others = (whole[:, 1] < 400) | (whole[:, 1] >= 480)
    assert 8 < others.sum() < len(whole)
    np.testing.assert_array_equal(found(scene.evolve(labels=labels))[1], whole[others])


def test_the_road_is_followed_from_the_bonnet_to_what_drives_ahead() -> None:
    scene = unpainted()
    labels = scene.labels.copy()
    labels[560:] = VEHICLE  # the own bonnet, as a network may take it
    labels[:450, 560:720][labels[:450, 560:720] == ROAD] = VEHICLE
    for seen, whole in zip(found(scene.evolve(labels=labels)), found(scene), strict=True):
        between = (whole[:, 1] >= 450) & (whole[:, 1] < 560)
        assert 8 < between.sum() < len(whole)
        np.testing.assert_array_equal(seen, whole[between])


def test_without_a_road_there_are_no_ends() -> None:
    nothing = scene_of(CAMERA, TrueRoad(), sides=[])
    tiny = Scene(0, 0, 0, "", "", np.full((1, 1), ROAD, np.uint8), np.zeros((1, 1), np.uint16))
    others = ClassSet("others", ("ground",), ((0, 0, 0),))
    for scene, classes in ((nothing, DRIVE), (tiny, DRIVE), (unpainted(), others)):
        assert [one.shape for one in found(scene, classes)] == [(0, 2)] * 2


def distance(*scenes: Scene) -> float:
    locator = Locator(CAMERA)
    for scene in scenes:
        located = locator.update(scene)
    assert located.road is None
    (one,) = located.instances
    assert one.distance_m is not None and one.distance_sd_m is not None
    assert abs(one.distance_m - 30) < 2 * one.distance_sd_m
    return one.distance_m


def test_a_nod_is_seen_where_no_lane_is_painted() -> None:
    """By the ends of the road; one alone tells nothing."""
    drive = [unpainted(0.008, stamp_ns=number * 100 * MS) for number in range(5)]
    assert distance(*drive) == pytest.approx(30.0, rel=0.08)
    one_sided = [unpainted(0.008, 0.0, (WALL, GRASS), number * 100 * MS) for number in range(5)]
    assert distance(*one_sided) == pytest.approx(36.2, rel=0.02)  # as the mount gives it


def test_a_lane_that_is_known_is_not_bent_by_where_the_road_ends() -> None:
    road = scene_of(CAMERA, TrueRoad(), [(30.0, 0.0)])
    astray = np.where(road.labels > 0, road.labels, unpainted(0.02).labels)
    plain = Locator(CAMERA).update(road)
    assert Locator(CAMERA).update(road.evolve(labels=astray)).road == plain.road is not None
