"""Seconds until road users are reached, against sizes that follow from a known motion."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.scene import Instance, Scene
from perception.tracking.closing import ClosingTracker

VEHICLE = DRIVE.id("vehicle")
NO_LABELS = np.zeros((720, 1280), np.uint8)
NO_IDS = np.zeros((720, 1280), np.uint16)


def scene_of(
    tall: float, seconds: float, track: int | None = 1, top: float = 300.0, recording: int = 0
) -> Scene:
    box = (600.0, top, 600.0 + 1.2 * tall, top + tall)
    found = (Instance(VEHICLE * 1000 + 1, VEHICLE, 0.9, box, track=track),)
    return Scene(0, round(seconds * 1e9), 0, "", "front", NO_LABELS, NO_IDS, found, recording=recording)


def follow(tall: Iterable[float], rate: float, tracker: ClosingTracker | None = None) -> Instance:
    tracker = tracker or ClosingTracker()
    for number, size in enumerate(tall):
        scene = tracker.update(scene_of(size, number / rate))
    return scene.instances[0]


def approach(distance: float, speed: float, rate: float, seconds: float) -> list[float]:
    """Heights in pixels of something 1.5 m tall, at a focal length of 1000 px."""
    return [1500 / (distance - speed * number / rate) for number in range(round(rate * seconds) + 1)]


@settings(max_examples=50)
@given(st.floats(1.0, 4.0), st.floats(5, 20), st.sampled_from([10.0, 15.0, 30.0, 60.0]))
def test_seconds_are_exact_at_a_steady_speed(left: float, speed: float, rate: float) -> None:
    seconds = 1.0
    found = follow(approach(speed * (left + seconds), speed, rate, seconds), rate)
    if found.ttc_s is None:  # what is far and slow grows by less than an outline is off
        assert 1500 / (speed * left) < 60 or left > 1.2
        return
    assert found.ttc_s == pytest.approx(left, rel=1e-6)
    assert found.ttc_sd_s is not None
    assert 0 < found.ttc_sd_s < left / 3


def test_frames_may_be_missing() -> None:
    tracker = ClosingTracker()
    for number, tall in enumerate(approach(30, 12, 30, 1.5)):
        if number % 7 not in {4, 5}:
            scene = tracker.update(scene_of(tall, number / 30))
    assert scene.instances[0].ttc_s == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("speed", [0.0, -10.0, 0.2])
def test_what_does_not_come_nearer_is_never_reached(speed: float) -> None:
    assert follow(approach(20, speed, 30, 1.5), 30).ttc_s is None


def test_jitter_of_outlines_is_no_approach() -> None:
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(50):
        heights = 60 + rng.normal(0, 1.2, 46)
        alarms += follow(heights, 30).ttc_s is not None
    assert alarms <= 1


def test_seconds_hold_under_jitter_within_their_deviation() -> None:
    rng, within, said = np.random.default_rng(1), 0, 0
    for _ in range(60):
        heights = approach(24, 12, 30, 1.0) + rng.normal(0, 1.2, 31)
        found = follow(heights, 30)
        if found.ttc_s is not None:
            said += 1
            within += abs(found.ttc_s - 1.0) < 2 * (found.ttc_sd_s or 0)
    assert said > 40
    assert within > 0.9 * said


def test_what_has_braked_comes_no_nearer() -> None:
    heights = approach(30, 12, 30, 1.5)
    assert follow(heights, 30).ttc_s is not None
    assert follow(heights + heights[-1:] * 20, 30).ttc_s is None


def test_a_jump_of_the_outline_is_no_approach() -> None:
    assert follow([60.0] * 20 + [90.0] * 4, 30).ttc_s is None


def test_nothing_is_said_before_it_was_seen_for_a_while() -> None:
    heights = approach(24, 12, 30, 1.0)
    assert follow(heights[:11], 30).ttc_s is None
    assert follow(heights[:13], 30).ttc_s is not None


@pytest.mark.parametrize(
    "box",
    [
        (600.0, 0.0, 800.0, 200.0),
        (600.0, 300.0, 800.0, 720.0),
        (0.0, 300.0, 200.0, 500.0),
        (1100.0, 300.0, 1279.0, 500.0),
    ],
)
def test_nothing_is_said_of_a_cut_outline(box: tuple[float, float, float, float]) -> None:
    """It says nothing while it is cut, and nothing wrong when it is whole again."""
    tracker, heights = ClosingTracker(), approach(24, 12, 30, 1.2)
    for number, tall in enumerate(heights):
        scene = scene_of(tall, number / 30)
        if number in {31, 32}:
            scene = scene.evolve(instances=(replace(scene.instances[0], box=box),))
        (found,) = tracker.update(scene).instances
        if number in {31, 32}:
            assert (found.ttc_s, found.ttc_sd_s) == (None, None)
    assert found.ttc_s == pytest.approx(0.8, rel=1e-6)


def test_nothing_is_said_of_what_the_own_bonnet_hides() -> None:
    bonnet = np.zeros((720, 1280), np.bool_)
    bonnet[420:] = True
    tracker, said = ClosingTracker(), []
    for number, tall in enumerate(approach(24, 12, 30, 1.0)):
        one = scene_of(tall, number / 30)
        x0, y0, x1, y1 = one.instances[0].box
        cut = replace(one.instances[0], box=(x0, y0, x1, min(y1, 420.0)))
        hidden = tracker.update(one.evolve(instances=(cut,), ego_mask=bonnet)).instances[0]
        said.append((y1, hidden.ttc_s))
    assert any(seconds is not None for bottom, seconds in said if bottom < 418)
    assert all(seconds is None for bottom, seconds in said if bottom >= 420)
    assert said[-1][0] > 420


def test_only_tracks_come_nearer() -> None:
    tracker = ClosingTracker()
    for number, tall in enumerate(approach(24, 12, 30, 1.0)):
        scene = tracker.update(scene_of(tall, number / 30, track=None))
    assert scene.instances[0].ttc_s is None


@pytest.mark.parametrize("change", [{"recording": 1}, {"stamp_ns": 0}])
def test_nothing_is_remembered_across_recordings(change: dict[str, int]) -> None:
    tracker, heights = ClosingTracker(), approach(24, 12, 30, 1.0)
    assert follow(heights, 30, tracker).ttc_s is not None
    again = scene_of(heights[-1], 31 / 30).evolve(**change)
    assert tracker.update(again).instances[0].ttc_s is None


def test_a_larger_picture_is_no_surer() -> None:
    """Outlines are off by as much of the frame, whatever its size."""
    small = follow(approach(24, 12, 30, 1.0), 30)
    tracker = ClosingTracker()
    for number, tall in enumerate(approach(24, 12, 30, 1.0)):
        one = scene_of(2 * tall, number / 30)
        labels, ids = np.zeros((1440, 2560), np.uint8), np.zeros((1440, 2560), np.uint16)
        scene = tracker.update(one.evolve(labels=labels, instance_map=ids))
    assert scene.instances[0].ttc_sd_s == pytest.approx(small.ttc_sd_s)
