"""The filter of the road, by what it is given."""

from dataclasses import asdict

import numpy as np
import pytest

from perception.camera_info import Mount
from perception.geometry.road import RoadFilter, Seen

MOUNT = Mount(1.4)


def seen(ahead: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Seen:
    """Two boundaries of a straight, level road, 1.9 m to the left and 1.6 m to the right."""
    places = np.repeat((1.9, -1.6), len(ahead))
    near = 1 / np.tile(ahead, 2)
    lane = np.repeat((0, 1), len(ahead))
    return Seen(places * near, MOUNT.height * near, lane, np.full(len(near), 1.5e-3))


def test_a_bend_is_known_where_enough_of_the_road_is_seen() -> None:
    for farthest, known in ((40.0, True), (9.0, False)):
        road = RoadFilter(MOUNT)
        road.update(seen(np.geomspace(3, farthest, 30)), 2, 0.0)
        found = road.lane(0, 1)
        assert (found.curvature_per_m is not None) == (found.curvature_sd_per_m is not None) == known
        assert found.offset_m == pytest.approx(-0.15, abs=0.01)  # which does not need it


def test_a_point_that_no_ray_leads_to_says_nothing() -> None:
    """Where a fisheye's picture is black, or a camera to the side sees what lies behind it."""
    ahead = np.geomspace(3, 40, 30)
    whole, dark = RoadFilter(MOUNT), RoadFilter(MOUNT)
    whole.update(seen(ahead), 2, 0.0)
    given = seen(np.append(ahead, 50.0))  # 50 m and more say nothing either
    given.aside[30], given.down[30] = np.nan, np.nan
    dark.update(given, 2, 0.0)
    found = dark.lane(0, 1)
    assert found.width_m == pytest.approx(3.5, abs=0.01)
    assert asdict(found) == pytest.approx(asdict(whole.lane(0, 1)))
    assert dark.misfits(given)[30] == 0
