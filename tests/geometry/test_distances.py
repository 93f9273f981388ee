"""Distances of tracks over time, and the deviations that go into them."""

import numpy as np
import pytest

from perception.geometry.distances import DistanceFilter
from perception.geometry.road import RoadFilter
from tests.geometry.roads import mount

ID = np.array([7])


def follow(ahead: list[float], sd: float = 0.05, rate: float = 30.0) -> tuple[float, float]:
    tracks = DistanceFilter()
    for number, metres in enumerate(ahead):
        found, share = tracks.update(ID, np.array([metres]), np.array([sd]), round(number * 1e9 / rate))
    return float(found[0]), float(share[0])


def test_the_first_sighting_is_taken_as_it_is() -> None:
    assert follow([20.0]) == pytest.approx((20.0, 0.05))


def test_no_number_of_sightings_makes_sure() -> None:
    """Their errors are alike, and what stands may start."""
    few, many = follow([20.0] * 30)[1], follow([20.0] * 300)[1]
    assert many == pytest.approx(few, rel=0.05)
    assert 0.03 < many < 0.07


@pytest.mark.parametrize("speed", [-12.0, 12.0])
def test_a_steady_speed_is_followed_without_lag(speed: float) -> None:
    ahead = [40.0 - speed * number / 30 for number in range(46)]
    assert follow(ahead)[0] == pytest.approx(ahead[-1], rel=0.01)


def test_jitter_is_halved() -> None:
    rng = np.random.default_rng(0)
    jitter = rng.normal(0, 0.05, (200, 40))
    found = [np.log(follow((20 * np.exp(row)).tolist())[0] / 20) for row in jitter]
    assert np.std(found) < 0.03


def test_a_track_that_was_gone_begins_again() -> None:
    tracks = DistanceFilter()
    tracks.update(ID, np.array([20.0]), np.array([0.05]), 0)
    assert tracks.update(ID, np.array([40.0]), np.array([0.05]), 1_100_000_000)[0] == pytest.approx(40.0)
    tracks.update(ID, np.array([20.0]), np.array([0.05]), 5_000_000_000)
    assert tracks.update(ID, np.array([40.0]), np.array([0.05]), 5_050_000_000)[0] < 39.0


def test_the_deviation_of_a_ray_is_that_of_its_slope() -> None:
    """By differences: of a level road, under a camera that is off by a milliradian."""
    road = RoadFilter(mount(1.4))
    for down in (0.03, 0.1, 0.5):
        ahead, own, _ = road.reach(np.array([down]), 1e-3)
        turned, *_ = road.reach(np.tan(np.arctan(np.array([down])) - 1e-3), 0.0)
        assert ahead[0] == pytest.approx(1.4 / down)
        assert own[0] == pytest.approx(turned[0] / ahead[0] - 1, rel=0.05)


def test_a_track_is_kept_once() -> None:
    tracks = DistanceFilter()
    for number in range(20):
        tracks.update(ID, np.array([20.0]), np.array([0.05]), number * 33_000_000)
    assert len(tracks._tracks) == 1
