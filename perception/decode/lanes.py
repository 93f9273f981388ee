"""Lane boundaries from the label map: curves through the marks that lie on one line, see `lane_marks`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.decode.lane_marks import Runs, extent, find_marks, join_alongside, join_marks, run_alongside
from perception.scene import Lane, Side
from perception.scene_items import EGO_WIDTHS
from perception.types import Bools, Doubles, Ints

LEAST_T = 4.0  # rows; the horizon is not known better
HIDDEN = 0.01  # of the height: by how much traffic hides the horizon
GRAIN = np.ones((5, 5), np.uint8)  # pixels: what is nearer together is one road
RISE_SD = 0.02  # of the height: of the horizon, before lines show where it is
MOST_LANES = 12
SHORT_GAP, LONGEST_GAP = 1.5, 4.0  # ratios of t over which marks are joined
LEAST_PAINT, LEAST_SPAN = 0.03, 1.33  # a boundary's painted rows, of the height; and its ratio of t
LEAST_CONFIDENCE = 0.05
FINEST = 0.05  # camera heights: a line that is less wide may be the edge of a shadow, and is less sure
SURE_SPAN = 2.5  # ratio of t; over a shorter one a dash looks like a solid line
CLOSE = 0.4  # camera heights: of boundaries so near each other, two lines of one or paint and a smear,
SURER = 1.3  # times as sure is enough for the farther one to bound the ego lane
BENDING = np.diag([0.0, 0.0, 5e-3, 5e-2])  # penalty on each term of a curve, see `_basis`
ASTRAY = 0.05  # of the height: how far from the horizon boundaries may meet
STEP = 4  # rows between a boundary's points


Place = TypeVar("Place", float, Doubles)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A boundary in the label map: x(t) for rows `top` to `bottom`."""

    terms: tuple[float, float, float, float]
    top: int
    bottom: int
    confidence: float
    kind: str = "unknown"

    def at(self, t: Place) -> Place:
        level, slope, bend, sharp = self.terms
        s = t / 64
        return level + slope * s + (bend + sharp / s) / s


def find_lanes(labels: npt.NDArray[np.uint8], classes: ClassSet, height: int, width: int) -> tuple[Lane, ...]:
    """The lane boundaries in a label map, from left to right as they reach the camera.

    A double line gives two boundaries where its lines can be separated. The boundaries of the ego lane have
    a side, and are extended to the near edge of the frame; the others begin with their paint. Beyond its
    paint a boundary follows the surest one, as far as that is seen and at most `LONGEST_GAP`. The
    camera is taken to look along the road with a level horizon, from the middle of the car.

    Args:
        labels: uint8 (h, w) class ids; `road` and `lane_marking` are used, where the classes have both.
        height, width: the frame's; points are in its pixels.
    """
    if not {"road", "lane_marking"} <= set(classes.names):
        return ()
    paint = labels == classes.id("lane_marking")
    ground = paint | (labels == classes.id("road"))
    if not paint.any():
        return ()
    top = _top_of_road(ground)
    ground[:top] = paint[:top] = False
    t_of_row = _rows_below_horizon(ground)
    runs = find_marks(paint, t_of_row)
    if not len(runs.row):
        return ()
    for gap in (SHORT_GAP, LONGEST_GAP):  # bits of paint have no direction until they are joined
        runs = runs.joined(join_marks(runs, gap, labels.shape[1]))
    fits = _fit(runs, _long_chains(runs, len(ground)), len(ground))
    if not fits:
        return ()
    surest, road = max(fits.items(), key=lambda fit: fit[1].confidence)
    t_of_row = np.maximum(t_of_row + _find_rise(runs, road, len(t_of_row)), LEAST_T)
    runs = runs.below(t_of_row)
    road = _fit(runs, [surest], len(ground))[surest]
    runs = runs.joined(join_alongside(run_alongside(runs, road.at(runs.t))))
    return _make_lanes(_trace(runs, road, ground, t_of_row), road, t_of_row, labels.shape, height, width)


def _top_of_road(ground: Bools) -> int:
    """The first row of the largest piece: a speck above it would be taken for the horizon."""
    whole = cv2.morphologyEx(ground.view(np.uint8), cv2.MORPH_CLOSE, GRAIN)
    outlines, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return cv2.boundingRect(max(outlines, key=cv2.contourArea))[1]


def _rows_below_horizon(ground: Bools) -> Doubles:
    """t of every row. The road reaches the horizon where nothing stands on it."""
    width = cv2.reduce(ground.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
    broad = width >= max(0.01 * ground.shape[1], 1)
    rows = np.arange(len(ground)) - np.argmax(broad) + HIDDEN * len(ground)
    return np.asarray(np.maximum(rows, LEAST_T), np.float64)


def _find_rise(runs: Runs, road: _Curve, height: int) -> float:
    """How many rows the horizon, where boundaries meet, is above its first estimate."""
    marks = run_alongside(runs, road.at(runs.t))
    meeting = np.abs(marks.closing) < ASTRAY * height * (1 + np.abs(marks.offset))
    weight = meeting / (marks.variance + 4 * marks.offset**2)
    least = RISE_SD * height
    rise = (weight * marks.offset) @ marks.closing / (weight @ marks.offset**2 + 1 / least**2)
    return float(np.clip(rise, -least, 2 * least))


def _basis(t: Doubles) -> Doubles:
    """The terms of a boundary, all about 1 in the middle of the image; 1/t² takes up hills and clothoids."""
    terms = np.empty((len(t), 4))
    s = t / 64
    terms[:, 0], terms[:, 1], terms[:, 2], terms[:, 3] = 1, s, 1 / s, 1 / s**2
    return terms


def _long_chains(runs: Runs, height: int) -> list[int]:
    """The names of the chains of marks that may be boundaries, those with the most rows first."""
    rows = np.bincount(runs.mark)
    top, bottom = extent(runs.t, runs.mark, len(rows))
    long = (rows >= LEAST_PAINT * height) & (bottom >= LEAST_SPAN * top)
    order = np.argsort(-rows * long, kind="stable")[:MOST_LANES]
    return [int(one) for one in order[long[order]]]


def _trace(runs: Runs, road: _Curve, ground: Bools, t_of_row: Doubles) -> list[_Curve]:
    """A curve through every chain of marks that is long enough and runs alongside the surest boundary."""
    curves = []
    for one, curve in _fit(runs, _long_chains(runs, len(ground)), len(ground)).items():
        if curve.confidence > LEAST_CONFIDENCE and _is_parallel(curve, road, t_of_row):
            kind = _kind(curve, runs.row[runs.mark == one], ground, t_of_row)
            curves.append(replace(curve, kind=kind))
    return curves


def _is_parallel(curve: _Curve, surest: _Curve, t_of_row: Doubles) -> bool:
    """Whether a boundary, where it runs alongside the surest one, meets it at about the horizon."""
    far_t, near_t = (
        float(t_of_row[row]) for row in (max(curve.top, surest.top), min(curve.bottom, surest.bottom))
    )
    if near_t < LEAST_SPAN * far_t:
        return True
    far, near = (curve.at(t) - surest.at(t) for t in (far_t, near_t))
    closing = (near - far) / (near_t - far_t)
    return abs(far - closing * far_t) < ASTRAY * len(t_of_row) * (1 + abs(closing))


def _fit(runs: Runs, chains: Sequence[int], height: int) -> dict[int, _Curve]:
    """A curve through the runs of each of these chains of marks; their kinds are yet unknown."""
    if not chains:
        return {}
    basis, everyone = _basis(runs.t), [np.flatnonzero(runs.mark == one) for one in chains]
    squares, sides = np.empty((len(chains), 4, 4)), np.empty((len(chains), 4, 1))
    for own, square, side in zip(everyone, squares, sides, strict=True):
        terms = basis[own]
        # Straight lines are the likeliest; the penalty keeps short segments from bending where they are
        # extended.
        square[:] = terms.T @ terms + len(own) * BENDING
        side[:, 0] = terms.T @ runs.x[own]
    curves = {}
    for one, own, solution in zip(chains, everyone, np.linalg.solve(squares, sides)[..., 0], strict=True):
        missed_by = basis[own] @ solution - runs.x[own]
        slope = float(solution[1]) / 64
        variance = float(missed_by @ missed_by) / len(own) / (1 + slope**2)
        rows = float(np.minimum(runs.pixels[own] / (FINEST * runs.t[own]), 1).sum())
        confidence = rows / (rows + 0.1 * height) / (1 + variance)
        ends = int(runs.row[own[0]]), int(runs.row[own[-1]])
        curves[one] = _Curve(tuple(solution.tolist()), *ends, confidence)
    return curves


def _kind(curve: _Curve, painted_rows: Ints, ground: Bools, t_of_row: Doubles) -> str:
    """Solid or dashed, by the share of paint where nothing stands on the line, a row weighing 1/t."""
    rows = slice(curve.top, curve.bottom + 1)
    t = t_of_row[rows]
    x = np.minimum(np.maximum(np.rint(curve.at(t)), 0), ground.shape[1] - 1).astype(np.intp)
    painted = np.zeros(len(t), bool)
    painted[painted_rows - curve.top] = True
    weight = 1 / t
    coverage = weight[painted].sum() / weight[painted | ground[rows][np.arange(len(t)), x]].sum()
    if coverage < 0.75:
        return "dashed"
    return "solid" if coverage > 0.85 and t[-1] > SURE_SPAN * t[0] else "unknown"


def _make_lanes(
    curves: list[_Curve], road: _Curve, t_of_row: Doubles, shape: tuple[int, ...], height: int, width: int
) -> tuple[Lane, ...]:
    """The curves as polylines in the frame, with the sides of the ego lane."""
    if not curves:
        return ()
    rows, columns = shape
    nearest = float(t_of_row[-1])
    near = np.array([curve.at(nearest) for curve in curves])
    order = np.argsort(near, kind="stable")
    # Where a boundary that is far from the camera would reach it is not known.
    reaching = np.array([t_of_row[curve.bottom] * LONGEST_GAP > nearest for curve in curves])
    confidence = np.array([curve.confidence for curve in curves])
    sides = _ego_sides(np.where(reaching, near, np.nan), confidence, columns, nearest)
    lanes = []
    for k in order.tolist():
        bottom = rows - 1 if k in sides else curves[k].bottom
        x, y = _course(curves[k], road, bottom, t_of_row)
        inside = (x >= 0) & (x <= columns - 1)
        x, y = x[inside], y[inside]
        if len(x) > 1:
            points = np.empty((len(x), 2), np.float32)
            points[:, 0] = (x + 0.5) * width / columns - 0.5
            points[:, 1] = (y + 0.5) * height / rows - 0.5
            lanes.append(Lane(points, curves[k].kind, curves[k].confidence, sides.get(k)))
    return tuple(lanes)


def _course(curve: _Curve, road: _Curve, bottom: int, t_of_row: Doubles) -> tuple[Doubles, Ints]:
    """x and row of a boundary's points, from the row `bottom` as far as the surest one shows the way."""
    reach = int(t_of_row.searchsorted(t_of_row[curve.bottom] / LONGEST_GAP))
    top = min(curve.top, max(road.top, reach))
    y = np.append(np.arange(bottom, top, -STEP), top)
    t = t_of_row[y]
    own = np.maximum(t, t_of_row[curve.top])
    return road.at(t) + (curve.at(own) - road.at(own)) * t / own, y


def _ego_sides(near: Doubles, confidence: Doubles, columns: int, t: float) -> dict[int, Side]:
    """Which curves bound the ego lane, by where curves reach the nearest row (nan: nowhere)."""
    away = (near - (columns - 1) / 2) / t
    left, right = (
        _boundary(np.where(own, np.abs(away), np.inf), confidence) for own in (away < 0, away >= 0)
    )
    if left is None or right is None or not EGO_WIDTHS[0] < away[right] - away[left] < EGO_WIDTHS[1]:
        return {}
    return {left: "left", right: "right"}


def _boundary(away: Doubles, confidence: Doubles) -> int | None:
    """The nearest one (inf: on the other side), or a surer one close to it."""
    nearest = int(away.argmin())
    if away[nearest] == np.inf:
        return None
    surest = int(np.where(away < away[nearest] + CLOSE, confidence, 0).argmax())
    return surest if confidence[surest] > SURER * confidence[nearest] else nearest
