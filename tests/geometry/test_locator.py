"""Metres of scenes whose road is known exactly."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.geometry.calibration_file import Calibration
from perception.geometry.ground import Ground
from perception.geometry.locator import Locator
from perception.scene import Instance, Lane, Scene, Status
from tests.geometry.roads import HEIGHT, VEHICLE, WIDTH, TrueRoad, camera, mount, scene_of

CAMERA = Calibration(camera(), mount())
MS = 1_000_000
LENSES = (
    camera(),
    camera(800.0, d=(-0.3, 0.1, 1e-3, -1e-3, -0.01)),
    camera(900.0, "rational_polynomial", (0.5, 0.1, 1e-4, 1e-4, 0.01, 0.8, 0.2, 0.02)),
    camera(500.0, "equidistant", (-0.01, 0.002, 0.0, 0.0)),
)


def settle(calibration: Calibration, road: TrueRoad, places: list[tuple[float, float]], nod: float) -> Scene:
    """The last scene of half a second of a steady road."""
    locator, scene = Locator(calibration), None
    for number in range(4):
        scene = locator.update(scene_of(calibration, road, places, nod, number * 100 * MS))
    assert scene is not None
    return scene


def one(scene: Scene) -> Instance:
    (found,) = scene.instances
    return found


@settings(max_examples=20)
@given(
    st.sampled_from(LENSES),
    st.floats(1.1, 2.2),
    st.floats(-2, 4),
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.floats(-0.01, 0.01),
    st.floats(-0.004, 0.004),
    st.floats(1.3, 2.2),
    st.floats(8, 28),
)
def test_road_and_distances_are_within_their_deviations(
    info: object,
    height: float,
    pitch: float,
    yaw: float,
    roll: float,
    nod: float,
    curve: float,
    left: float,
    x: float,
) -> None:
    calibration = Calibration(info, mount(height, pitch, yaw, roll))  # type: ignore[arg-type]
    true = TrueRoad(left, left - 3.4, heading=0.02, curvature=curve)
    y = float(true.points(left - 1.7, np.array([x]))[0, 1])
    scene = settle(calibration, true, [(x, y)], nod)
    road, found = scene.road, one(scene)
    assert road is not None
    assert found.distance_m is not None
    assert found.lateral_m is not None
    assert road.offset_m == pytest.approx(1.7 - left, abs=0.05)
    assert road.width_m == pytest.approx(3.4, abs=0.06)
    assert road.heading_rad == pytest.approx(-0.02, abs=0.006)
    assert road.curvature_per_m == pytest.approx(curve, abs=5e-4)
    assert road.pitch_rad == pytest.approx(math.radians(pitch) + nod, abs=2.5e-3)
    # The first second or so still knows that a nod is rare; the deviations say how much.
    assert abs(found.distance_m - x) < 2 * (found.distance_sd_m or 0)
    assert abs(found.lateral_m - y) < 2 * (found.lateral_sd_m or 0)
    for lane, c in zip(scene.lanes, (left, left - 3.4), strict=True):
        assert lane.metres is not None
        assert lane.metres_sd is not None
        near = lane.metres[:, 0] < 25
        off = lane.metres[near] - true.points(c, lane.metres[near, 0].astype(float))
        assert (np.abs(off[:, 1]) < 2 * lane.metres_sd[near, 1]).all()


def test_a_nod_is_seen_and_taken_out_of_distances() -> None:
    scene = settle(CAMERA, TrueRoad(), [(30.0, 0.0)], nod=0.008)
    found = one(scene).distance_m
    assert found == pytest.approx(30.0, rel=0.05)  # the mount alone gives 36.2 m


def test_a_hill_is_seen_and_taken_out_of_distances() -> None:
    found = one(settle(CAMERA, TrueRoad(climb=6e-4), [(35.0, 0.0)], nod=0.0)).distance_m
    assert found == pytest.approx(35.0, rel=0.08)  # without: 47.4 m


def test_far_things_are_less_sure() -> None:
    scene = settle(CAMERA, TrueRoad(), [(8.0, 0.0), (16.0, 3.0), (32.0, -6.0)], nod=0.0)
    shares = [(one.distance_sd_m or 0) / (one.distance_m or 1) for one in scene.instances]
    assert 0.01 < shares[0] < shares[1] < shares[2] < 0.35


@pytest.mark.parametrize("place", [(15.0, 8.0), (20.0, -10.0), (12.0, 6.0)])
def test_deviations_hold_all_that_is_not_sure_of_the_mount(place: tuple[float, float]) -> None:
    """Against where that foot would be under mounts drawn from the deviations of this one."""
    sure = replace(mount(), pitch_sd=0.0, height_sd=0.02, yaw_sd=0.02, roll_sd=0.02)
    found = one(settle(Calibration(camera(), sure), TrueRoad(), [place], 0.0))
    pixel = Ground(camera(), sure).to_pixels(np.array([place]))
    rng, drawn = np.random.default_rng(0), []
    for _ in range(500):
        height, yaw, roll = rng.normal((sure.height, sure.yaw, sure.roll), (0.02, 0.02, 0.02))
        drawn.append(Ground(camera(), replace(sure, height=height, yaw=yaw, roll=roll)).to_road(pixel)[0])
    ahead_sd, left_sd = np.std(drawn, 0)
    assert found.distance_sd_m is not None and found.lateral_sd_m is not None
    # On top are the nod, and how well a foot is seen.
    assert 0.9 * ahead_sd < found.distance_sd_m < 1.6 * ahead_sd
    assert 0.9 * left_sd < found.lateral_sd_m < 1.6 * left_sd


def test_left_of_the_middle_is_a_positive_offset() -> None:
    road = settle(CAMERA, TrueRoad(left=1.0, right=-2.4), [], 0.0).road
    assert road is not None
    assert road.offset_m == pytest.approx(0.7, abs=0.02)
    assert (road.offset_sd_m or 0) < 0.1


def test_offset_follows_a_lane_change_at_once() -> None:
    locator = Locator(CAMERA)
    for number in range(20):
        moved = 0.06 * number
        road = locator.update(
            scene_of(CAMERA, TrueRoad(1.7 - moved, -1.7 - moved), stamp_ns=number * 50 * MS)
        ).road
        assert road is not None
        assert road.offset_m == pytest.approx(moved, abs=0.02)


def test_one_boundary_is_no_lane() -> None:
    scene = Locator(CAMERA).update(scene_of(CAMERA, TrueRoad(), sides=["left"]))
    assert scene.road is None
    assert scene.lanes[0].metres is not None


def test_a_boundary_without_paint_is_a_guess() -> None:
    scene = scene_of(CAMERA, TrueRoad())
    assert Locator(CAMERA).update(scene.evolve(labels=np.zeros_like(scene.labels))).road is None


def test_boundaries_that_cross_are_no_lane() -> None:
    """And they show no nod: distances stay what the mount gives."""
    true = scene_of(CAMERA, TrueRoad(), [(20.0, 0.0)])
    other = scene_of(CAMERA, TrueRoad(heading=0.06))
    labels = np.maximum(true.labels, other.labels)
    scene = Locator(CAMERA).update(true.evolve(lanes=(true.lanes[0], other.lanes[1]), labels=labels))
    assert scene.road is None
    assert one(scene).distance_m == pytest.approx(20.0, rel=0.01)


@pytest.mark.parametrize("right", [0.5, -5.0])
def test_what_is_too_narrow_or_wide_is_no_lane(right: float) -> None:
    """And shows no nod."""
    scene = settle(CAMERA, TrueRoad(1.9, right), [(30.0, 0.0)], nod=0.008)
    assert scene.road is None
    assert one(scene).distance_m == pytest.approx(36.2, rel=0.02)


def boxed(*boxes: tuple[float, float, float, float]) -> Scene:
    found = tuple(Instance(VEHICLE * 1000 + k, VEHICLE, 0.9, box, track=k) for k, box in enumerate(boxes, 1))
    return scene_of(CAMERA, TrueRoad()).evolve(instances=found)


SEEN = 600.0, 380.0, 680.0, 440.0


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("cut below", (800.0, 300.0, 1000.0, HEIGHT - 0.0)),
        ("cut at the left", (0.0, 300.0, 200.0, 500.0)),
        ("cut at the right", (1100.0, 300.0, WIDTH - 1.0, 500.0)),
        ("above the horizon", (600.0, 200.0, 640.0, 330.0)),
        ("at the horizon", (600.0, 300.0, 640.0, 345.0)),
    ],
)
def test_no_distance_without_a_foot(name: str, box: tuple[float, float, float, float]) -> None:
    kept, found = Locator(CAMERA).update(boxed(SEEN, box)).instances
    assert kept.distance_m is not None
    values = found.distance_m, found.distance_sd_m, found.lateral_m, found.lateral_sd_m
    assert values == (None,) * 4, name


def test_no_distance_behind_a_nearer_road_user() -> None:
    behind, nearer, aside = (
        Locator(CAMERA)
        .update(boxed(SEEN, (640.0, 400.0, 760.0, 520.0), (690.0, 370.0, 720.0, 440.0)))
        .instances
    )
    assert behind.distance_m is None
    assert nearer.distance_m is not None
    assert aside.distance_m is None
    below = Locator(CAMERA).update(boxed(SEEN, (600.0, 445.0, 700.0, 560.0))).instances[0]
    assert below.distance_m is not None  # the road is seen between them
    first = Locator(CAMERA).update(boxed(SEEN, (670.0, 400.0, 760.0, 520.0))).instances[0]
    assert first.distance_m is not None  # an eighth of its foot is hidden


@pytest.mark.parametrize(
    ("name", "hides"), [("fence", True), ("building", True), ("road", False), ("vegetation", False)]
)
def test_no_distance_behind_a_wall_or_a_rail(name: str, hides: bool) -> None:
    scene = boxed(SEEN)
    labels = scene.labels.copy()
    labels[440:448, 600:680] = DRIVE.id(name)
    assert (one(Locator(CAMERA).update(scene.evolve(labels=labels))).distance_m is None) is hides


def test_no_distance_on_the_own_bonnet() -> None:
    bonnet = np.zeros((HEIGHT, WIDTH), bool)
    bonnet[440:] = True
    scene = boxed(SEEN, (300.0, 380.0, 380.0, 430.0)).evolve(ego_mask=bonnet)
    on, before = Locator(CAMERA).update(scene).instances
    assert on.distance_m is None
    assert before.distance_m is not None


def test_a_distance_needs_no_track() -> None:
    scene = boxed(SEEN)
    scene = scene.evolve(instances=(replace(scene.instances[0], track=None),))
    assert one(Locator(CAMERA).update(scene)).distance_m == pytest.approx(
        one(Locator(CAMERA).update(boxed(SEEN))).distance_m
    )


def test_a_jump_of_the_outline_is_smoothed() -> None:
    locator, boxes = Locator(CAMERA), [SEEN] * 10 + [(600.0, 380.0, 680.0, 450.0)]
    found = [
        one(locator.update(boxed(box).evolve(stamp_ns=number * 33 * MS))).distance_m or 0
        for number, box in enumerate(boxes)
    ]
    jumped = one(Locator(CAMERA).update(boxed(boxes[-1]))).distance_m or 0
    assert jumped < found[-1] < found[-2] == pytest.approx(found[0], rel=1e-3)


def test_nothing_is_remembered_across_recordings() -> None:
    nodding = [scene_of(CAMERA, TrueRoad(), [(30.0, 0.0)], 0.01, number * 100 * MS) for number in range(5)]
    level = scene_of(CAMERA, TrueRoad(), [(30.0, 0.0)], sides=[])
    fresh = one(Locator(CAMERA).update(level)).distance_m
    for change in ({"recording": 1, "stamp_ns": 600 * MS}, {"stamp_ns": 0}):
        locator = Locator(CAMERA)
        for scene in nodding:
            locator.update(scene)
        assert one(locator.update(level.evolve(**change))).distance_m == fresh
    kept = Locator(CAMERA)
    for scene in nodding:
        kept.update(scene)
    assert one(kept.update(level.evolve(stamp_ns=500 * MS))).distance_m != fresh


def test_an_empty_scene_and_lanes_without_paint_class() -> None:
    empty = scene_of(CAMERA, TrueRoad(), sides=[])
    scene = Locator(CAMERA).update(empty)
    assert (scene.road, scene.lanes, scene.instances) == (None, (), ())


def test_pictures_of_another_size_are_the_same_road() -> None:
    scene = scene_of(CAMERA, TrueRoad(), [(20.0, 1.0)])
    half = scene.evolve(
        labels=np.ascontiguousarray(scene.labels[::2, ::2]),
        instance_map=np.zeros((HEIGHT // 2, WIDTH // 2), np.uint16),
        lanes=tuple(
            Lane(((lane.points + 0.5) / 2 - 0.5).astype(np.float32), lane.kind, 1.0, lane.side)
            for lane in scene.lanes
        ),
        instances=tuple(
            replace(each, box=tuple(side / 2 for side in each.box))  # type: ignore[arg-type]
            for each in scene.instances
        ),
    )
    for given_scene in (scene, half):
        found = Locator(CAMERA).update(given_scene)
        assert found.road is not None
        assert one(found).distance_m == pytest.approx(20.0, rel=0.01)
        assert one(found).lateral_m == pytest.approx(1.0, abs=0.05)


def test_what_cannot_be_in_metres_is_refused() -> None:
    with pytest.raises(ConfigError, match="calibration camera: has no mount"):
        Locator(Calibration(camera()))
    tall = scene_of(CAMERA, TrueRoad()).evolve(
        labels=np.zeros((720, 720), np.uint8), instance_map=np.zeros((720, 720), np.uint16)
    )
    with pytest.raises(ConfigError, match="holds for 1280×720, and the pictures are 720×720"):
        Locator(CAMERA).update(tall)


def test_the_same_scenes_give_the_same_metres() -> None:
    first, second = (settle(CAMERA, TrueRoad(curvature=1e-3), [(18.0, 1.0)], 0.003) for _ in range(2))
    assert first.road == second.road
    assert first.instances == second.instances


def test_an_unknown_scene_has_no_road_and_a_stale_one_keeps_it() -> None:
    scene = settle(CAMERA, TrueRoad(), [(18.0, 1.0)], 0.0).evolve(max_age_ms=100.0)
    assert scene.unknown(Status.NO_SIGNAL).road is None
    late = scene.as_of(scene.host_ns + 200 * MS)
    assert late.status is Status.STALE
    assert late.road == scene.road
    assert late.instances == scene.instances
