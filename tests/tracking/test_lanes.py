"""Lane boundaries that are steady: on made motions, as properties, and on the simulated camera."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.decode.lanes import find_lanes
from perception.evaluation.metrics.lanes import LaneScore, score_lanes, visible_lanes
from perception.resample import Enlarged
from perception.scene import Scene
from perception.simulation import Drive, SimulationOptions
from perception.tracking.lanes import MOST, LaneTracker, _rows, _sample
from tests.tracking.made_lanes import (
    ALL_PAINT,
    HEIGHT,
    HORIZON,
    PAINT,
    ROAD,
    WIDTH,
    ego_lines,
    lane_change,
    line,
    off,
    scene,
    tracked,
)

NO_PAINT = np.full((HEIGHT, WIDTH), ROAD, np.uint8)


def test_sure_boundaries_come_at_once_and_nothing_else_changes() -> None:
    before = scene(0.0, ego_lines())
    after = LaneTracker().update(before)
    assert replace(after, lanes=before.lanes) == before
    assert [lane.side for lane in after.lanes] == [None, "left", "right", None]
    for one, other in zip(after.lanes, before.lanes, strict=True):
        assert one.kind == other.kind
        assert one.confidence == pytest.approx(other.confidence)
        assert off(one, other) < 0.1
        np.testing.assert_allclose(one.points[[0, -1], 1], other.points[[0, -1], 1], atol=HEIGHT / 100)


def test_no_lanes_and_a_tiny_frame() -> None:
    tracker = LaneTracker()
    assert tracked(tracker, 0.0, []) == ()
    labels, ids = np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint16)
    assert tracker.update(Scene(0, 1, 0, "", "", labels, ids)).lanes == ()


def test_where_paint_is_is_seen_before_labels_are_enlarged() -> None:
    small = np.full((90, 160), ROAD, np.uint8)
    small[55:65, 80:] = PAINT  # every fourth pixel: of the frame, the rows 220 to 259 of the right half
    given = scene(0.0, [line(-1.7), line(1.7)]).evolve(labels=Enlarged(small, HEIGHT, WIDTH))
    left, right = _sample(given, PAINT)["variance"]
    rows = np.rint(_rows(HEIGHT))
    np.testing.assert_array_equal(right == right.min(), (rows >= 220) & (rows < 260))
    assert left.min() > right.min()


@pytest.mark.parametrize(
    ("rate", "labels", "most"),
    [(10, ALL_PAINT, 0.95), (30, ALL_PAINT, 0.85), (10, NO_PAINT, 0.75), (30, NO_PAINT, 0.6)],
)
def test_noise_goes_down(rate: int, labels: npt.NDArray[np.uint8], most: float) -> None:
    """Every boundary is found askew, by another amount in each frame; its paint is there, or not."""
    rng = np.random.default_rng(0)
    tracker, true = LaneTracker(), ego_lines()
    raw, steady = [], []
    for k in range(60):
        noisy = [
            replace(
                lane,
                points=(
                    lane.points
                    + np.outer(
                        rng.normal(0, 2) + rng.normal(0, 2) * (lane.points[:, 1] - HORIZON) / HEIGHT, [1, 0]
                    )
                ).astype(np.float32),
            )
            for lane in true
        ]
        lanes = tracker.update(scene(k / rate, noisy, labels)).lanes
        assert len(lanes) == len(true)
        if k > 5:
            raw += [off(*pair) for pair in zip(noisy, true, strict=True)]
            steady += [off(*pair) for pair in zip(lanes, true, strict=True)]
    assert np.mean(steady) < most * np.mean(raw)


@pytest.mark.parametrize(("rate", "least"), [(10, 3.0), (30, 1.2)])
@pytest.mark.parametrize(
    "motion",
    [lambda t: (lane_change(t), 0.0), lambda t: (0.0, 3 * np.sin(7 * t))],
    ids=["lane change", "nodding"],
)
def test_the_motion_of_the_camera_is_followed(
    motion: Callable[[float], tuple[float, float]], rate: int, least: float
) -> None:
    tracker, errors = LaneTracker(), []
    for k in range(4 * rate):
        true = ego_lines(*motion(k / rate))
        lanes = tracked(tracker, k / rate, true)
        assert len(lanes) == len(true)
        errors += [off(*pair) for pair in zip(lanes, true, strict=True)]
    assert np.mean(errors) < least / 2
    assert np.percentile(errors, 95) < 2 * least


@pytest.mark.parametrize("rate", [10, 30])
def test_a_short_miss_is_bridged_while_the_camera_moves(rate: int) -> None:
    tracker = LaneTracker()
    for k in range(2 * rate):
        seconds = k / rate
        true = ego_lines(lane_change(seconds) / 3)
        missed = 1.0 < seconds <= 1.35
        lanes = tracked(tracker, seconds, true[:1] + true[2:] if missed else true)
        assert [lane.side for lane in lanes] == [None, "left", "right", None]
        assert off(lanes[1], true[1]) < 4


@pytest.mark.parametrize("rate", [5, 30])
def test_a_boundary_that_is_gone_is_gone_in_a_second(rate: int) -> None:
    tracker, kept = LaneTracker(), []
    for k in range(4 * rate):
        true = ego_lines()
        lanes = tracked(tracker, k / rate, true if k < 2 * rate else true[1:])
        if len(lanes) == 4 and k >= 2 * rate:
            kept.append(k / rate - (2 - 1 / rate))  # since it was last seen
    assert 0.35 < max(kept) < 1.0


def test_what_is_hidden_is_remembered() -> None:
    """The far half of a boundary, seen first, is kept when only its near half is found."""
    tracker, true = LaneTracker(), ego_lines()
    for k in range(10):
        tracked(tracker, k / 30, true)
    half = replace(true[1], points=true[1].points[: len(true[1].points) // 2])
    lanes = tracked(tracker, 11 / 30, [true[0], half, *true[2:]])
    assert lanes[1].points[-1, 1] < half.points[-1, 1] - 40
    assert off(lanes[1], true[1]) < 0.5


def test_a_faint_boundary_has_to_be_seen_for_a_while() -> None:
    faint = line(-1.7, confidence=0.1)
    once, often = LaneTracker(), LaneTracker()
    assert tracked(once, 0.0, [faint]) == ()
    for k in range(1, 30):
        assert tracked(once, k / 30, []) == ()
    shown = [bool(tracked(often, k / 30, [faint])) for k in range(30)]
    assert not shown[2] and shown[12]
    assert shown == sorted(shown)


def test_a_boundary_found_twice_is_one_again_at_once() -> None:
    tracker = LaneTracker()
    for k in range(10):
        tracked(tracker, k / 30, [line(-1.7), line(-1.68)])
    assert len(tracked(tracker, 10 / 30, [line(-1.69)])) == 1


def test_the_kind_is_steady_and_changes_when_it_must() -> None:
    tracker, kinds = LaneTracker(), []
    for k in range(120):
        kind = ("dashed", "unknown", "dashed", "solid")[k % 4] if k < 60 else "solid"
        kinds += [lane.kind for lane in tracked(tracker, k / 30, [line(-1.7, kind=kind)])]
    assert kinds[:60] == ["dashed"] * 60
    assert kinds[-30:] == ["solid"] * 30
    assert sum(one != other for one, other in pairwise(kinds)) == 1


def test_time_that_goes_back_or_another_size_starts_again() -> None:
    tracker = LaneTracker()
    for k in range(10):
        tracked(tracker, k / 30, ego_lines())
    assert tracked(tracker, 0.0, []) == ()
    for k in range(10):
        tracked(tracker, k / 30, ego_lines())
    labels, ids = np.zeros((90, 160), np.uint8), np.zeros((90, 160), np.uint16)
    assert tracker.update(Scene(0, round(1e9 / 3), 0, "", "front", labels, ids)).lanes == ()


def test_nothing_is_remembered_across_a_splice() -> None:
    tracker = LaneTracker()
    for k in range(10):
        tracked(tracker, k / 30, ego_lines())
    assert len(tracked(tracker, 10 / 30, [])) > 0  # remembered for a while
    assert tracker.update(replace(scene(11 / 30, []), recording=1)).lanes == ()


def test_a_long_gap_forgets() -> None:
    tracker = LaneTracker()
    for k in range(30):
        tracked(tracker, k / 30, ego_lines(lane_change(k / 30)))
    assert tracked(tracker, 1e6, []) == ()
    assert len(tracked(tracker, 1e6 + 1, ego_lines())) == 4


offsets = st.lists(st.floats(-8, 8), max_size=12)
recordings = st.lists(st.tuples(st.sampled_from([0.0, 0.02, 0.1, 0.7, 30.0, -0.3]), offsets), max_size=10)


@settings(deadline=None)
@given(recordings, st.floats(0.01, 0.99), st.floats(200, 358))
def test_any_recording_gives_lanes_in_the_frame_and_the_same_again(
    recording: list[tuple[float, list[float]]], confidence: float, near: float
) -> None:
    one, other = LaneTracker(), LaneTracker()
    now = 10.0
    for step, those in recording:
        now += step
        found = [line(right, near=near, confidence=confidence) for right in those]
        found = [lane for lane in found if len(lane.points) > 1]
        lanes = tracked(one, now, found)
        assert len(lanes) <= MOST
        again = tracked(other, now, found)
        assert [lane.points.tobytes() for lane in lanes] == [lane.points.tobytes() for lane in again]
        for lane in lanes:
            x, y = lane.points.T
            assert lane.points.dtype == np.float32 and len(lane.points) > 1
            assert np.isfinite(lane.points).all() and (np.diff(y) < 0).all()
            assert (x >= -0.5).all() and (x <= WIDTH - 0.5).all()
            assert 0 < lane.confidence < 1


@pytest.mark.parametrize("light", ["day", "night"])
def test_a_simulated_drive_with_paint_that_comes_and_goes(light: str) -> None:
    """Each frame lacks the paint of random patches, as the labels of a network do: more of it is found."""
    drive = Drive(SimulationOptions(5, (WIDTH, HEIGHT), rate=15.0, time=light, scene="highway"))
    rng, tracker = np.random.default_rng(2), LaneTracker()
    alone, steady = LaneScore(), LaneScore()
    for index in range(200, 230):
        truth = drive.render(index).truth
        labels = truth.labels.copy()
        for y, x in zip(rng.integers(150, HEIGHT, 40), rng.integers(0, WIDTH, 40), strict=True):
            patch = labels[y : y + 40, x : x + 60]
            patch[patch == PAINT] = ROAD
        visible = visible_lanes(truth.lanes, truth.labels, PAINT)
        found = scene(index / 15, find_lanes(labels, DRIVE, HEIGHT, WIDTH), labels)
        alone += score_lanes(found.lanes, truth.lanes, HEIGHT, WIDTH, visible)
        steady += score_lanes(tracker.update(found).lanes, truth.lanes, HEIGHT, WIDTH, visible)
    assert alone.true > 60
    assert steady.recall > alone.recall
    assert steady.f1 > alone.f1
    assert steady.precision > 0.93
    assert steady.lateral_error_px < max(alone.lateral_error_px, 1.5)
