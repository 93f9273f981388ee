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

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.scene import Lane

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

NEAREST_HORIZON = 6.0  # px; t is never less, as the horizon is not known better
WIDEST = 0.24  # camera heights: how wide a painted line may be
SMEAR = 2.0  # px by which a run may be wider than its paint
MOST_MARKS = 96  # the largest are kept
TANGENT = 1.4  # ratio of t over which a mark's tangent is taken
LONGEST_GAP = 3.0  # ratio of t over which marks are joined
SHARPEST = 0.015  # of the width squared: c where the radius is about 35 m
CENTRE_SD = 0.6  # px, of the centre of a run


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
    """The tangents at one end of every mark: x = x0 + slope · (t − t0), and the slope's variance."""

    t0: Floats
    x0: Floats
    slope: Floats
    variance: Floats
    count: Floats


def find_lanes(
    labels: npt.NDArray[np.uint8], classes: ClassSet, height: int, width: int
) -> tuple[Lane, ...]:
    paint = labels == classes.id("lane_marking")
    ground = paint | (labels == classes.id("road"))
    t_of_row = _rows_below_horizon(ground)
    runs = _find_marks(paint, t_of_row)
    if not len(runs.row):
        return ()
    chain = _join_marks(runs, labels.shape[1])
    return _trace(runs, chain[runs.mark], ground, t_of_row, height, width)


def _rows_below_horizon(ground: Bools) -> Floats:
    """t of every row. The road reaches the horizon where nothing stands on it."""
    broad = np.count_nonzero(ground, axis=1) >= max(0.01 * ground.shape[1], 1)
    return np.maximum(np.arange(ground.shape[0]) - np.argmax(broad) + 2.0, NEAREST_HORIZON)


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
    wide = last - first > WIDEST * t + SMEAR + np.abs(towards)
    low = np.searchsorted(last, first + np.minimum(-towards, 0) - stride - 1, "right")
    high = np.searchsorted(first, last + np.maximum(-towards, 0) - stride + 1, "left")
    high = np.maximum(high, low)
    below = np.cumsum(np.bincount(low, minlength=len(row) + 1) - np.bincount(high, minlength=len(row) + 1))
    above = np.minimum(low, len(row) - 1)
    follows = (high - low == 1) & (below[above] == 1) & ~wide & ~wide[above]
    mark = _roots(np.where(follows, above, np.arange(len(row))))
    # What touches something wide is part of it (the stem of an arrow), unless it is long.
    wides = np.concatenate([[0], np.cumsum(wide)])
    touches = wides[high] > wides[low]
    spread = np.bincount(low[wide], minlength=len(row) + 1) - np.bincount(high[wide], minlength=len(row) + 1)
    touches |= np.cumsum(spread)[:-1] > 0
    touched = np.bincount(mark, touches, len(row)) > 0
    rows = np.bincount(mark, minlength=len(row))
    top, bottom = t[mark], np.zeros(len(row))
    np.maximum.at(bottom, mark, t)
    long = bottom[mark] > 2.0 * top
    kept = ~wide & (rows[mark] >= 2) & (long | ~touched[mark])
    least = np.sort(rows)[-MOST_MARKS] if len(rows) > MOST_MARKS else 0
    kept &= rows[mark] >= least
    mark = np.unique(mark[kept], return_inverse=True)[1]
    return _Runs(row[kept], (first - row * stride)[kept], (last - row * stride)[kept], t[kept], mark)


def _roots(parent: Ints) -> Ints:
    """Follow parents up to the last one."""
    while not np.array_equal(parent, grand := parent[parent]):
        parent = grand
    return parent


def _join_marks(runs: _Runs, width: int) -> Ints:
    """The chain that each mark belongs to, named by its nearest mark."""
    count = int(runs.mark.max()) + 1
    top, bottom = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(top, runs.mark, runs.t)
    np.maximum.at(bottom, runs.mark, runs.t)
    far = _tangents(runs[runs.t <= TANGENT * top[runs.mark]], count)
    near = _tangents(runs[runs.t * TANGENT >= bottom[runs.mark]], count)
    # Rows: the nearer mark of a pair; columns: the farther one.
    ratio = top[:, None] / bottom
    t1, t2 = far.t0[:, None], near.t0[None]
    meet = 2 * t1 * t2 / (t1 + t2)
    apart = far.x0[:, None] + far.slope[:, None] * (meet - t1) - near.x0 - near.slope * (meet - t2)
    variance = (
        CENTRE_SD**2 * (1 / far.count[:, None] + 1 / near.count)
        + far.variance[:, None] * (meet - t1) ** 2
        + near.variance * (meet - t2) ** 2
        + (0.01 * meet) ** 2
    )
    bend = (far.slope[:, None] - near.slope) / (1 / np.minimum(t2, 0.99 * t1) ** 2 - 1 / t1**2)
    bend_sd = np.sqrt(far.variance[:, None] + near.variance) / (1 / np.minimum(t2, 0.99 * t1) ** 2 - 1 / t1**2)
    cost = np.sqrt(apart**2 / variance) + 3.0 * np.log(np.maximum(ratio, 1))
    possible = (ratio > 0.98) & (ratio < LONGEST_GAP) & (t2 < t1) & (apart**2 < 9 * variance)
    possible &= np.abs(bend) < SHARPEST * width**2 + 2 * bend_sd
    possible &= np.abs(apart) < 3 + 0.1 * meet
    cost[~possible] = np.inf
    successor, predecessor = cost.argmin(1), cost.argmin(0)
    everyone = np.arange(count)
    joined = np.isfinite(cost.min(0)) & (successor[predecessor] == everyone)
    return _roots(np.where(joined, predecessor, everyone))


def _tangents(runs: _Runs, count: int) -> _Tangents:
    """Straight lines through the given runs of every mark."""
    def total(values: Floats | None = None) -> Floats:
        return np.bincount(runs.mark, values, count)

    n = np.maximum(total(), 1)
    t0, x0 = total(runs.t) / n, total(runs.x) / n
    dt = runs.t - t0[runs.mark]
    spread = np.maximum(total(dt**2), 0.5)
    return _Tangents(t0, x0, total(dt * runs.x) / spread, CENTRE_SD**2 / spread, n)


def _trace(
    runs: _Runs, chain: Ints, ground: Bools, t_of_row: Floats, height: int, width: int
) -> tuple[Lane, ...]:
    rows, columns = ground.shape
    lanes = []
    for name in np.unique(chain):
        own = chain == name
        t, row, x = runs.t[own], runs.row[own], runs.x[own]
        n = len(t)
        if n < 0.03 * rows or t.max() < 1.4 * t.min():
            continue
        scale = t.max()
        def basis(at: Floats) -> Floats:
            s = at / scale
            return np.stack([np.ones_like(s), s, 1 / s, 1/s**2], 1)
        a = basis(t)
        ridge = np.diag([1e-6, 1e-6, 1e-2, 1e-1])*n*.01
        fit = np.linalg.solve(a.T @ a + ridge, a.T @ x)
        ys = np.arange(row.max(), row.min() - 1, -4)
        ys = np.append(ys, row.min())
        xs = basis(t_of_row[ys]) @ fit
        seen = np.zeros(rows, bool)
        seen[row] = True
        all_rows = np.arange(row.min(), row.max() + 1)
        at = np.clip(np.rint(basis(t_of_row[all_rows]) @ fit).astype(int), 0, columns - 1)
        visible = ground[all_rows, at] | seen[all_rows]
        coverage = seen[all_rows].sum() / max(visible.sum(), 1)
        kind = "solid" if coverage > 0.85 else "dashed" if coverage < 0.75 else "unknown"
        points = np.stack([(xs + 0.5) * width / columns - 0.5, (ys + 0.5) * height / rows - 0.5], 1)
        lanes.append(Lane(points.astype(np.float32), kind, float(n / (n + 0.1 * rows))))
    return tuple(lanes)
