"""The ego lane among boundaries at made places, of a straight road under a camera at 1.4 m."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.tracking.ego_lane import ON_IT, EgoLane
from perception.types import Doubles

HEIGHT = 1.4  # metres
NEAREST = 300 / 640  # widths of the frame from the horizon to the nearest row


def choose(
    ego: EgoLane,
    metres: list[float],
    sure: list[float] | None = None,
    sides: Doubles | None = None,
    seconds: float = 0.1,
) -> list[float]:
    """Sides of the boundaries so many metres to the right of the camera."""
    slope = np.array(metres, float) / HEIGHT
    sureness = np.full(len(metres), 0.5) if sure is None else np.array(sure)
    before = np.zeros(len(metres)) if sides is None else sides
    chosen: list[float] = ego.choose(slope * NEAREST, slope, sureness, before, seconds).tolist()
    return chosen


def test_the_nearest_on_both_sides() -> None:
    assert choose(EgoLane(), [-5.2, -1.7, 1.8, 5.3]) == [0, -1, 1, 0]
    assert choose(EgoLane(), [1.8, -1.7]) == [1, -1]


@pytest.mark.parametrize("metres", [[], [1.7], [-1.7, -5.2], [-0.7, 0.7], [-3.3, 3.3]])
def test_no_lane_without_two_boundaries_as_far_apart_as_lanes_are(metres: list[float]) -> None:
    assert choose(EgoLane(), metres) == [0] * len(metres)


def test_what_does_not_reach_the_camera_bounds_nothing() -> None:
    near = np.array([-1.7, np.nan, 1.8]) / HEIGHT * NEAREST
    slope = np.array([-1.7, 0.2, 1.8]) / HEIGHT
    sides = EgoLane().choose(near, slope, np.array([0.5, 0.9, 0.5]), np.array([0.0, 1.0, 0.0]), 0.1)
    assert sides.tolist() == [-1, 0, 1]


def test_what_is_much_surer_counts_though_something_lies_within() -> None:
    assert choose(EgoLane(), [-1.7, 0.9, 1.8], [0.6, 0.25, 0.6]) == [-1, 0, 1]
    assert choose(EgoLane(), [-1.7, 1.1, 1.8], [0.6, 0.35, 0.6]) == [-1, 1, 0]


def test_a_line_of_the_next_lane_never_bounds_this_one() -> None:
    """Though the one between is worn; also under a truck's camera, by which all is nearer together."""
    for height in (1.4, 2.5):
        places = np.array([-5.3, -1.7, 1.8])
        sides = EgoLane().choose(
            places / height * NEAREST, places / height, np.array([0.8, 0.1, 0.8]), np.zeros(3), 0.1
        )
        assert sides.tolist() == [0, -1, 1]


def test_a_long_gap_and_a_first_frame_teach_no_more_than_a_short_one() -> None:
    ego = EgoLane()
    for _ in range(100):
        choose(ego, [-1.7, 1.8])
    choose(ego, [-1.7, 0.9], seconds=5.0)
    assert choose(ego, [-1.7, 0.9, 1.8], [0.6, 0.35, 0.6]) == [-1, 0, 1]
    first = EgoLane()
    choose(first, [-1.7, 0.9], seconds=36_000.0)
    assert choose(first, [-1.7, 0.9, 1.8], [0.6, 0.25, 0.6]) == [-1, 0, 1]


def test_a_boundary_under_the_camera_keeps_its_side_until_it_is_crossed() -> None:
    ego, sides = EgoLane(), None
    for middle in (-0.3, -0.05, 0.04, -0.04, 0.05):
        sides = np.array(choose(ego, [-3.5, middle, 3.6], None, sides))
        assert sides.tolist() == [0, -1, 1]
    assert choose(ego, [-3.3, 0.2, 3.8], None, sides) == [-1, 1, 0]


def test_a_known_width_outweighs_something_nearer_until_that_is_sure() -> None:
    ego = EgoLane()
    for _ in range(100):
        assert choose(ego, [-1.7, 1.8]) == [-1, 1]
    unknown = EgoLane()
    for nearer, first, later in ((0.35, 1, 0), (0.6, 1, 1)):
        given = [-1.7, 0.9, 1.8], [0.6, nearer, 0.6]
        assert choose(unknown, *given)[1] == first
        assert choose(ego, *given)[1] == later


def test_a_width_is_forgotten() -> None:
    ego = EgoLane()
    for _ in range(100):
        choose(ego, [-1.7, 1.8])
    assert choose(ego, [-1.7, 0.9, 1.8], [0.6, 0.35, 0.6], seconds=100.0) == [-1, 1, 0]


def test_another_width_is_learnt() -> None:
    """The road narrows: in the end the old width is the strange one."""
    ego = EgoLane()
    for metres in (1.8, 0.9):
        for _ in range(300):
            assert choose(ego, [-1.7, metres]) == [-1, 1]
    assert choose(ego, [-1.7, 0.9, 1.8], [0.6, 0.35, 0.6]) == [-1, 1, 0]


def test_the_one_of_the_frame_before_must_be_outdone() -> None:
    given = [-1.7, 1.2, 1.8], [0.6, 0.3, 0.62]
    assert choose(EgoLane(), *given) == [-1, 0, 1]
    assert choose(EgoLane(), *given, np.array([-1.0, 1.0, 0.0])) == [-1, 1, 0]


def test_what_nothing_speaks_for_teaches_nothing() -> None:
    ego = EgoLane()
    choose(ego, [-1.7, 1.8], [0.0, 0.0])
    assert choose(ego, [-1.7, 0.9, 1.8], [0.6, 0.25, 0.6]) == [-1, 0, 1]
    assert choose(ego, [-1.7, 1.8]) == [-1, 1]


def test_one_alone_stays_what_it_was_on_its_side_of_the_car() -> None:
    assert choose(EgoLane(), [-1.7], None, np.array([-1.0])) == [-1]
    assert choose(EgoLane(), [0.2], None, np.array([-1.0])) == [0]
    assert choose(EgoLane(), [0.2, 3.7], None, np.array([-1.0, 1.0])) == [0, 0]  # it is the next lane's
    assert choose(EgoLane(), [-1.7], None, np.array([0.0])) == [0]
    assert choose(EgoLane(), [-0.4, 0.4], None, np.array([-1.0, 1.0])) == [0, 0]  # narrower than any lane


places = st.floats(-9, 9).filter(lambda place: abs(place) > 1e-3)
boundaries = st.lists(st.tuples(places, st.floats(0, 1), st.sampled_from([-1.0, 0.0, 1.0])), max_size=8)


@given(st.lists(boundaries, max_size=6), st.floats(1e-3, 100))
def test_any_boundaries_give_one_lane_at_most(
    frames: list[list[tuple[float, float, float]]], seconds: float
) -> None:
    ego = EgoLane()
    for frame in frames:
        metres, sure, sides = ([one[k] for one in frame] for k in range(3))
        chosen = choose(ego, metres, sure, np.array(sides), seconds)
        assert set(chosen) <= {-1, 0, 1}
        for place, side in zip(metres, chosen, strict=True):
            assert side == 0 or np.sign(place) == side or abs(place) / HEIGHT * NEAREST < ON_IT
        assert chosen.count(-1) <= 1 and chosen.count(1) <= 1
        if chosen.count(-1) == chosen.count(1) == 1:
            assert 1.1 * HEIGHT <= metres[chosen.index(1)] - metres[chosen.index(-1)] <= 4.5 * HEIGHT
