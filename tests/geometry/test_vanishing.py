"""Where lanes meet: through lenses, in bends, with noise and with lines that do not belong there."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from perception.camera_info import Mount
from perception.geometry.ground import Ground
from perception.geometry.lens import Lens
from perception.geometry.vanishing import direction, find_vanishing
from perception.scene import Lane
from tests.geometry.driving import lanes
from tests.geometry.lenses import LENSES, PLAIN, between

LEVEL = Mount(1.4)
ACROSS = np.array([1, 0], np.float32)
ROWS = 360, 450, 550, 720  # between which a boundary strays smoothly
angles = between(math.radians(-4), math.radians(6))
mounts = st.builds(Mount, between(1.1, 1.8), angles, angles)


@settings(max_examples=30)
@given(
    st.sampled_from(["wide", "rational", "fisheye", "plain"]),
    mounts,
    between(-0.001, 0.001),
    st.lists(between(-6.0, 6.0), max_size=3),
)
def test_pitch_yaw_and_bend_are_those_of_the_road(
    lens: str, mount: Mount, curvature: float, more: list[float]
) -> None:
    info = LENSES[lens]
    seen = lanes(info, mount, (1.8, -1.7, *more), curvature)
    assume(sum(len(lane.points) > 50 for lane in seen) > 1)
    found = find_vanishing(seen, Lens(info))
    assert found is not None
    # Nothing is added to the points: what is missing is a little of the bend, which is believed to be small.
    assert found.pitch == pytest.approx(mount.pitch, abs=found.pitch_sd / 10)
    assert found.yaw == pytest.approx(mount.yaw, abs=found.yaw_sd / 4)
    assert found.bend == pytest.approx(curvature * mount.height, abs=found.bend_sd / 3)
    assert found.yaw_sd < math.radians(1.0) and found.bend_sd < 0.002
    assert found.ego is not None
    assert np.array(found.ego) * mount.height == pytest.approx([1.8, -1.7], abs=0.02)


def test_signs_are_those_of_a_mount() -> None:
    """A camera that looks down and to the left sees the road's end above the middle, and right of it."""
    ray = direction(math.radians(3), math.radians(2))
    x, y = Lens(PLAIN).to_pixels(ray[None])[0]
    assert x > 639.5 and y < 359.5
    left = find_vanishing(lanes(PLAIN, LEVEL, curvature=0.001), Lens(PLAIN))
    assert left is not None and left.bend > 0


@settings(max_examples=20)
@given(mounts)
def test_the_direction_is_that_of_the_far_road(mount: Mount) -> None:
    far = Ground(PLAIN, mount).to_pixels(np.array([[1e9, 0.0]]))
    ray = direction(mount.pitch, mount.yaw)
    assert np.linalg.norm(ray) == pytest.approx(1)
    np.testing.assert_allclose(Lens(PLAIN).to_pixels(ray[None]), far, atol=1e-3)


def test_the_car_looks_aside_as_if_the_camera_did() -> None:
    found = find_vanishing(lanes(PLAIN, LEVEL, heading=math.radians(2)), Lens(PLAIN))
    assert found is not None and found.yaw == pytest.approx(math.radians(2), abs=1e-4)


def test_said_deviations_hold_under_noise() -> None:
    """Boundaries as a whole are off by a pixel, and stray in themselves."""
    rng = np.random.default_rng(0)
    off = []
    for _ in range(200):
        curvature = rng.normal(0, 0.0005)
        seen = lanes(PLAIN, Mount(1.4, 0.02, 0.01), (1.8, -1.7, 5.2), curvature)
        waves = [rng.normal(0, 0.8, 4) for _ in seen]
        noisy = [
            Lane(
                lane.points + np.interp(lane.points[:, 1], ROWS, wave)[:, None].astype(np.float32) * ACROSS,
                "solid",
                0.9,
            )
            for lane, wave in zip(seen, waves, strict=True)
        ]
        found = find_vanishing(noisy, Lens(PLAIN))
        assert found is not None
        off.append(
            [
                (found.pitch - 0.02) / found.pitch_sd,
                (found.yaw - 0.01) / found.yaw_sd,
                (found.bend - 1.4 * curvature) / found.bend_sd,
            ]
        )
    assert (np.abs(off) < 2).mean(0) == pytest.approx(0.97, abs=0.04)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(4, 6))
def test_a_line_that_does_not_belong_there_hardly_counts(seed: int, count: int) -> None:
    """Such as a stop line, a kerb that leaves, or the edge of a shadow; where it does count, that is said."""
    rng = np.random.default_rng(seed)
    places = 1.8 - 3.5 * np.arange(count) + 3.5 * rng.integers(0, count)
    seen = lanes(PLAIN, LEVEL, tuple(places))
    assume(len(seen) >= 4)
    start, end = rng.uniform((0, 400), (1280, 719), (2, 2))
    stray = np.linspace(start, end, 40).astype(np.float32)
    stray = stray[np.argsort(-stray[:, 1])]
    found = find_vanishing((*seen, Lane(stray, "solid", 0.9)), Lens(PLAIN))
    assert found is not None
    assert abs(found.pitch) < max(math.radians(0.3), 2 * found.pitch_sd)
    assert abs(found.yaw) < max(math.radians(0.5), 2 * found.yaw_sd)


@pytest.mark.parametrize(
    "seen",
    [
        (),
        lanes(PLAIN, LEVEL)[:1],
        tuple(Lane(lane.points[-15:], "solid", 0.9) for lane in lanes(PLAIN, LEVEL)),  # far only
        tuple(Lane(lane.points[:3], "solid", 0.9) for lane in lanes(PLAIN, LEVEL)),  # bits
        tuple(
            Lane(lanes(PLAIN, LEVEL)[0].points + np.array([k, 0], np.float32), "solid", 0.9) for k in (0, 40)
        ),
        tuple(Lane(np.array([[x, 700]] * 9, np.float32), "solid", 0.9) for x in (10, 900)),
    ],
    ids=["none", "one", "far", "bits", "parallel in the picture", "points"],
)
def test_nothing_is_said_where_nothing_is_known(seen: tuple[Lane, ...]) -> None:
    assert find_vanishing(seen, Lens(PLAIN)) is None


def test_points_that_the_lens_does_not_see_are_left_out() -> None:
    seen = lanes(LENSES["fisheye"], LEVEL)
    outside = np.array([[-5000, 4000], [-4000, 3000]], np.float32)
    more = [Lane(np.concatenate([outside, lane.points]), "solid", 0.9) for lane in seen]
    found = find_vanishing(more, Lens(LENSES["fisheye"]))
    assert found is not None and abs(found.pitch) < math.radians(0.1)


def test_many_boundaries_are_no_more_work() -> None:
    """Only the surest count: here those that are right."""
    wrong = [
        Lane(np.array([[10 + k, 719], [600 - 3 * k, 500], [900, 400]], np.float32), "solid", 0.1)
        for k in range(40)
    ]
    found = find_vanishing((*wrong, *lanes(PLAIN, LEVEL, range(-5, 5))), Lens(PLAIN))
    assert found is not None and abs(found.pitch) < math.radians(0.01) and len(found.places) == 10
