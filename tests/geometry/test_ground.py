"""The flat road against OpenCV's projection with SciPy's rotations, and against itself."""

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from perception.camera_info import CameraInfo, Mount
from perception.geometry.ground import Ground, rotation
from tests.geometry.lenses import FISHEYE, KITTI, LENSES, PLAIN, lenses, mounts

Doubles = npt.NDArray[np.float64]
LEVEL = Mount(1.5)
ROAD = np.array([[x, y] for x in (4.0, 7.0, 15.0, 40.0, 100.0) for y in (-6.0, -1.5, 0.0, 2.0, 5.0)])


def seen(info: CameraInfo, mount: Mount, points: Doubles) -> Doubles:
    """Pixels of points (n, 3) in the vehicle's axes: the camera is turned by yaw, then pitch, then roll."""
    turn = Rotation.from_euler("ZYX", [mount.yaw, mount.pitch, mount.roll])
    x, y, z = turn.inv().apply(points - [0, 0, mount.height]).T
    optical = np.stack([-y, -z, x], 1)
    pixels, _ = cv2.projectPoints(
        optical[:, None], np.zeros(3), np.zeros(3), np.reshape(info.k, (3, 3)), np.array(info.d)
    )
    return np.asarray(pixels[:, 0], np.float64)


@given(mounts)
def test_the_road_is_seen_where_opencv_says(mount: Mount) -> None:
    height = np.linspace(0, 2, len(ROAD))
    found = Ground(KITTI, mount).to_pixels(ROAD, height)
    inside = np.isfinite(found).all(1)
    truth = seen(KITTI, mount, np.column_stack([ROAD, height]))
    np.testing.assert_allclose(found[inside], truth[inside], atol=1e-6)


@given(lenses(), mounts)
def test_there_and_back_is_the_same_place(info: CameraInfo, mount: Mount) -> None:
    ground = Ground(info, mount)
    pixels = ground.to_pixels(ROAD)
    x, y = pixels.T
    inside = (x >= 0) & (x < info.width) & (y >= 0) & (y < info.height)
    back = ground.to_road(pixels[inside])
    known = np.isfinite(back).all(1)  # near a fold of the lens some are not
    np.testing.assert_allclose(back[known], ROAD[inside][known], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("info", LENSES.values(), ids=LENSES)
def test_real_lenses_know_every_place_that_they_see(info: CameraInfo) -> None:
    ground = Ground(info, Mount(1.4, math.radians(3), math.radians(-1), math.radians(0.5)))
    pixels = ground.to_pixels(ROAD)
    x, y = pixels.T
    inside = (x >= 0) & (x < info.width) & (y >= 0) & (y < info.height)
    assert inside.sum() > 15
    np.testing.assert_allclose(ground.to_road(pixels[inside]), ROAD[inside], rtol=1e-6, atol=1e-6)


def test_signs() -> None:
    """Of what one sees: each angle alone, a degree of it."""
    degree = math.radians(1)
    horizon = np.array([[1e9, 0.0], [1e9, -1e9], [1e9, 1e9]])  # ahead, to the right, to the left

    def far(mount: Mount) -> Doubles:
        return Ground(PLAIN, mount).to_pixels(horizon)

    (x, y), *ends = far(LEVEL)
    assert (x, y, ends[0][1], ends[1][1]) == pytest.approx((639.5, 359.5, 359.5, 359.5), abs=1e-3)
    moved = 1000 * math.tan(degree)
    assert far(replace(LEVEL, pitch=degree))[0] == pytest.approx((x, y - moved))  # looks down: it comes up
    assert far(replace(LEVEL, yaw=degree))[0] == pytest.approx((x + moved, y))  # to the left: it goes right
    _, right, left = far(replace(LEVEL, roll=degree))  # right side down: the horizon's right end comes up
    assert (right[1] - y) / (right[0] - x) == pytest.approx(-math.tan(degree))
    assert right[1] < y < left[1]
    near = Ground(PLAIN, LEVEL).to_pixels(np.array([[10.0, 0.0], [10.0, 2.0]]))
    np.testing.assert_allclose(near, [[x, y + 150], [x - 200, y + 150]])  # left is left
    higher = Ground(PLAIN, LEVEL).to_pixels(np.array([[10.0, 0.0]]), 1.0)
    np.testing.assert_allclose(higher, [[x, y + 50]])


def test_at_and_above_the_horizon_there_is_no_road() -> None:
    ground = Ground(PLAIN, replace(LEVEL, pitch=0.05))
    level = 359.5 - 1000 * math.tan(0.05)
    pixels = np.array([[640.0, 0.0], [640.0, level - 1e-6], [640.0, level + 1]])
    assert np.isnan(ground.to_road(pixels)).all(1).tolist() == [True, True, False]
    assert ground.to_road(np.zeros((0, 2))).shape == (0, 2)
    assert np.isnan(Ground(PLAIN, LEVEL).to_pixels(np.array([[-5.0, 0.0]]))).all()  # behind
    assert np.isfinite(Ground(FISHEYE, LEVEL).to_pixels(np.array([[0.0, 3.0]]))).all()  # at its side


@given(mounts)
def test_the_rotation_is_yaw_of_pitch_of_roll(mount: Mount) -> None:
    truth = Rotation.from_euler("ZYX", [mount.yaw, mount.pitch, mount.roll]).as_matrix()
    np.testing.assert_allclose(rotation(mount), truth, atol=1e-12)


SPREADS: dict[str, dict[str, Any]] = {
    "height": {"height_sd": 0.05},
    "pitch": {"pitch_sd": 0.001},
    "yaw": {"yaw_sd": 0.02},
    "roll": {"roll_sd": 0.002},
    "all": {"height_sd": 0.03, "pitch_sd": 0.001, "yaw_sd": 0.01, "roll_sd": 0.002},
}


@pytest.mark.parametrize("sds", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("place", [(5.0, 1.0), (8.0, -4.0), (20.0, 2.0), (35.0, -5.0)])
def test_the_spread_is_that_of_many_mounts(sds: dict[str, Any], place: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    exact = Mount(1.4, 0.03, -0.25, 0.01, 0.0, 0.0, 0.0, 0.0)
    pixel = Ground(PLAIN, exact).to_pixels(np.array([place]))
    drawn = []
    for _ in range(800):
        off = {name[:-3]: getattr(exact, name[:-3]) + sd * rng.standard_normal() for name, sd in sds.items()}
        drawn.append(Ground(PLAIN, replace(exact, **off)).to_road(pixel)[0])
    truth = np.std(drawn, axis=0)
    found = Ground(PLAIN, replace(exact, **sds)).spread(np.array([place]))[0]
    # What is small next to the other direction is of second order: by a hundredth of that one.
    np.testing.assert_allclose(found, truth, rtol=0.1, atol=0.04 * truth.max())


@pytest.mark.parametrize("place", [(5.0, 0.0), (8.0, -1.0), (20.0, 2.0), (35.0, -3.0)])
def test_the_spread_is_that_of_pixels_and_of_a_nodding_car(place: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    exact = Mount(1.4, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    ground = Ground(PLAIN, exact)
    road = np.array([place])
    pixels = ground.to_pixels(road) + rng.normal(0, 1.5, (20_000, 2))
    truth = ground.to_road(pixels).std(0)
    np.testing.assert_allclose(ground.spread(road, 1.5)[0], truth, rtol=0.1)
    nodding = [
        Ground(PLAIN, replace(exact, pitch=0.03 + off)).to_road(ground.to_pixels(road))[0]
        for off in rng.normal(0, 0.001, 800)
    ]
    ahead = np.std(nodding, axis=0)[0]
    np.testing.assert_allclose(ground.spread(road, pitch_sd=0.001)[0, 0], ahead, rtol=0.1)
    one_each = ground.spread(np.repeat(road, 2, axis=0), np.array([0.0, 1.5]))
    np.testing.assert_allclose(one_each, [[0, 0], ground.spread(road, 1.5)[0]])
