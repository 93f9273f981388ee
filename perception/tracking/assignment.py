"""Pairs of boxes: how much they overlap, and which belong together."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from perception.types import Doubles

Indices: TypeAlias = npt.NDArray[np.intp]


def assign(gains: Doubles) -> tuple[Indices, Indices]:
    """Rows and columns that are paired, each at most once, so that the sum of their gains is the greatest.

    Args:
        gains: (n, m), at least 0; what gains nothing is not paired.
    """
    possible = gains > 0
    alone = possible & (possible.sum(axis=0) == 1) & (possible.sum(axis=1) == 1)[:, None]
    rows, columns = np.nonzero(alone)
    contested = possible & ~alone
    some, others = np.flatnonzero(contested.any(axis=1)), np.flatnonzero(contested.any(axis=0))
    if len(some):
        chosen, partners = _cheapest(-gains[np.ix_(some, others)])
        rows = np.concatenate([rows, some[chosen]])
        columns = np.concatenate([columns, others[partners]])
    order = np.argsort(rows)
    rows, columns = rows[order], columns[order]
    gaining = gains[rows, columns] > 0
    return rows[gaining], columns[gaining]


def _cheapest(costs: Doubles) -> tuple[Indices, Indices]:
    """As `scipy.optimize.linear_sum_assignment`, whose import takes longer than to load the network.

    By shortest augmenting paths (Jonker and Volgenant 1987, as in Crouse 2016): each row in turn takes the
    column to which the cheapest chain of exchanges leads. 0.4 ms for 10 × 10.
    """
    if costs.shape[0] > costs.shape[1]:
        columns, rows = _cheapest(costs.T)
        return rows, columns
    count, width = costs.shape
    row_of, column_of = np.full(width, -1), np.full(count, -1)
    row_price, column_price = np.zeros(count), np.zeros(width)
    for start in range(count):
        length, before = np.full(width, np.inf), np.full(width, -1)
        done = np.zeros(width, np.bool_)
        row, column, walked = start, -1, 0.0
        passed = [start]
        while column < 0 or row_of[column] >= 0:
            if column >= 0:
                row = int(row_of[column])
                passed.append(row)
            through = walked + costs[row] - row_price[row] - column_price
            shorter = ~done & (through < length)
            length[shorter], before[shorter] = through[shorter], row
            column = int(np.argmin(np.where(done, np.inf, length)))
            walked = float(length[column])
            done[column] = True
        row_price[start] += walked
        row_price[passed[1:]] += walked - length[column_of[passed[1:]]]
        column_price[done] -= walked - length[done]
        while column >= 0:  # each row on the way gives its column to the one after it
            row = int(before[column])
            row_of[column] = row
            column_of[row], column = column, (-1 if row == start else int(column_of[row]))
    return np.arange(count), column_of


def box_iou(boxes: Doubles, others: Doubles) -> Doubles:
    """Intersection over union of each of the boxes (n, 4) with each of the others (m, 4): (n, m)."""
    return overlap(boxes[:, None], others)


def overlap(boxes: Doubles, others: Doubles) -> Doubles:
    """IoU of boxes (..., 4) with others, broadcast; a box with negative sides has no area."""
    corner, opposite = (
        np.maximum(boxes[..., :2], others[..., :2]),
        np.minimum(boxes[..., 2:], others[..., 2:]),
    )
    common = _area(corner, opposite)
    either = _area(boxes[..., :2], boxes[..., 2:]) + _area(others[..., :2], others[..., 2:]) - common
    return common / np.maximum(either, 1e-9)


def _area(corner: Doubles, opposite: Doubles) -> Doubles:
    sides = np.maximum(opposite - corner, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def size(boxes: Doubles) -> Doubles:
    """The root of the area, in pixels; a pixel at least."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    return np.asarray(np.sqrt(sides[:, 0] * sides[:, 1]))
