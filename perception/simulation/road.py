"""The road: how it bends and climbs, how it is divided across, and what is painted along it.

Road coordinates are a station s (metres along the road), an offset d (metres to the right of the line between
the two directions of traffic) and a height h above the road. Drives with left-hand traffic are mirrored by
the camera, so that here traffic always keeps to the right.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.types import Doubles, Rng


@dataclass(frozen=True)
class Profile:
    """A smooth function of the station: sines, `waves` (n, 3) of amplitude, wavenumber, phase."""

    waves: Doubles

    def at(self, s: float | Doubles) -> Any:
        amplitude, wavenumber, phase = self.waves.T
        return (amplitude * np.sin(np.multiply.outer(s, wavenumber) + phase)).sum(-1)

    def slope(self, s: float | Doubles) -> Any:
        amplitude, wavenumber, phase = self.waves.T
        return (amplitude * wavenumber * np.cos(np.multiply.outer(s, wavenumber) + phase)).sum(-1)

    @property
    def steepest(self) -> float:
        return float(np.abs(self.waves[:, 0] * self.waves[:, 1]).sum())


@dataclass(frozen=True)
class Band:
    """A strip of ground from offset `left` to `right`."""

    left: float
    right: float
    material: str


@dataclass(frozen=True)
class Line:
    """A line painted along the road; `period` and `dash` in metres, dash = period for a solid line."""

    d: float
    width: float
    period: float = 1.0
    dash: float = 1.0
    yellow: bool = False

    @property
    def kind(self) -> str:
        return "dashed" if self.dash < self.period else "solid"


@dataclass(frozen=True)
class Road:
    """One kind of road for a whole drive.

    Attributes:
        bend, hill: lateral position and elevation of the road, metres over the station.
        bands: the cross-section, from left to right without gaps.
        lines: the painted lines.
        ahead, oncoming: offsets of the lane centres.
        ego: the offset of the lane that the camera drives in.
        edges: offsets of the left and the right edge of the paved road.
        frontage: distance from the edges to where buildings may stand.
        parking: offsets of the centres of parked cars; empty without parking.
        lamps: stations, modulo 32 m, of the street lamps on the left and on the right; empty without.
    """

    bend: Profile
    hill: Profile
    bands: tuple[Band, ...]
    lines: tuple[Line, ...]
    ahead: tuple[float, ...]
    oncoming: tuple[float, ...]
    ego: float
    edges: tuple[float, float]
    frontage: float
    parking: tuple[float, ...] = ()
    lamps: tuple[float, ...] = ()


def _waves(rng: Rng, slope: float, wavelength: tuple[float, float]) -> Profile:
    """Three waves with slopes that sum to at most `slope`."""
    wavenumber = 2 * np.pi / rng.uniform(*wavelength, 3)
    share = rng.dirichlet(np.ones(3)) * slope * rng.uniform(0.2, 1.0)
    return Profile(np.stack([share / wavenumber, wavenumber, rng.uniform(0, 2 * np.pi, 3)], axis=1))


def make_road(scene: str, rng: Rng) -> Road:
    """A road of the given scene (town, country, highway)."""
    return {"town": _town, "country": _country, "highway": _highway}[scene](rng)


def _dashes(rng: Rng, scale: float) -> tuple[float, float]:
    dash = rng.uniform(0.8, 1.3) * scale
    return dash * rng.uniform(2.0, 3.2), dash


def _town(rng: Rng) -> Road:
    lanes, width = int(rng.choice([1, 1, 2])), rng.uniform(2.9, 3.5)
    parking = 2.2 if rng.random() < 0.65 else 0.0
    edge = lanes * width + parking + 0.3
    walk = rng.uniform(1.8, 4.5)
    front = edge + walk + float(rng.choice([0.0, 0.0, rng.uniform(1.5, 6.0)]))
    garden = str(rng.choice(["grass", "paving"]))
    bands = (
        Band(-60, -front, "paving"),
        Band(-front, -edge - walk, garden),
        Band(-edge - walk, -edge - 0.15, "sidewalk"),
        Band(-edge - 0.15, -edge, "curb"),
        Band(-edge, edge, "asphalt"),
        Band(edge, edge + 0.15, "curb"),
        Band(edge + 0.15, edge + walk, "sidewalk"),
        Band(edge + walk, front, garden),
        Band(front, 60, "paving"),
    )
    period, dash = _dashes(rng, 3.0)
    lines = []
    if rng.random() < 0.85:
        solid = rng.random() < 0.3
        centre_dash = period if solid else dash
        yellow = bool(rng.random() < 0.25)
        if lanes > 1 and rng.random() < 0.5:
            lines += [Line(-0.14, 0.12, yellow=yellow), Line(0.14, 0.12, yellow=yellow)]
        else:
            lines.append(Line(0.0, 0.13, period, centre_dash, yellow))
    for k in range(1, lanes):
        lines += [Line(k * width, 0.12, period, dash), Line(-k * width, 0.12, period, dash)]
    if rng.random() < 0.6:
        at = lanes * width + (0.0 if parking else 0.05)
        kind = _dashes(rng, 1.0) if rng.random() < 0.3 else (1.0, 1.0)
        lines += [Line(at, 0.1, *kind), Line(-at, 0.1, *kind)]
    ahead = tuple((k + 0.5) * width for k in range(lanes))
    return Road(
        _waves(rng, 0.16, (220, 420)),
        _waves(rng, 0.035, (250, 500)),
        bands,
        tuple(lines),
        ahead,
        tuple(-d for d in ahead),
        float(rng.choice(ahead)),
        (-edge, edge),
        front - edge,
        (-edge + 1.15, edge - 1.15) if parking else (),
        (12.0, 20.0),
    )


def _country(rng: Rng) -> Road:
    width, shoulder = rng.uniform(2.8, 3.7), rng.uniform(0.25, 1.2)
    edge = width + shoulder
    dirt = rng.uniform(0.3, 1.0)
    bands = (
        Band(-60, -edge - 4, "field"),
        Band(-edge - 4, -edge - dirt, "grass"),
        Band(-edge - dirt, -edge, "dirt"),
        Band(-edge, edge, "asphalt"),
        Band(edge, edge + dirt, "dirt"),
        Band(edge + dirt, edge + 4, "grass"),
        Band(edge + 4, 60, "field"),
    )
    period, dash = _dashes(rng, 3.0)
    yellow = bool(rng.random() < 0.35)
    lines = []
    if rng.random() < 0.3:
        lines += [Line(-0.13, 0.11, yellow=yellow), Line(0.13, 0.11, period, dash, yellow)]
    else:
        lines.append(Line(0.0, 0.12, period, dash, yellow))
    if rng.random() < 0.75:
        lines += [Line(-width, 0.12), Line(width, 0.12)]
    return Road(
        _waves(rng, 0.34, (260, 520)),
        _waves(rng, 0.07, (280, 600)),
        bands,
        tuple(lines),
        (width / 2,),
        (-width / 2,),
        width / 2,
        (-edge, edge),
        9.0,
    )


def _highway(rng: Rng) -> Road:
    lanes, width = int(rng.choice([2, 3, 3, 4])), rng.uniform(3.4, 3.8)
    shoulder, inner, median = rng.uniform(1.5, 3.0), rng.uniform(0.5, 1.2), rng.uniform(1.5, 8.0)
    right = lanes * width + shoulder
    left = -2 * inner - median - lanes * width - shoulder  # the far edge of the other carriageway
    between = str(rng.choice(["grass", "paving", "grass"]))
    bands = (
        Band(-80, left - 5, "field"),
        Band(left - 5, left, "grass"),
        Band(left, -inner - median, "asphalt"),
        Band(-inner - median, -inner, between),
        Band(-inner, right, "asphalt"),
        Band(right, right + 5, "grass"),
        Band(right + 5, 80, "field"),
    )
    period, dash = _dashes(rng, 4.5)
    other = -2 * inner - median
    yellow = bool(rng.random() < 0.4)
    lines = [Line(0.0, 0.15, yellow=yellow), Line(lanes * width, 0.15), Line(other, 0.15, yellow=yellow)]
    lines.append(Line(other - lanes * width, 0.15))
    for k in range(1, lanes):
        lines += [Line(k * width, 0.13, period, dash), Line(other - k * width, 0.13, period, dash)]
    ahead = tuple((k + 0.5) * width for k in range(lanes))
    return Road(
        _waves(rng, 0.2, (700, 1300)),
        _waves(rng, 0.035, (500, 1000)),
        bands,
        tuple(lines),
        ahead,
        tuple(other - d for d in ahead),
        float(rng.choice(ahead)),
        (left, right),
        12.0,
    )
