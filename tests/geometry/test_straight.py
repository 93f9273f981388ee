"""What minutes of driving say of a mount, that its deviations are true, and what does not count."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

from perception.geometry.straight import SEGMENT_S, StraightDriving
from perception.geometry.vanishing import Vanishing
from perception.types import NS_PER_S

RATE = 10  # frames a second
PITCH, YAW = 0.03, -0.02


def seen(
    pitch: float = PITCH, yaw: float = YAW, bend: float = 0.0, aside: float = 0.0, width: float | None = 2.6
) -> Vanishing:
    """One frame's; `aside` is how far the car is to the left, in camera heights."""
    places = 1.3 - aside, -1.3 - aside
    ego = None if width is None else (width / 2 - aside, -width / 2 - aside)
    return Vanishing(pitch, yaw, bend, 0.005, 0.006, 0.0007, places, ego)


def drive(driving: StraightDriving, frames: list[Vanishing | None], start_s: float = 0.0) -> StraightDriving:
    for k, one in enumerate(frames):
        driving.add(round((start_s + k / RATE) * NS_PER_S), one)
    return driving


def swaying(seconds: float, rng: np.random.Generator) -> list[Vanishing | None]:
    """As a car does: its heading and its pitch wander (Ornstein and Uhlenbeck), 0.5° and 0.2° in seconds."""
    count, hold = round(seconds * RATE), math.exp(-1 / (2.5 * RATE))
    steps = rng.normal(0, np.radians((0.2, 0.5)), (count, 2))
    steps[1:] *= math.sqrt(1 - hold**2)
    wander = lfilter([1.0], [1.0, -hold], steps, axis=0) + rng.normal(0, 0.003, (count, 2)) + (PITCH, YAW)
    return [seen(pitch, yaw) for pitch, yaw in wander.tolist()]


@pytest.mark.parametrize("seconds", [5, 15, 60])
def test_deviations_are_true(seconds: float) -> None:
    """Of 50 drives nearly all are within two of them, and they are not much too large."""
    off = []
    for seed in range(50):
        average = drive(StraightDriving(), swaying(seconds, np.random.default_rng(seed))).average()
        assert average is not None
        off.append((average.values[:2] - (PITCH, YAW)) / average.sds[:2])
    assert ((np.abs(off) < 2).mean(0) >= 0.9).all()
    assert (np.sqrt(np.square(off).mean(0)) > 0.5).all()


def test_longer_drives_are_surer_and_as_much_is_said() -> None:
    rng = np.random.default_rng(3)
    short = drive(StraightDriving(), swaying(15, rng)).average()
    assert short is not None
    wanted = np.radians((0.1, 0.25))
    missing = short.more_s(wanted)
    assert 3 < missing < 60
    long = drive(StraightDriving(), swaying(15 + missing + SEGMENT_S, rng)).average()
    assert long is not None and (long.sds[:2] < 1.2 * wanted).all() and (long.sds < short.sds).all()
    assert drive(StraightDriving(), swaying(300, rng)).average().more_s(wanted) == 0.0  # type: ignore[union-attr]


def nod(frame: int) -> float:
    return PITCH + 0.003 * math.sin(1.3 * frame)


def nodding(frames: int, yaw: float = YAW) -> list[Vanishing | None]:
    return [seen(nod(k), yaw) for k in range(frames)]


def test_bends_and_frames_without_lanes_are_left_out_and_counted() -> None:
    driving = StraightDriving()
    bend: list[Vanishing | None] = [seen(PITCH + 0.05, YAW + 0.05, 0.003 * (-1) ** k) for k in range(200)]
    drive(driving, [*nodding(100), *bend, *[None] * 30, *nodding(100)])
    average = driving.average()
    assert average is not None
    assert average.values[:2] == pytest.approx([PITCH, YAW], abs=0.001)
    assert (driving.counts.all, driving.counts.bends, driving.counts.no_lanes) == (430, 200, 30)
    assert average.frames == 200
    # Of the gap a second is counted, of bends nothing.
    assert average.seconds == pytest.approx(20.9, abs=0.2)


def test_a_lane_change_is_left_out() -> None:
    """3.5 m in five seconds, the car looking 2° aside; swaying by half a metre is none."""
    aside = np.concatenate([np.zeros(100), np.linspace(0, 2.6, 50), np.full(100, 2.6)])
    yaw = YAW + np.where(np.arange(250) // 50 == 2, math.radians(2), 0.0)
    frames: list[Vanishing | None] = [seen(nod(k), yaw[k], aside=float(aside[k]) % 2.6) for k in range(250)]
    average = drive(StraightDriving(), frames).average()
    assert average is not None and average.values[1] == pytest.approx(YAW, abs=1e-9)
    assert 150 <= average.frames < 210
    slowly = [seen(nod(k), aside=0.2 * math.sin(k / 15)) for k in range(250)]
    swayed = drive(StraightDriving(), [*slowly]).average()
    assert swayed is not None and swayed.frames == 250


def test_another_boundary_is_no_lane_change() -> None:
    """The only one that is seen is another one now and then."""
    frames = [replace(seen(nod(k)), places=(1.3 - 0.6 * (k // 12),)) for k in range(101)]
    average = drive(StraightDriving(), [*frames]).average()
    assert average is not None and average.frames == 101


def test_standing_at_an_angle_to_the_lane_says_nothing() -> None:
    standing: list[Vanishing | None] = [seen(PITCH + 0.0001 * (-1) ** k, YAW + 0.03) for k in range(600)]
    driving = drive(StraightDriving(), [*nodding(101), *standing])
    average = driving.average()
    assert average is not None and average.values[1] == pytest.approx(YAW, abs=1e-9) and average.frames < 160


def test_a_few_wild_segments_hardly_count() -> None:
    frames = [*nodding(500), *nodding(50, yaw=YAW + 0.2), *nodding(500)]
    average = drive(StraightDriving(), frames).average()
    assert average is not None and average.values[1] == pytest.approx(YAW, abs=math.radians(0.2))


def test_the_width_is_known_only_where_both_sides_were_seen() -> None:
    sides: list[Vanishing | None] = [seen(nod(k), width=2.6 if k % 3 else None) for k in range(99)]
    average = drive(StraightDriving(), sides).average()
    assert average is not None and average.values[2] == pytest.approx(2.6)
    without: list[Vanishing | None] = [seen(nod(k), width=None) for k in range(99)]
    unknown = drive(StraightDriving(), without).average()
    assert unknown is not None and np.isnan(unknown.values[2]) and not np.isnan(unknown.sds[:2]).any()


def test_without_driving_nothing_is_known() -> None:
    assert StraightDriving().average() is None
    assert drive(StraightDriving(), [None] * 50).average() is None
    assert drive(StraightDriving(), [seen()]).average() is None
    again = StraightDriving()
    for _ in range(50):  # stamps that stand still
        again.add(0, seen())
    assert again.average() is None


def test_only_the_last_segments_are_kept_where_that_is_asked_for() -> None:
    driving = drive(StraightDriving(4), [*nodding(400), *nodding(400, yaw=0.05)])
    average = driving.average()
    assert average is not None and average.values[1] == pytest.approx(0.05, abs=1e-6)
    assert driving.medians.shape == (4, 3) and driving.complete == pytest.approx(16, abs=1)
