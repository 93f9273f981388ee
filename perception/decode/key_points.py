"""Key points: the peaks of heat maps, finer than their cells."""

import cv2
import numpy as np
import numpy.typing as npt

from perception.scene import KeyPoint
from perception.types import Floats

LEAST_PEAK = 0.25  # probability of a key point
MOST = 50  # key points of each name; the surest are kept
FLOOR = 1e-6  # probability that stands for none: its logarithm is finite
_AROUND = np.ones((3, 3), np.uint8)
_BEFORE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], np.uint8)


def find_key_points(heat: Floats, names: tuple[str, ...], height: int, width: int) -> tuple[KeyPoint, ...]:
    """The peaks of each channel of `heat`, (names, h, w) probabilities, in a frame of `height` and `width`.

    A peak is the highest of its 3×3 cells. A parabola through the logarithms of a peak and its neighbours, on
    each axis, gives its place between the cells: exactly, where the heat falls off as a Gaussian does.
    The centre of the frame's first pixel is at 0, 0.

    Returns:
        In the order of the names; those of the same name the surest first.
    """
    rows, columns = heat.shape[1:]
    found = []
    for name, channel in zip(names, heat, strict=True):
        y, x = _peaks(channel)
        scores = channel[y, x]
        order = np.argsort(-scores, kind="stable")[:MOST]
        y, x, scores = y[order], x[order], scores[order]
        logs = np.pad(np.log(np.maximum(channel, FLOOR)), 1, mode="reflect")
        centre = logs[y + 1, x + 1]
        xs = (x + 0.5 + _vertex(logs[y + 1, x], centre, logs[y + 1, x + 2])) * width / columns - 0.5
        ys = (y + 0.5 + _vertex(logs[y, x + 1], centre, logs[y + 2, x + 1])) * height / rows - 0.5
        for point in zip(xs.tolist(), ys.tolist(), scores.tolist(), strict=True):
            found.append(KeyPoint(name, *point))
    return tuple(found)


def _peaks(channel: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the peaks; of equal neighbours the first one is it."""
    highest = channel >= cv2.dilate(channel, _AROUND)
    y, x = np.nonzero(highest & (channel > cv2.dilate(channel, _BEFORE)) & (channel >= LEAST_PEAK))
    return y, x


def _vertex(before: Floats, centre: Floats, after: Floats) -> Floats:
    """Where the parabola through values at −1, 0 and 1 is highest: −0.5..0.5, or 0 where they are equal."""
    bend = 2 * centre - before - after
    offset: Floats = (after - before) / (2 * np.maximum(bend, FLOOR))
    return offset
