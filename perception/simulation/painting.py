"""What is painted on the road, as quadrilaterals in road coordinates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.simulation.ground_texture import JUNCTION
from perception.simulation.road import Road
from perception.types import Bools, Doubles, Rng

YELLOW = 128  # added to the strength 1..127 of a mark for yellow paint


@dataclass(frozen=True)
class Marks:
    """Painted quadrilaterals: `corners` (n, 4, 2) of station and offset, `strength` (n,) 1..127, + YELLOW."""

    corners: Doubles
    strength: npt.NDArray[np.int64]


def line_segments(
    road: Road, station: float, street: Callable[[Doubles], Bools], paint: int, reach: float = 130.0
) -> Marks:
    """The road's lines ahead of a station, cut into short segments and left out where a `street` crosses."""
    corners, strength = [], []
    for line in road.lines:
        if line.kind == "dashed":
            start = np.floor(station / line.period) * line.period
            s0 = np.arange(start, station + reach, line.period)
            s1 = s0 + line.dash
        else:
            nodes = [np.arange(a, b, c) for a, b, c in ((0, 24, 2.0), (24, 64, 4.0), (64, reach, 8.0))]
            s0 = np.floor(station / 8) * 8 + np.concatenate(nodes)
            s1 = np.append(s0[1:], s0[-1] + 8)
        middle = (s0 + s1) / 2
        shown = ~street(middle) & (s1 > station + 1.0)
        s0, s1 = np.maximum(s0[shown], station + 0.8), s1[shown]
        half = line.width / 2
        left, right = np.full_like(s0, line.d - half), np.full_like(s0, line.d + half)
        quads = np.stack([np.stack([s0, s1, s1, s0], 1), np.stack([left, left, right, right], 1)], -1)
        # Where a line gets thinner than a pixel, its paint fades instead.
        fade = np.clip(60 / np.maximum(s0 - station, 1), 0.25, 1)
        worn = paint * fade * (0.88 + 0.12 * np.sin(s0 * 0.37 + line.d * 3))
        corners.append(quads)
        strength.append(np.clip(worn, 1, 127).astype(int) + YELLOW * line.yellow)
    if not corners:
        return Marks(np.zeros((0, 4, 2)), np.zeros(0, int))
    return Marks(np.concatenate(corners), np.concatenate(strength))


def town_marks(road: Road, rng: Rng, start: float, block: float, street: bool) -> list[tuple[Doubles, float]]:
    """Crossings, stop lines and arrows of a block: (4, 2) corners, and the share of paint left."""
    marks: list[tuple[Doubles, float]] = []
    edge = road.edges[1] - (2.2 if road.parking else 0.0)

    def rectangle(s0: float, s1: float, d0: float, d1: float, share: float = 1.0) -> None:
        marks.append((np.array([(s0, d0), (s1, d0), (s1, d1), (s0, d1)]), share))

    def crossing(s0: float) -> None:
        for d in np.arange(road.edges[0] + 0.4, road.edges[1] - 0.6, 1.0):
            rectangle(s0, s0 + 3.0, d, d + 0.5, rng.uniform(0.75, 1.0))

    if street:
        if rng.random() < 0.8:
            crossing(start - 5.2)
            crossing(start + JUNCTION + 2.0)
        rectangle(start - 6.6, start - 6.2, 0.1, edge)
        rectangle(start + JUNCTION + 6.2, start + JUNCTION + 6.6, -edge, -0.1)
        for d in road.ahead:
            marks.extend((quad, 0.95) for quad in _arrow(start + block - 28.0, d, int(rng.integers(3))))
    elif rng.random() < 0.2:
        crossing(start + 36.0)
        rectangle(start + 34.2, start + 34.5, 0.1, edge)
    if rng.random() < 0.25:
        marks.extend((quad, 0.9) for quad in _arrow(start + 22.0, road.ego, 0))
    return marks


def _arrow(s: float, d: float, kind: int) -> list[Doubles]:
    """A lane arrow of 5 m as convex quadrilaterals: straight on, right or left."""
    stem = np.array([(0, -0.08), (3.4, -0.08), (3.4, 0.08), (0, 0.08)])
    head = np.array([(3.3, -0.38), (5.0, 0.0), (5.0, 0.0), (3.3, 0.38)])
    if kind:
        side = 1 if kind == 1 else -1
        branch = np.array([(2.6, 0), (3.4, side * 0.55), (3.8, side * 0.55), (3.4, 0)])
        head = np.array([(2.9, side * 0.55), (3.6, side * 1.05), (3.6, side * 1.05), (4.3, side * 0.55)])
        return [part + np.array([s, d]) for part in (stem, branch, head)]
    return [part + np.array([s, d]) for part in (stem, head)]
