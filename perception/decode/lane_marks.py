"""Marks of paint in the label map, and which of them are segments of one line.

Paint in one row is a run of pixels; runs that follow one another from row to row are a mark: a dash, or a
segment of a solid line. On flat ground, with t = rows below the horizon, a line of constant curvature is

    x(t) = a + b·t + c/t

where a is the vanishing point, b the offset to the side and c the curvature. Three consequences carry this
file: tangents at t₁ and t₂ meet at the harmonic mean of t₁ and t₂ whatever the curvature, which shows whether
two marks lie on one curve; paint of a given width on the road makes runs of a width proportional to t, which
separates lines from crossings, stop lines and arrows; and lines that run side by side are apart by a multiple
of t, whatever the road does, which finds the faint ones next to one that is sure.
"""

from dataclasses import dataclass, replace

import numpy as np

from perception.types import Bools, Doubles, Ints

WIDEST = 0.24  # camera heights: how wide a painted line may be
DOUBLE = 0.38  # camera heights: how wide a double line may be that is seen as one
SMEAR = 2.0  # px by which a run may be wider than its paint
MOST_MARKS = 96  # those with most rows are kept
LONG_MARK = 2.0  # ratio of t: longer than an arrow's stem
LONG_DOUBLE = 2.5  # ratio of t: longer than the bars of a crossing
TANGENT = 1.4  # ratio of t over which a mark's tangent is taken
SHARPEST = 0.015  # of the width squared: c where the radius is about 35 m
CENTRE_SD = 1.0  # px: of the centre of a run
ASKEW = 1.0  # by how much more that is for each column by which a line runs askew in a row
STRAYING = 0.03  # of t: by which a painted line strays from its curve
COURSE_SD = 4.0  # px: of where a line is known to run from another one next to it


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of paint in image rows, ordered from top to bottom and from left to right.

    Attributes:
        row: where each is.
        x: its centre.
        t: rows below the horizon.
        mark: number of the mark that each belongs to.
        pixels: how many it has.
    """

    row: Ints
    x: Doubles
    t: Doubles
    mark: Ints
    pixels: Ints

    def below(self, t_of_row: Doubles) -> "Runs":
        """The same under another horizon."""
        return replace(self, t=t_of_row[self.row])

    def joined(self, chain: Ints) -> "Runs":
        """The same with the marks of each chain as one; `chain` holds one name for each mark."""
        return replace(self, mark=_renumbered(chain[self.mark]))


@dataclass(frozen=True, slots=True)
class Tangents:
    """The tangents at one end of every mark: x = x0 + slope · (t − t0), of `count` runs."""

    t0: Doubles
    x0: Doubles
    slope: Doubles
    slope_variance: Doubles
    count: Doubles

    def __getitem__(self, which: Ints) -> "Tangents":
        of = (self.t0, self.x0, self.slope, self.slope_variance, self.count)
        return Tangents(*(one[which] for one in of))

    def variance_at(self, t: Doubles) -> Doubles:
        return CENTRE_SD**2 / self.count + self.slope_variance * (t - self.t0) ** 2


def find_marks(paint: Bools, t_of_row: Doubles) -> Runs:
    """The runs of all marks that may be segments of lines, in a mask (h, w) with rows at t (h,)."""
    height, width = paint.shape
    stride = width + 2  # keeps the runs of different rows apart in flat coordinates
    padded = np.zeros((height, stride), np.bool_)
    padded[:, 1:-1] = paint
    pixels = padded.ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1])
    first, last = edges[::2], edges[1::2]  # flat, exclusive end
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
    top, bottom = extent(t, mark, len(row))
    span = bottom / top
    line = (rows >= 2) & np.where(broad, span > LONG_DOUBLE, (span > LONG_MARK) | ~touched)
    line[np.argsort(-rows * line, kind="stable")[MOST_MARKS:]] = False
    start, end = first - row * stride, last - row * stride
    # Where the border of the image cuts a run, its centre is not that of the paint.
    kept = ~wide & line[mark] & (start > 0) & (end < width)
    centre = (start + end - 1) / 2
    return Runs(row[kept], centre[kept], t[kept], _renumbered(mark[kept]), (last - first)[kept])


def _renumbered(names: Ints) -> Ints:
    """The names, all small, by numbers from 0 without a gap, in the same order."""
    return (np.cumsum(np.bincount(names) > 0) - 1)[names]


def _covered(low: Ints, high: Ints, count: int) -> Ints:
    """For each index below `count`, how many of the ranges low..high (exclusive) hold it."""
    steps = np.bincount(low, minlength=count + 1) - np.bincount(high, minlength=count + 1)
    return np.cumsum(steps)[:-1]


def _roots(parent: Ints) -> Ints:
    """Follow parents up to the last one."""
    while (parent != (grand := parent[parent])).any():
        parent = grand
    return parent


def join_marks(runs: Runs, longest_gap: float, width: int) -> Ints:
    """The chain that each mark belongs to, named by its nearest mark.

    Args:
        longest_gap: ratio of t over which marks are joined.
        width: of the label map.
    """
    count = int(runs.mark.max()) + 1
    top, bottom = extent(runs.t, runs.mark, count)
    far = _tangents(runs, count, runs.t <= TANGENT * top[runs.mark])
    near = _tangents(runs, count, runs.t * TANGENT >= bottom[runs.mark])
    # For every pair: i for the nearer mark, j for the farther one.
    gaps = top[:, None] / bottom
    i, j = ((gaps > 0.98) & (gaps < longest_gap) & (near.t0 < far.t0[:, None])).nonzero()
    gap, far, near = gaps[i, j], far[i], near[j]
    t1, t2 = far.t0, np.minimum(near.t0, 0.99 * far.t0)
    meet = 2 * t1 * t2 / (t1 + t2)
    apart = far.x0 + far.slope * (meet - t1) - near.x0 - near.slope * (meet - t2)
    variance = far.variance_at(meet) + near.variance_at(meet) + (STRAYING * meet) ** 2
    between = 1 / t2**2 - 1 / t1**2
    curvature = np.abs(far.slope - near.slope) / between
    curvature_sd = np.sqrt(far.slope_variance + near.slope_variance) / between
    possible = (
        (apart**2 < 9 * variance)
        & (np.abs(apart) < 3 + 0.1 * meet)
        & (curvature < SHARPEST * width**2 + 2 * curvature_sd)
    )
    cost = np.full((count, count), np.inf)
    cost[i, j] = np.where(possible, np.sqrt(apart**2 / variance) + 3 * np.log(np.maximum(gap, 1)), np.inf)
    successor, predecessor = cost.argmin(1), cost.argmin(0)
    everyone = np.arange(count)
    joined = (cost[predecessor, everyone] < np.inf) & (successor[predecessor] == everyone)
    return _roots(np.where(joined, predecessor, everyone))


@dataclass(frozen=True, slots=True)
class Alongside:
    """How every mark runs alongside a known line, from the straight line through its runs.

    Attributes:
        offset: to the right of it, in camera heights; `offset_sd` is its deviation.
        closing: by how many px it misses the line at the horizon, where what is parallel meets.
        variance: of `closing`.
    """

    offset: Doubles
    offset_sd: Doubles
    closing: Doubles
    variance: Doubles


def run_alongside(runs: Runs, known: Doubles) -> Alongside:
    """How marks run alongside a line that is at x `known` in the row of each run."""
    line = _tangents(replace(runs, x=runs.x - known), int(runs.mark.max()) + 1)
    offset = line.x0 / line.t0
    # The runs of a short mark that runs askew are cut off where it ends, which turns it.
    askew = 1 + (ASKEW * offset) ** 2
    variance = askew * line.variance_at(np.zeros(len(offset))) + (STRAYING * line.t0) ** 2
    sd = np.sqrt(askew * CENTRE_SD**2 / line.count + COURSE_SD**2) / line.t0 + STRAYING
    return Alongside(offset, sd, line.x0 - line.slope * line.t0, variance)


def join_alongside(marks: Alongside) -> Ints:
    """Chains of the marks that run alongside a known line at the same offset; the others stay alone."""
    parallel = marks.closing**2 < 9 * marks.variance
    order = np.argsort(np.where(parallel, marks.offset, np.inf), kind="stable")
    offset, variance = marks.offset[order], marks.offset_sd[order] ** 2
    same = parallel[order][1:] & (np.diff(offset) ** 2 < 2.25 * (variance[1:] + variance[:-1]))
    first = np.where(np.append(True, ~same), np.arange(len(order)), 0)
    chain = np.empty_like(order)
    chain[order] = order[np.maximum.accumulate(first)]
    return chain


def _tangents(runs: Runs, count: int, which: Bools | None = None) -> Tangents:
    """Straight lines through the runs of every mark, or through those given."""
    weight = np.ones(len(runs.t)) if which is None else which.astype(np.float64)

    def total(values: Doubles) -> Doubles:
        return np.asarray(np.bincount(runs.mark, values, count), np.float64)

    n = np.maximum(total(weight), 1)
    t0, x0 = total(weight * runs.t) / n, total(weight * runs.x) / n
    dt = weight * (runs.t - t0[runs.mark])
    spread = np.maximum(total(dt**2), 0.5)
    return Tangents(t0, x0, total(dt * runs.x) / spread, CENTRE_SD**2 / spread, n)


def extent(t: Doubles, group: Ints, count: int) -> tuple[Doubles, Doubles]:
    """Least and greatest t of each group."""
    least, most = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(least, group, t)
    np.maximum.at(most, group, t)
    return least, most
