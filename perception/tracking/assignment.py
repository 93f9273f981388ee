"""Pairs of boxes: how much they overlap, and which belong together."""

import math
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
        between = gains[np.ix_(some, others)]
        if len(some) > len(others):
            partners = np.array(_cheapest((-between.T).tolist()))
            chosen = np.concatenate([rows, some[partners]]), np.concatenate([columns, others])
        else:
            partners = np.array(_cheapest((-between).tolist()))
            chosen = np.concatenate([rows, some]), np.concatenate([columns, others[partners]])
        rows, columns = chosen
    order = np.argsort(rows)
    rows, columns = rows[order], columns[order]
    gaining = gains[rows, columns] > 0
    return rows[gaining], columns[gaining]


def _cheapest(costs: list[list[float]]) -> list[int]:
    """The column of each row, as by `scipy.optimize.linear_sum_assignment`: its import takes 0.4 s.

    By shortest augmenting paths (Jonker and Volgenant 1987, as in Crouse 2016): each row in turn takes the
    column to which the cheapest chain of exchanges leads. In plain Python, as there are few.

    Args:
        costs: no more rows than columns.
    """
    width = len(costs[0])
    row_of, column_of = [-1] * width, [-1] * len(costs)
    row_price, column_price = [0.0] * len(costs), [0.0] * width
    for start in range(len(costs)):
        length, before, left = [math.inf] * width, [-1] * width, list(range(width))
        passed: list[int] = []  # columns, in the order in which they were reached
        row, walked = start, 0.0
        while row >= 0:
            paid, prices = walked - row_price[row], costs[row]
            nearest = left[0]
            for column in left:
                through = paid + prices[column] - column_price[column]
                if through < length[column]:
                    length[column], before[column] = through, row
                if length[column] < length[nearest]:
                    nearest = column
            walked = length[nearest]
            left.remove(nearest)
            passed.append(nearest)
            row = row_of[nearest]
        row_price[start] += walked
        for column in passed[:-1]:
            row_price[row_of[column]] += walked - length[column]
            column_price[column] -= walked - length[column]
        column = passed[-1]
        while column >= 0:  # each row on the way gives its column to the one before it
            row = before[column]
            row_of[column] = row
            column_of[row], column = column, column_of[row]
    return column_of


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
