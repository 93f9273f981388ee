"""Which boundaries are the ego lane's, and that it stays so over time."""

from perception.tracking.lanes import LaneTracker
from tests.tracking.made_lanes import SPACING, ego_lines, lane_change, line, off, tracked


def test_the_ego_lane_is_another_one_after_a_lane_change() -> None:
    tracker = LaneTracker()
    crossed = next(k for k in range(120) if lane_change(k / 30) > SPACING / 2)
    for k in range(120):
        sides = [lane.side for lane in tracked(tracker, k / 30, ego_lines(lane_change(k / 30)))]
        assert sides.count("left") <= 1 and sides.count("right") <= 1
        if k < crossed:
            assert sides == [None, "left", "right", None]
        elif k > crossed + 10:
            assert sides == [None, None, "left", "right"]


def test_the_side_is_steady() -> None:
    """Whatever single frames say; also of a boundary whose partner is gone."""
    tracker = LaneTracker()
    for k in range(60):
        left = line(-1.7, side=None if k % 5 == 4 else "left")
        found = [left, line(1.8)] if k < 30 else [left]
        sides = [lane.side for lane in tracked(tracker, k / 30, found)]
        assert sides == (["left", "right"] if k < 30 or len(sides) == 2 else ["left"])
    assert sides == ["left"]


def test_the_edge_of_a_shadow_in_the_lane_does_not_bound_it() -> None:
    """It is taken for paint every other frame, and then is the nearest one."""
    tracker = LaneTracker()
    for k in range(90):
        edge = [line(0.9, confidence=0.5, side="right")] if k > 45 and k % 2 else []
        lanes = tracked(tracker, k / 30, [line(-1.7, side="left"), *edge, line(1.8)])
        right = next(lane for lane in lanes if lane.side == "right")
        assert off(right, line(1.8)) < 1
    assert len(lanes) == 3  # it is published all the same, as what it may be


def test_of_a_double_line_the_inner_one_counts_also_where_it_is_not_found() -> None:
    tracker = LaneTracker()
    for k in range(90):
        inner = [line(1.7, confidence=0.5)] if k % 3 else []
        lanes = tracked(tracker, k / 30, [line(-1.7), *inner, line(1.95, confidence=0.7)])
        if k > 15:
            right = next(lane for lane in lanes if lane.side == "right")
            assert off(right, line(1.7)) < 1


def test_what_a_boundary_was_known_to_be_outlives_its_double() -> None:
    """A boundary jumps to where a faint one was seen once: it is the same one, as sure as before."""
    tracker = LaneTracker()
    for k in range(30):
        faint = [line(1.66, confidence=0.1)] if k == 29 else []
        tracked(tracker, k / 30, [line(-1.7), *faint, line(1.7)])
    lanes = tracked(tracker, 1.0, [line(-1.7), line(1.665)])
    assert [lane.side for lane in lanes] == ["left", "right"]


def test_two_lanes_are_no_ego_lane() -> None:
    """Of 6.8 m, 4.9 heights of the camera; of 5.6 m, it may be one."""
    for aside, sides in ((3.4, [None, None]), (2.8, ["left", "right"])):
        lanes = tracked(LaneTracker(), 0.0, [line(-aside), line(aside)])
        assert [lane.side for lane in lanes] == sides


def test_what_ends_far_ahead_does_not_bound_the_lane_next_to_the_car() -> None:
    tracker = LaneTracker()
    for k in range(10):
        lanes = tracked(tracker, k / 30, [line(-1.7), line(0.9, near=205, confidence=0.9), line(1.8)])
    assert [lane.side for lane in lanes] == ["left", None, "right"]
