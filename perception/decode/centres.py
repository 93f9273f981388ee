"""Instances from centres and offsets: every pixel votes for the centre of the road user that it belongs to.

Cheng et al., "Panoptic-DeepLab", 2020. Three things differ. Each class has its own centres, so that a
pedestrian's pixels never vote for the car behind. A vote is passed on once by the pixel that it hits, which
knows the way better. And centres are those peaks that votes gather at, unless a higher one lies near with no
border between them. The nearest one to a vote is looked up in a Voronoi map, so that the time taken does not
depend on how many road users there are.
"""

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.decode.grouping import MOST, Groups, Numbers, mark_pixels, occupied_cells
from perception.types import Bools, Floats, Image, Ints

Cells = tuple[Ints, Ints]  # rows, columns

LEAST_PEAK = 0.1  # probability of a centre
LEAST_VOTES = 4.0  # around a centre
AROUND = 7  # cells: the window in which votes are counted, and a centre is the highest
BORDER = 0.5  # probability from which a cell parts two centres
NEIGHBOURS, STEPS = 6, 12  # of a centre, and places on the way to each where a border is looked for
ASTRAY = 4.0, 2.0  # how far a vote may miss its centre: cells, and shares of its offset
SPREAD = 1.0, 0.25  # deviation of votes that are sure: cells, and shares of their offset
FEW = 100  # cells: instances of fewer score less than half
UNLED = 0.05  # for a centre's probability, where votes agree on none


def group_by_centres(
    labels: Image, centres: Floats, offsets: Floats, borders: Floats, classes: ClassSet, stride: int
) -> Groups:
    """The road users of a frame.

    Args:
        labels: uint8 (h, w) class ids.
        centres: (things, h / stride, w / stride) probability of a centre, in the order of
            `classes.thing_ids`.
        offsets: (2, h / stride, w / stride) x, y to the centre in pixels.
        borders: (1, h / stride, w / stride) probability that a cell is one of an instance, next to
            something else.

    Returns:
        Groups; the score is the root of the probability of the centre, times how well the votes agree on it,
        times n / (n + FEW) for n cells.
    """
    numbers = np.zeros(labels.shape, np.uint16)
    class_ids: list[int] = []
    scores: list[float] = []
    for class_id, heat in zip(classes.thing_ids, centres, strict=True):
        mask = np.multiply(labels == class_id, np.uint8(255))
        left, top, width, height = cv2.boundingRect(mask)
        if width == 0:
            continue
        # All that follows is done where the class is: its centres lie between its pixels.
        rows = slice(top // stride, -(-(top + height) // stride))
        columns = slice(left // stride, -(-(left + width) // stride))
        pixels = tuple(slice(stride * side.start, stride * side.stop) for side in (rows, columns))
        occupied = occupied_cells(mask[pixels], rows.stop - rows.start, columns.stop - columns.start)
        steps = offsets[:, rows, columns] / np.float32(stride)
        cells, found = _group(occupied, heat[rows, columns], steps, borders[0, rows, columns])
        cells[cells > 0] += len(scores)
        mark_pixels(numbers[pixels], cells, mask[pixels])
        class_ids += [class_id] * len(found)
        scores += found
    return Groups(numbers, np.array(class_ids, np.intp), np.array(scores, np.float64))


def _group(occupied: Bools, heat: Floats, offsets: Floats, border: Floats) -> tuple[Numbers, list[float]]:
    """1 + the index of each cell's group, 0 none, and the groups' scores, for one class; offsets in cells."""
    y, x = np.nonzero(occupied)
    votes, far = _cast((y, x), occupied, offsets)
    peaks = _parted(_peaks(heat, votes), border)
    nearest, missed_by = _nearest(peaks, heat.shape)
    group, miss = nearest.take(votes), missed_by.take(votes)
    led = miss <= ASTRAY[0] + ASTRAY[1] * far
    count = np.bincount(group[led], minlength=len(peaks))
    agreement = np.exp(-0.5 * (miss / (SPREAD[0] + SPREAD[1] * far)) ** 2)
    agreed = np.bincount(group[led], agreement[led], len(peaks))
    scores = np.sqrt(heat[tuple(peaks.T)] * agreed / (count + FEW)).tolist()
    unled = np.zeros(occupied.shape, np.uint8)
    unled[y, x] = ~led
    parts, sizes = _components(unled)
    cells = np.where(parts > 0, parts + np.uint16(len(peaks)), np.uint16(0))
    cells[y[led], x[led]] = 1 + group[led]
    return cells, scores + np.sqrt(UNLED * sizes / (sizes + FEW)).tolist()


def _cast(voters: Cells, occupied: Bools, offsets: Floats) -> tuple[Ints, Floats]:
    """The cell that each voter's vote ends in, counted along the rows, and how long its own offset is."""
    x, y = offsets
    columns = occupied.shape[1]
    voter = voters[0] * columns + voters[1]  # places in a map are looked up faster as one number than as two
    own_x, own_y = x.take(voter), y.take(voter)
    row, column = _clip(voters[0] + own_y, voters[1] + own_x, occupied.shape)
    first = row * columns + column
    passed_on = occupied.take(first)
    row, column = _clip(row + passed_on * y.take(first), column + passed_on * x.take(first), occupied.shape)
    return row * columns + column, np.hypot(own_x, own_y)


def _clip(y: Floats, x: Floats, shape: tuple[int, ...]) -> Cells:
    """The nearest cells to these places."""
    row, column = (np.clip(np.rint(v), 0, side - 1) for v, side in zip((y, x), shape, strict=True))
    return row.astype(np.intp), column.astype(np.intp)


def _peaks(heat: Floats, votes: Ints) -> Ints:
    """Centres (n, 2), row and column: cells that are likely to be one and that votes gather at."""
    ballot = np.bincount(votes, minlength=heat.size).astype(np.float32).reshape(heat.shape)
    gathered = cv2.boxFilter(ballot, -1, (AROUND, AROUND), normalize=False)
    height = heat * np.sqrt(gathered)
    highest = cv2.dilate(height, np.ones((AROUND, AROUND), np.uint8))
    peaks = np.argwhere((height == highest) & (heat >= LEAST_PEAK) & (gathered >= LEAST_VOTES))
    return peaks[np.argsort(-height[tuple(peaks.T)], kind="stable")[:MOST]]


def _parted(peaks: Ints, border: Floats) -> Ints:
    """The peaks, highest first, without those that no border parts from a higher one nearby."""
    if len(peaks) < 2:
        return peaks
    apart = np.hypot(*(peaks[:, None] - peaks).T)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, 1 : NEIGHBOURS + 1]
    one, other = np.repeat(np.arange(len(peaks)), nearest.shape[1]), nearest.ravel()
    share = np.linspace(0, 1, STEPS)[:, None, None]
    way = np.rint((1 - share) * peaks[one] + share * peaks[other]).astype(np.intp)
    same = border[way[..., 0], way[..., 1]].max(0) < BORDER
    return np.delete(peaks, one[same & (other < one)], axis=0)


def _components(mask: Image) -> tuple[Numbers, Ints]:
    """The `MOST` largest components of a mask, numbered from 1, and their sizes."""
    count, components, stats, _ = cv2.connectedComponentsWithStats(mask, ltype=cv2.CV_32S)
    largest = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MOST]
    numbers = np.zeros(count, np.uint16)
    numbers[largest] = 1 + np.arange(len(largest))
    return numbers[components], stats[largest, cv2.CC_STAT_AREA]


def _nearest(peaks: Ints, shape: tuple[int, ...]) -> tuple[Ints, Floats]:
    """For every cell, the index of the nearest peak and the distance to it in cells; infinite without any."""
    if not len(peaks):
        return np.full(shape, -1), np.full(shape, np.inf, np.float32)
    empty = np.ones(shape, np.uint8)
    empty[tuple(peaks.T)] = 0
    kind = cv2.DIST_LABEL_PIXEL
    distance, voronoi = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=kind)
    index_of = np.zeros(int(voronoi.max()) + 1, np.intp)
    index_of[voronoi[tuple(peaks.T)]] = np.arange(len(peaks))
    return index_of[voronoi], distance.astype(np.float32)
