"""How a camera is mounted, from minutes of straight driving: an average with its true deviation.

Frames that follow each other err alike: the car sways in its lane, and the road rises and falls, for seconds.
So what is counted is segments of `SEGMENT_S`, each by its median. Bends, lane changes and
standing at an angle to the lane are left out.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from perception.geometry.vanishing import Vanishing
from perception.types import NS_PER_S, Doubles

SEGMENT_S = 5.0  # of straight driving
MOST_BEND = 0.002  # curvature × camera height: a bend of 675 m under a camera at 1.35 m
MOST_DRIFT = 1.0  # camera heights to the side in a segment: swaying is less (0.2), and a lane is 2 to 3 wide
STILL = np.radians(0.03)  # deviation of pitch in a segment: a car that drives nods more (0.1°)
MOST_SHIFT = 0.5  # from frame to frame: what is farther off is another boundary
LONGEST_S = 1.0  # between frames: a longer gap counts as that, and nothing is followed across it
# Of a segment, as it varies from one to another; and as how many segments that belief counts.
# Pitch: crests, dips and load; yaw: a driver's heading against the lane; width of the lane: camera heights.
USUAL_SD, BELIEF = np.array([*np.radians((0.2, 0.5)), 0.03]), 4.0
# What no length of driving takes away: the lens' centre, and roll that is taken as 0.
FLOOR_SD = np.array([*np.radians((0.03, 0.05)), 0.005])
STRAY = 2.5  # deviations from which on a segment counts for less (Huber, 1964)
ROUNDS = 5
NORMAL = 1.4826  # median absolute deviations of a normal deviate in its standard deviation


@dataclass(frozen=True, slots=True)
class Average:
    """What straight driving says: (3,) each, of pitch and yaw in radians, and of the lane's width.

    Attributes:
        values: the width is in camera heights; NaN where both sides of the lane were never seen.
        sds: their standard deviations.
        one_sds: those of one segment, from which follows how far more driving helps; see `more_s`.
        frames, seconds: of straight driving that they are from.
    """

    values: Doubles
    sds: Doubles
    one_sds: Doubles
    frames: int
    seconds: float

    def more_s(self, wanted: Doubles) -> float:
        """Seconds of straight driving that are missing for deviations (2,) of pitch and yaw."""
        needed = SEGMENT_S * self.one_sds[:2] ** 2 / (wanted**2 - FLOOR_SD[:2] ** 2)
        return max(0.0, float(needed.max()) - self.seconds)


@dataclass(slots=True)
class Counts:
    """Frames: all of them, and those without lanes and in bends. Others: lane changes, standing."""

    all: int = 0
    no_lanes: int = 0
    bends: int = 0


@dataclass(slots=True)
class _Segment:
    """The begun one.

    Attributes:
        rows: pitch, yaw and width of each frame.
        place, places: how far the car has moved to the left, and the least and most of that; camera heights.
    """

    rows: list[tuple[float, float, float]] = field(default_factory=list)
    seconds: float = 0.0
    place: float = 0.0
    places: tuple[float, float] = (0.0, 0.0)


class StraightDriving:
    """Collects the vanishing points of a camera's frames, in the order of their stamps.

    Args:
        segments: how many of the last ones are kept; None: all.
    """

    def __init__(self, segments: int | None = None) -> None:
        self.counts = Counts()
        self.complete = 0  # segments, so far
        self._kept: deque[tuple[Doubles, float, int]] = deque(maxlen=segments)  # medians, seconds, frames
        self._now = _Segment()
        self._last: tuple[int, Vanishing] | None = None

    def add(self, stamp_ns: int, seen: Vanishing | None) -> None:
        """The next frame's; None where there was none."""
        self.counts.all += 1
        if seen is None:
            self.counts.no_lanes += 1
            return
        last, self._last = self._last, (stamp_ns, seen)
        passed_s = (stamp_ns - last[0]) / NS_PER_S if last else 0.0
        segment = self._now
        if last and 0 <= passed_s <= LONGEST_S:
            segment.place += _moved(last[1], seen)
            low, high = segment.places
            segment.places = min(low, segment.place), max(high, segment.place)
        if abs(seen.bend) > MOST_BEND:
            self.counts.bends += 1
            return
        segment.seconds += min(max(passed_s, 0.0), LONGEST_S)
        left, right = seen.ego or (np.nan, np.nan)
        segment.rows.append((seen.pitch, seen.yaw, left - right))
        if segment.seconds >= SEGMENT_S:
            if (kept := self._closed()) is not None:
                self._kept.append(kept)
                self.complete += 1
            self._now = _Segment()

    @property
    def medians(self) -> Doubles:
        """Of each complete segment that is kept, (n, 3): pitch, yaw and width as in `Average.values`."""
        return np.array([values for values, _, _ in self._kept]).reshape(-1, 3)

    def average(self) -> Average | None:
        """What is known by now, the begun segment included; None before any straight driving."""
        kept = [*self._kept]
        if self._now.seconds and (begun := self._closed()) is not None:
            kept.append(begun)
        if not kept:
            return None
        values = np.array([values for values, _, _ in kept])
        seconds = np.array([seconds for _, seconds, _ in kept])
        beliefs = zip(values.T, USUAL_SD, FLOOR_SD, strict=True)
        middle, sds, one_sds = np.array([_average(column, seconds, *sds) for column, *sds in beliefs]).T
        frames = sum(frames for _, _, frames in kept)
        return Average(middle, sds, one_sds, frames, float(seconds.sum()))

    def _closed(self) -> tuple[Doubles, float, int] | None:
        """The begun segment as one that counts; None where the car changed lanes in it, or stood."""
        low, high = self._now.places
        rows = np.array(self._now.rows)
        nods = NORMAL * np.median(np.abs(rows[:, 0] - np.median(rows[:, 0])))
        if high - low > MOST_DRIFT or nods < STILL:
            return None
        known = ~np.isnan(rows[:, 2])
        width = np.median(rows[known, 2]) if known.any() else np.nan
        return np.array([*np.median(rows[:, :2], 0), width]), self._now.seconds, len(rows)


def _moved(last: Vanishing, now: Vanishing) -> float:
    """How far the car has moved to the left since the last frame, by boundaries that are seen in both."""
    apart = np.subtract.outer(np.array(now.places), np.array(last.places))
    shifts = np.take_along_axis(apart, np.abs(apart).argmin(1)[:, None], 1)[:, 0]
    shift = float(np.median(shifts))
    return -shift if abs(shift) < MOST_SHIFT else 0.0


def _average(
    values: Doubles, seconds: Doubles, usual_sd: float, floor_sd: float
) -> tuple[float, float, float]:
    """Of segments' values: their robust mean, its deviation, and that of one of them."""
    known = ~np.isnan(values)
    values, weights = values[known], seconds[known] / SEGMENT_S
    if not len(values):
        return np.nan, np.nan, np.nan
    count = max(float(weights.sum()), 1.0)  # less than a segment errs like one
    middle, one_sd = float(np.median(values)), usual_sd
    for _ in range(ROUNDS):
        off = np.abs(values - middle)
        trust = weights * np.minimum(1.0, STRAY * one_sd / np.maximum(off, 1e-12))
        middle = float(trust @ values / trust.sum())
        spread = float(trust @ (values - middle) ** 2)
        one_sd = float(np.sqrt((BELIEF * usual_sd**2 + spread) / (BELIEF + count - 1)))
    return middle, float(np.hypot(one_sd / np.sqrt(count), floor_sd)), one_sd
