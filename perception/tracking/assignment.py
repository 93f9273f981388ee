"""Pairs of boxes: how much they overlap, and which belong together."""

import numpy as np
import numpy.typing as npt

from perception.types import Doubles


def assign(gains: Doubles) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns that are paired, each at most once, so that the sum of their gains is the greatest.

    Args:
        gains: (n, m), at least 0; what gains nothing is not paired.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to import

    rows, columns = linear_sum_assignment(gains, maximize=True)
    gaining = gains[rows, columns] > 0
    return rows[gaining], columns[gaining]


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
