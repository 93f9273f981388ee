"""The simulated camera against its own geometry: what the truth says must be what the image shows."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE
from perception.simulation import Drive, Rendering, SimulationOptions

SIZE = (320, 180)
THINGS = DRIVE.thing_ids
PAINT = DRIVE.id("lane_marking")


def drive(seed: int, **options: object) -> Drive:
    return Drive(SimulationOptions(seed=seed, **{"size": SIZE, **options}))  # type: ignore[arg-type]


def maps(rendering: Rendering) -> list[bytes]:
    truth = rendering.truth
    arrays: list[npt.NDArray[Any]] = [rendering.image, truth.labels, truth.instance_map, truth.depth]
    return [array.tobytes() for array in (*arrays, *(lane.points for lane in truth.lanes))]


@pytest.mark.parametrize("scene", ["town", "country", "highway"])
def test_a_frame_depends_on_options_and_index_alone(scene: str) -> None:
    one, other = drive(5, scene=scene), drive(5, scene=scene)
    in_order = [maps(one.render(index)) for index in (40, 41, 900)]
    at_random = [maps(other.render(index)) for index in (900, 40, 41)]
    assert in_order == [at_random[1], at_random[2], at_random[0]]


def test_asking_for_the_truth_does_not_change_the_image() -> None:
    plain, asked = drive(7, weather="rain"), drive(7, weather="rain")
    maps(asked.render(10))
    assert plain.render(11).image.tobytes() == asked.render(11).image.tobytes()


def test_seeds_weathers_times_and_scenes_differ() -> None:
    base = {"weather": "clear", "time": "day", "scene": "town"}
    changed = [
        {"weather": "cloudy"},
        {"weather": "rain"},
        {"weather": "fog"},
        {"time": "dusk"},
        {"time": "night"},
    ]
    changed += [{"scene": "country"}, {"scene": "highway"}]
    images = [drive(3, **{**base, **change}).render(5).image for change in [{}, *changed]]
    images.append(drive(4, **base).render(5).image)
    for k, image in enumerate(images):
        for other in images[:k]:
            assert np.abs(image.astype(int) - other).mean() > 3


def test_light_and_weather_leave_the_geometry_alone() -> None:
    day, night = (drive(3, time=time, weather="clear", scene="town").render(5) for time in ("day", "night"))
    np.testing.assert_array_equal(day.truth.labels, night.truth.labels)
    np.testing.assert_array_equal(day.truth.instance_map, night.truth.instance_map)


@pytest.mark.parametrize("size", [(1280, 32), (3840, 16), (16, 2160)])
def test_a_picture_may_end_above_the_horizon(size: tuple[int, int]) -> None:
    for seed in (10, 16):
        rendering = drive(seed, size=size, scene="country").render(0)
        assert rendering.image.shape == (size[1], size[0], 3)


def test_night_is_darker_and_fog_hides_what_is_far() -> None:
    clear, night, fog = (
        drive(3, time=time, weather=weather, scene="town").render(5)
        for time, weather in (("day", "clear"), ("night", "clear"), ("day", "fog"))
    )
    assert night.image.mean() < 0.6 * clear.image.mean()
    far = np.isfinite(clear.truth.depth) & (clear.truth.depth > 120)
    assert far.sum() > 200
    assert fog.image[far].std() < 0.7 * clear.image[far].std()


@pytest.fixture(scope="module")
def many() -> list[Rendering]:
    drives = [drive(seed, scene=scene) for seed in range(3) for scene in ("town", "country", "highway")]
    return [each.render(index) for each in drives for index in (30, 400)]


def test_every_class_appears(many: list[Rendering]) -> None:
    counts = np.zeros(256, int)
    for rendering in many:
        counts += np.bincount(rendering.truth.labels.ravel(), minlength=256)
    assert (counts[: len(DRIVE)] > 100).all()
    assert not counts[len(DRIVE) :].any()


def test_instances_are_exactly_the_things(many: list[Rendering]) -> None:
    for rendering in many:
        labels, instances = rendering.truth.labels, rendering.truth.instance_map
        np.testing.assert_array_equal(instances > 0, np.isin(labels, THINGS))
        np.testing.assert_array_equal(instances[instances > 0] // 1000, labels[instances > 0])


def test_each_instance_is_one_thing_in_one_place(many: list[Rendering]) -> None:
    """Two things never share an id: the pixels of an id have depths within the length of one thing."""
    for rendering in many:
        instances, depth = rendering.truth.instance_map, rendering.truth.depth
        for value in np.unique(instances[instances > 0]):
            of_it = depth[instances == value]
            assert of_it.max() - of_it.min() < 14 + 0.02 * of_it.max(), value


def test_ids_are_stable_from_frame_to_frame() -> None:
    town = drive(11, scene="town", rate=30.0)
    previous = town.render(60).truth.instance_map
    followed = 0
    for index in range(61, 66):
        current = town.render(index).truth.instance_map
        for value in np.intersect1d(previous[previous > 0], current[current > 0]):
            a, b = _box(previous == value), _box(current == value)
            if (a[2] - a[0]) * (a[3] - a[1]) > 60:
                assert a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
                followed += 1
        previous = current
    assert followed >= 15


def _box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    y, x = np.nonzero(mask)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def test_lanes_run_from_near_to_far_along_the_paint(many: list[Rendering]) -> None:
    on_paint = {"solid": [0, 0], "dashed": [0, 0]}
    for rendering in many:
        labels = rendering.truth.labels
        near_paint = cv2.dilate((labels == PAINT).astype(np.uint8), np.ones((3, 3), np.uint8))
        for lane in rendering.truth.lanes:
            assert lane.points.dtype == np.float32 and lane.points.shape[1] == 2
            assert (np.diff(lane.points[:, 1]) <= 0.5).all()
            x, y = np.rint(lane.points).astype(int).T
            assert (x >= 0).all() and (x < SIZE[0]).all() and (y >= 0).all() and (y < SIZE[1]).all()
            # What stands on the road hides its paint, and far lines are thinner than a pixel.
            open_road = np.isin(labels[y, x], (DRIVE.id("road"), PAINT)) & (y > y.max() - 40)
            on_paint[lane.kind][0] += int(near_paint[y, x][open_road].sum())
            on_paint[lane.kind][1] += int(open_road.sum())
    assert on_paint["solid"][1] > 500 and on_paint["dashed"][1] > 500
    assert on_paint["solid"][0] > 0.97 * on_paint["solid"][1]
    assert 0.2 < on_paint["dashed"][0] / on_paint["dashed"][1] < 0.8


def test_paint_is_brighter_than_the_road() -> None:
    """The label lies where the image shows paint: across the edge of a mark the image changes."""
    rendering = drive(2, scene="highway", time="day", weather="clear", size=(640, 360)).render(20)
    grey = cv2.cvtColor(rendering.image, cv2.COLOR_BGR2GRAY).astype(float)
    labels = rendering.truth.labels
    paint = cv2.erode((labels == PAINT).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    around = cv2.dilate((labels == PAINT).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    road = around & (labels == DRIVE.id("road"))
    paint[:250] = road[:250] = False
    assert grey[paint].mean() > grey[road].mean() + 25


@pytest.mark.parametrize("seed", range(4))
def test_depth_of_the_road_is_that_of_the_pinhole(seed: int) -> None:
    simulated = drive(seed)
    rendering = simulated.render(100)
    truth, k = rendering.truth, rendering.truth.intrinsics
    y, x = np.nonzero(np.isin(truth.labels, (DRIVE.id("road"), PAINT)))
    depth = truth.depth[y, x].astype(float)
    # Back through the pinhole, turned by the pitch, to metres ahead and above the road under the camera.
    down = (y - k.cy) / k.focal * depth
    ahead = depth * np.cos(truth.pose.pitch) - down * np.sin(truth.pose.pitch)
    up = truth.pose.height - down * np.cos(truth.pose.pitch) - depth * np.sin(truth.pose.pitch)
    hill, station = simulated.road.hill, truth.pose.station
    rise = hill.at(station + ahead) - hill.at(station) - ahead * hill.slope(station)
    near = ahead < 60
    assert near.sum() > 2000
    np.testing.assert_allclose(up[near], rise[near], atol=0.02)
    # And across: the road lies between its edges.
    right = (x - k.cx) / k.focal * depth * (-1 if truth.pose.mirrored else 1)
    bend = simulated.road.bend
    lean = bend.at(station + ahead) - bend.at(station) - ahead * (bend.slope(station) + truth.pose.yaw)
    offset = truth.pose.offset + right - lean
    in_road = (offset > simulated.road.edges[0] - 0.3) & (offset < simulated.road.edges[1] + 0.3)
    side_street = simulated.world.street(station + ahead)
    assert (in_road | side_street)[near].all()


def test_depth_is_infinite_for_the_sky_alone_and_falls_towards_the_camera(many: list[Rendering]) -> None:
    for rendering in many:
        labels, depth = rendering.truth.labels, rendering.truth.depth
        assert np.isinf(depth[labels == DRIVE.id("sky")]).all()
        assert (depth > 0.3).all()
        solid = np.isin(labels, (DRIVE.id("road"), PAINT, *THINGS, DRIVE.id("pole")))
        assert np.isfinite(depth[solid]).all()


def test_a_nearer_vehicle_hides_a_farther_one() -> None:
    """Where two vehicles meet in the image and one stands lower, the lower one is the nearer one."""
    checked = 0
    for seed in range(4):
        truth = drive(seed, scene="town").render(50).truth
        instances, depth = truth.instance_map.astype(int), truth.depth
        left, right = instances[:, :-1], instances[:, 1:]
        meet = (
            (left != right) & (left // 1000 == DRIVE.id("vehicle")) & (right // 1000 == DRIVE.id("vehicle"))
        )
        for a, b in np.unique(np.stack([left[meet], right[meet]], 1), axis=0):
            foot_a, foot_b = (np.nonzero(instances == value)[0].max() for value in (a, b))
            if abs(foot_a - foot_b) > 6:
                nearer_a = np.median(depth[instances == a]) < np.median(depth[instances == b])
                assert nearer_a == (foot_a > foot_b)
                checked += 1
    assert checked


@pytest.mark.parametrize("size", [(16, 16), (17, 16), (16, 41), (333, 97), (97, 333), (641, 361)])
@pytest.mark.parametrize("weather", ["clear", "rain"])
def test_odd_sizes(size: tuple[int, int], weather: str) -> None:
    rendering = drive(1, size=size, weather=weather, time="night").render(3)
    assert rendering.image.shape == (size[1], size[0], 3) and rendering.image.dtype == np.uint8
    truth = rendering.truth
    for array, kind in ((truth.labels, np.uint8), (truth.instance_map, np.uint16), (truth.depth, np.float32)):
        assert array.shape == (size[1], size[0]) and array.dtype == kind
    assert (truth.labels < len(DRIVE)).all()
    assert len(np.unique(truth.labels)) >= 3


def test_4k_shows_the_same_scene_as_a_small_image() -> None:
    large, small = (drive(8, size=size).render(12).truth.labels for size in ((3840, 2160), (480, 270)))
    reduced = cv2.resize(large, (480, 270), interpolation=cv2.INTER_NEAREST)
    assert (reduced == small).mean() > 0.9


def test_the_rate_only_samples_the_drive_more_finely() -> None:
    slow, fast = drive(6, rate=10.0).render(20), drive(6, rate=30.0).render(60)
    assert slow.time == fast.time == 2.0
    np.testing.assert_array_equal(slow.truth.labels, fast.truth.labels)
    assert slow.truth.pose == fast.truth.pose


def test_the_camera_drives_on() -> None:
    simulated = drive(9)
    stations = [simulated.pose(time).station for time in np.arange(0, 20, 0.5)]
    assert (np.diff(stations) > 0).all()
