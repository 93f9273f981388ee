"""Lane boundaries from the label map.

Paint in one row is a run of pixels; runs that follow one another from row to row are a mark (a dash, or a
piece of a solid line); marks that lie on one curve are a boundary. On flat ground, with t = rows below the
horizon, a line of constant curvature is

    x(t) = a + b·t + c/t

where a is the vanishing point, b the offset to the side and c the curvature. Two consequences carry the
decoder: tangents at t₁ and t₂ meet at the harmonic mean of t₁ and t₂ whatever the curvature, which tells
whether two marks lie on one curve; and paint of a given width on the road makes runs of a width proportional
to t, which tells lines from crossings, stop lines and arrows.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.scene import Lane, Side

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

LEAST_T = 6.0  # rows; the horizon is not known better
WIDEST = 0.24  # camera heights: how wide a painted line may be
DOUBLE = 0.38  # camera heights: how wide a double line may be that is seen as one
SMEAR = 1.5  # px by which a run may be wider than its paint
MOST_MARKS = 96  # those with most rows are kept
MOST_LANES = 12
LONG_MARK = 2.0  # ratio of t: longer than an arrow's stem
LONG_DOUBLE = 2.5  # ratio of t: longer than the bars of a crossing
TANGENT = 1.4  # ratio of t over which a mark's tangent is taken
LONGEST_GAP = 4.0  # ratio of t over which marks are joined
SHARPEST = 0.015  # of the width squared: c where the radius is about 35 m
CENTRE_SD = 1.0  # px: of the centre of a run
STRAYING = 0.03  # of t: by which a painted line strays from its curve
LEAST_PAINT, LEAST_SPAN = 0.03, 1.4  # a boundary's painted rows, of the height; and its ratio of t
TELLING_SPAN = 2.5  # ratio of t; on a shorter piece a dash looks like a solid line
EGO_WIDTH = 1.2, 4.5  # camera heights: how wide the ego lane may be
BENDING = 0.0, 0.0, 5e-3, 5e-2  # penalty on each term of a curve, see `_basis`
ASTRAY = 0.05  # of the height: how far from the horizon boundaries may meet
STEP = 4  # rows between a boundary's points


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of paint in image rows, ordered from top to bottom and from left to right.

    Attributes:
        row, start, end: where each is; `end` is exclusive.
        t: rows below the horizon.
        mark: number of the mark that each belongs to.
    """

    row: Ints
    start: Ints
    end: Ints
    t: Floats
    mark: Ints

    @property
    def x(self) -> Floats:
        return (self.start + self.end - 1) / 2

    def __getitem__(self, which: Bools) -> "_Runs":
        return _Runs(self.row[which], self.start[which], self.end[which], self.t[which], self.mark[which])


@dataclass(frozen=True, slots=True)
class _Tangents:
    """The tangents at one end of every mark: x = x0 + slope · (t − t0), of `count` runs."""

    t0: Floats
    x0: Floats
    slope: Floats
    slope_variance: Floats
    count: Floats

    def variance_at(self, t: Floats) -> Floats:
        return CENTRE_SD**2 / self.count + self.slope_variance * (t - self.t0) ** 2


def find_lanes(labels: npt.NDArray[np.uint8], classes: ClassSet, height: int, width: int) -> tuple[Lane, ...]:
    """The lane boundaries in a label map, from left to right as they reach the camera.

    A double line gives two boundaries where its lines can be told apart. The boundaries of the ego lane have
    a side, and are carried on to the near edge of the frame; the others end with their paint. The camera is
    taken to look along the road with a level horizon, from the middle of the car.

    Args:
        labels: uint8 (h, w) class ids; `road` and `lane_marking` are used.
        height, width: the frame's; points are in its pixels.
    """
    paint = labels == classes.id("lane_marking")
    ground = paint | (labels == classes.id("road"))
    t_of_row = _rows_below_horizon(ground)
    runs = _find_marks(paint, t_of_row)
    if not len(runs.row):
        return ()
    chain = _join_marks(runs, labels.shape[1])
    return _make_lanes(_trace(runs, chain, ground, t_of_row), t_of_row, labels.shape, height, width)


def _rows_below_horizon(ground: Bools) -> Floats:
    """t of every row. The road reaches the horizon where nothing stands on it."""
    broad = np.count_nonzero(ground, axis=1) >= max(0.01 * ground.shape[1], 1)
    rows = np.arange(ground.shape[0]) - np.argmax(broad) + 2.0
    return np.asarray(np.maximum(rows, LEAST_T), np.float64)


def _find_marks(paint: Bools, t_of_row: Floats) -> _Runs:
    """The runs of all marks that may be pieces of lines."""
    height, width = paint.shape
    stride = width + 2  # keeps the runs of different rows apart in flat coordinates
    padded = np.zeros((height, stride), np.int8)
    padded[:, 1:-1] = paint
    edges = np.diff(padded.ravel())
    first, last = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)  # flat, exclusive end
    row = first // stride
    t = t_of_row[row]
    # The runs above that each run touches, a mark being expected to run towards the vanishing point.
    towards = ((first + last) / 2 - row * stride - width / 2) / t
    # A smear is as wide in every direction, so a line that runs askew is smeared more along the row.
    breadth = (last - first - SMEAR * (1 + np.abs(towards))) / t
    wide = breadth > DOUBLE
    low = np.searchsorted(last, first + np.minimum(-towards, 0) - stride - 1, "right")
    high = np.searchsorted(first, last + np.maximum(-towards, 0) - stride + 1, "left")
    high = np.maximum(high, low)
    above = np.minimum(low, len(row) - 1)
    follows = (high - low == 1) & (_covered(low, high, len(row))[above] == 1) & ~wide & ~wide[above]
    mark = _roots(np.where(follows, above, np.arange(len(row))))
    # What touches something wide is part of it (the stem of an arrow), unless it is long.
    wides = np.concatenate([[0], np.cumsum(wide)])
    touches = (wides[high] > wides[low]) | (_covered(low[wide], high[wide], len(row)) > 0)
    touched = np.bincount(mark, touches, len(row)) > 0
    rows = np.bincount(mark, minlength=len(row))
    broad = np.bincount(mark, breadth > WIDEST, len(row)) > 0.5 * rows
    top, bottom = _span(t, mark, len(row))
    span = bottom / top
    line = (rows >= 2) & np.where(broad, span > LONG_DOUBLE, (span > LONG_MARK) | ~touched)
    line[np.argsort(-rows * line, kind="stable")[MOST_MARKS:]] = False
    kept = ~wide & line[mark]
    mark = np.unique(mark[kept], return_inverse=True)[1]
    return _Runs(row[kept], (first - row * stride)[kept], (last - row * stride)[kept], t[kept], mark)


def _covered(low: Ints, high: Ints, count: int) -> Ints:
    """For each index below `count`, how many of the ranges low..high (exclusive) hold it."""
    steps = np.bincount(low, minlength=count + 1) - np.bincount(high, minlength=count + 1)
    return np.cumsum(steps)[:-1]


def _roots(parent: Ints) -> Ints:
    """Follow parents up to the last one."""
    while not np.array_equal(parent, grand := parent[parent]):
        parent = grand
    return parent


def _join_marks(runs: _Runs, width: int) -> Ints:
    """The chain that each mark belongs to, named by its nearest mark."""
    count = int(runs.mark.max()) + 1
    top, bottom = _span(runs.t, runs.mark, count)
    far = _tangents(runs[runs.t <= TANGENT * top[runs.mark]], count)
    near = _tangents(runs[runs.t * TANGENT >= bottom[runs.mark]], count)
    # For every pair: rows for the nearer mark, columns for the farther one.
    t1, t2 = far.t0[:, None], np.minimum(near.t0, 0.99 * far.t0[:, None])
    gap = top[:, None] / bottom
    meet = 2 * t1 * t2 / (t1 + t2)
    apart = far.x0[:, None] + far.slope[:, None] * (meet - t1) - near.x0 - near.slope * (meet - t2)
    variance = far.variance_at(meet.T).T + near.variance_at(meet) + (STRAYING * meet) ** 2
    between = 1 / t2**2 - 1 / t1**2
    curvature = np.abs(far.slope[:, None] - near.slope) / between
    curvature_sd = np.sqrt(far.slope_variance[:, None] + near.slope_variance) / between
    possible = (
        (gap > 0.98)
        & (gap < LONGEST_GAP)
        & (near.t0 < t1)
        & (apart**2 < 9 * variance)
        & (np.abs(apart) < 3 + 0.1 * meet)
        & (curvature < SHARPEST * width**2 + 2 * curvature_sd)
    )
    cost = np.where(possible, np.sqrt(apart**2 / variance) + 3 * np.log(np.maximum(gap, 1)), np.inf)
    successor, predecessor = cost.argmin(1), cost.argmin(0)
    everyone = np.arange(count)
    joined = np.isfinite(cost.min(0)) & (successor[predecessor] == everyone)
    return _roots(np.where(joined, predecessor, everyone))


def _tangents(runs: _Runs, count: int) -> _Tangents:
    """Straight lines through the given runs of every mark."""

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(runs.mark, values, count), np.float64)

    n = np.maximum(total(np.ones(len(runs.t))), 1)
    t0, x0 = total(runs.t) / n, total(runs.x) / n
    dt = runs.t - t0[runs.mark]
    spread = np.maximum(total(dt**2), 0.5)
    return _Tangents(t0, x0, total(dt * runs.x) / spread, CENTRE_SD**2 / spread, n)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A boundary in the label map: x(t) for rows `top` to `bottom`."""

    terms: Floats
    top: int
    bottom: int
    kind: str
    confidence: float

    def at(self, t: Floats) -> Floats:
        return np.asarray(_basis(t) @ self.terms)


def _basis(t: Floats) -> Floats:
    """The terms of a boundary, all about 1 in the middle of the image; 1/t² takes up hills and clothoids."""
    s = t / 64
    return np.stack([np.ones_like(s), s, 1 / s, 1 / s**2], -1)


def _trace(runs: _Runs, chain: Ints, ground: Bools, t_of_row: Floats) -> list[_Curve]:
    """A curve through every chain of marks that is long enough."""
    of_run = chain[runs.mark]
    rows = np.bincount(of_run)
    top, bottom = _span(runs.t, of_run, len(rows))
    long = (rows >= LEAST_PAINT * len(ground)) & (bottom >= LEAST_SPAN * top)
    kept = np.flatnonzero(long)
    kept = kept[np.argsort(-rows[kept], kind="stable")[:MOST_LANES]]
    curves = [_fit(runs[of_run == one], ground, t_of_row) for one in kept]
    surest = max(curves, key=lambda curve: curve.confidence, default=None)
    return [curve for curve in curves if surest and _is_parallel(curve, surest, t_of_row)]


def _is_parallel(curve: _Curve, surest: _Curve, t_of_row: Floats) -> bool:
    """Whether a boundary, where it runs beside the surest one, closes up with it at about the horizon."""
    t = t_of_row[[max(curve.top, surest.top), min(curve.bottom, surest.bottom)]]
    if t[1] < LEAST_SPAN * t[0]:
        return True
    far, near = curve.at(t) - surest.at(t)
    closing = (near - far) / (t[1] - t[0])
    return bool(abs(far - closing * t[0]) < ASTRAY * len(t_of_row) * (1 + abs(closing)))


def _fit(runs: _Runs, ground: Bools, t_of_row: Floats) -> _Curve:
    terms, count = _basis(runs.t), len(runs.t)
    # Straight lines are the likeliest; the penalty keeps short pieces from bending where they are extended.
    penalty = count * np.diag(BENDING)
    solution = np.linalg.solve(terms.T @ terms + penalty, terms.T @ runs.x)
    variance = float(np.mean((terms @ solution - runs.x) ** 2))
    top, bottom = int(runs.row.min()), int(runs.row.max())
    curve = _Curve(solution, top, bottom, "unknown", count / (count + 0.1 * len(ground)) / (1 + variance))
    return replace(curve, kind=_kind(curve, runs, ground, t_of_row))


def _kind(curve: _Curve, runs: _Runs, ground: Bools, t_of_row: Floats) -> str:
    """Solid or dashed, by the share of paint where nothing stands on the line, a row weighing 1/t."""
    rows = np.arange(curve.top, curve.bottom + 1)
    x = np.clip(np.rint(curve.at(t_of_row[rows])), 0, ground.shape[1] - 1).astype(np.intp)
    painted = np.zeros(len(rows), bool)
    painted[runs.row - curve.top] = True
    weight = 1 / t_of_row[rows]
    coverage = weight[painted].sum() / weight[painted | ground[rows, x]].sum()
    if coverage < 0.75:
        return "dashed"
    return "solid" if coverage > 0.85 and runs.t.max() > TELLING_SPAN * runs.t.min() else "unknown"


def _make_lanes(
    curves: list[_Curve], t_of_row: Floats, shape: tuple[int, ...], height: int, width: int
) -> tuple[Lane, ...]:
    """The curves as polylines in the frame, with the sides of the ego lane."""
    if not curves:
        return ()
    rows, columns = shape
    near = np.array([curve.at(t_of_row[-1:])[0] for curve in curves])
    order = np.argsort(near, kind="stable")
    # What is far from the camera does not tell where it would reach it.
    reaching = np.array([t_of_row[curve.bottom] * LONGEST_GAP > t_of_row[-1] for curve in curves])
    sides = _ego_sides(np.where(reaching, near, np.nan), columns, float(t_of_row[-1]))
    lanes = []
    for k in order.tolist():
        curve = curves[k]
        bottom = rows - 1 if k in sides else curve.bottom
        y = np.append(np.arange(bottom, curve.top, -STEP), curve.top)
        x = curve.at(t_of_row[y])
        inside = (x >= 0) & (x <= columns - 1)
        points = np.stack([(x + 0.5) * width / columns - 0.5, (y + 0.5) * height / rows - 0.5], 1)[inside]
        if len(points) > 1:
            lanes.append(Lane(points.astype(np.float32), curve.kind, curve.confidence, sides.get(k)))
    return tuple(lanes)


def _ego_sides(near: Floats, columns: int, t: float) -> dict[int, Side]:
    """Which curves bound the ego lane, by where curves reach the nearest row (nan: nowhere)."""
    middle = (columns - 1) / 2
    left, right = np.where(near < middle, near, -np.inf), np.where(near >= middle, near, np.inf)
    apart = (right.min() - left.max()) / t
    if not EGO_WIDTH[0] < apart < EGO_WIDTH[1]:
        return {}
    return {int(left.argmax()): "left", int(right.argmin()): "right"}


def _span(t: Floats, group: Ints, count: int) -> tuple[Floats, Floats]:
    """Least and greatest t of each group."""
    least, most = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(least, group, t)
    np.maximum.at(most, group, t)
    return least, most
