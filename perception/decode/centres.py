"""Instances from centres and offsets: every pixel votes for the centre of the road user that it belongs to.

Cheng et al., "Panoptic-DeepLab", 2020. Here each class has its own centres, so that a pedestrian's pixels
never vote for the car behind, and the nearest centre of a vote is looked up in a Voronoi map: the time taken
does not depend on how many road users there are.
"""

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.decode.grouping import MOST, Groups, mark_pixels, occupied_cells

Floats = npt.NDArray[np.float32]

LEAST_PEAK = 0.1  # probability of a centre
APART = 3  # cells: the window in which a centre is the highest
ASTRAY = 1.5, 0.5  # how far a vote may miss its centre: cells, and shares of its offset
SPREAD = 1.0, 0.25  # deviation of votes that are sure: cells, and shares of their offset
FEW = 16  # cells: instances of fewer score less than half
UNLED = 0.05  # score of pixels that agree on no centre, times the share that belongs together


def group_by_centres(
    labels: npt.NDArray[np.uint8], centres: Floats, offsets: Floats, classes: ClassSet, stride: int
) -> Groups:
    """The road users of a frame.

    Args:
        labels: uint8 (h, w) class ids.
        centres: (things, h / stride, w / stride) probability of a centre, in the order of
            `classes.thing_ids`.
        offsets: (2, h / stride, w / stride) x, y to the centre in pixels.

    Returns:
        Groups whose score is the probability of their centre, times how well their votes agree on it, times
        n / (n + FEW) for n cells.
    """
    rows, columns = centres.shape[1:]
    numbers = np.zeros(labels.shape, np.uint16)
    class_ids: list[int] = []
    scores: list[float] = []
    for class_id, heat in zip(classes.thing_ids, centres, strict=True):
        mask = np.multiply(labels == class_id, np.uint8(255))
        if not mask.any():
            continue
        y, x = np.nonzero(occupied_cells(mask, rows, columns))
        dx, dy = offsets[:, y, x] / stride
        far = np.hypot(dx, dy)
        vote = (
            np.clip(np.rint(y + dy), 0, rows - 1).astype(np.intp),
            np.clip(np.rint(x + dx), 0, columns - 1).astype(np.intp),
        )
        peaks = _peaks(heat)
        nearest, missed_by = _nearest(peaks, heat.shape)
        group, miss = nearest[vote], missed_by[vote]
        group[miss > ASTRAY[0] + ASTRAY[1] * far] = -1
        led = group >= 0
        count = np.bincount(group[led], minlength=len(peaks))
        agreement = np.exp(-0.5 * (miss / (SPREAD[0] + SPREAD[1] * far)) ** 2)
        agreed = np.bincount(group[led], agreement[led], len(peaks))
        scores += (heat[tuple(peaks.T)] * agreed / (count + FEW)).tolist()
        cells = np.zeros((rows, columns), np.uint16)
        cells[y[~led], x[~led]] = 1
        unled, sizes = _components(cells)
        scores += (UNLED * sizes / len(y)).tolist()
        cells = np.where(unled > 0, unled + (len(class_ids) + len(peaks)), 0).astype(np.uint16)
        cells[y[led], x[led]] = len(class_ids) + 1 + group[led]
        class_ids += [class_id] * (len(peaks) + len(sizes))
        mark_pixels(numbers, cells, mask)
    return Groups(numbers, np.array(class_ids, np.intp), np.array(scores, np.float64))


def _components(mask: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.intp]]:
    """The `MOST` largest components of a mask, numbered from 1, and their sizes."""
    count, components, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), ltype=cv2.CV_32S)
    largest = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MOST]
    numbers = np.zeros(count, np.uint16)
    numbers[largest] = 1 + np.arange(len(largest))
    return numbers[components], stats[largest, cv2.CC_STAT_AREA]


def _peaks(heat: Floats) -> npt.NDArray[np.intp]:
    """Cells (n, 2), row and column, of the highest peaks."""
    highest = cv2.dilate(heat, np.ones((APART, APART), np.uint8))
    peaks = np.argwhere((heat == highest) & (heat >= LEAST_PEAK))
    order = np.argsort(-heat[tuple(peaks.T)], kind="stable")
    return peaks[order[:MOST]]


def _nearest(peaks: npt.NDArray[np.intp], shape: tuple[int, ...]) -> tuple[npt.NDArray[np.intp], Floats]:
    """For every cell, the index of the nearest peak and the distance to it in cells; infinite without any."""
    if not len(peaks):
        return np.zeros(shape, np.intp), np.full(shape, np.inf, np.float32)
    empty = np.ones(shape, np.uint8)
    empty[tuple(peaks.T)] = 0
    distance, voronoi = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index_of = np.zeros(int(voronoi.max()) + 1, np.intp)
    index_of[voronoi[tuple(peaks.T)]] = np.arange(len(peaks))
    return index_of[voronoi], distance.astype(np.float32)
