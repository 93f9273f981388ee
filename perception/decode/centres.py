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
        Groups whose score is the probability of their centre times how well their votes agree on it.
    """
    rows, columns = centres.shape[1:]
    ys, xs = np.mgrid[:rows, :columns].astype(np.float32)
    far = np.hypot(*offsets) / stride
    vote_y = np.clip(np.rint(ys + offsets[1] / stride), 0, rows - 1).astype(np.intp)
    vote_x = np.clip(np.rint(xs + offsets[0] / stride), 0, columns - 1).astype(np.intp)
    numbers = np.zeros(labels.shape, np.uint16)
    class_ids: list[int] = []
    scores: list[float] = []
    for class_id, heat in zip(classes.thing_ids, centres, strict=True):
        mask = np.multiply(labels == class_id, np.uint8(255))
        if not mask.any():
            continue
        occupied = occupied_cells(mask, rows, columns)
        peaks = _peaks(heat)
        cells = np.zeros((rows, columns), np.uint16)
        sureness = np.zeros((rows, columns), np.float32)
        led = np.zeros((rows, columns), bool)
        first = len(class_ids) + 1
        if len(peaks):
            nearest, missed_by = _nearest(peaks, heat.shape)
            number, miss = nearest[vote_y, vote_x], missed_by[vote_y, vote_x]
            led = occupied & (miss <= ASTRAY[0] + ASTRAY[1] * far)
            cells[led] = first + number[led]
            sureness = np.exp(-0.5 * (miss / (SPREAD[0] + SPREAD[1] * far)) ** 2)
        count = np.bincount(cells[led], minlength=first + len(peaks))[first:]
        agreed = np.bincount(cells[led], sureness[led], first + len(peaks))[first:]
        scores += (heat[tuple(peaks.T)] * agreed / np.maximum(count, 1)).tolist()
        unled, sizes = _components(occupied & (cells == 0))
        cells[unled > 0] = first + len(peaks) - 1 + unled[unled > 0]
        scores += (UNLED * sizes / np.count_nonzero(occupied)).tolist()
        class_ids += [class_id] * (len(peaks) + len(sizes))
        mark_pixels(numbers, cells, mask)
    return Groups(numbers, np.array(class_ids, np.intp), np.array(scores, np.float64))


def _components(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.intp]]:
    """The `MOST` largest components of a mask, numbered from 1, and their sizes."""
    count, components, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), ltype=cv2.CV_32S)
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
    """For every cell, the index of the nearest peak and the distance to it in cells."""
    empty = np.ones(shape, np.uint8)
    empty[tuple(peaks.T)] = 0
    distance, voronoi = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index_of = np.zeros(int(voronoi.max()) + 1, np.intp)
    index_of[voronoi[tuple(peaks.T)]] = np.arange(len(peaks))
    return index_of[voronoi], distance.astype(np.float32)
