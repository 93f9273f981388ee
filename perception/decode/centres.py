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

LEAST_PEAK = 0.1  # probability of a centre
LEAST_VOTES = 4.0  # around a centre
AROUND = 7  # cells: the window in which votes are counted, and a centre is the highest
BORDER = 0.5  # probability from which a cell parts two centres
NEIGHBOURS, STEPS = 6, 12  # of a centre, and places on the way to each where a border is looked for
ASTRAY = 4.0, 2.0  # how far a vote may miss its centre: cells, and shares of its offset
SPREAD = 1.0, 0.25  # deviation of votes that are sure: cells, and shares of their offset
FEW = 100  # cells: instances of fewer score less than half
UNLED = 0.05  # for a centre's probability, where votes agree on none
_WINDOW = np.ones((AROUND, AROUND), np.uint8)
_SHARES = np.linspace(0, 1, STEPS)[:, None, None]  # of the way from one centre to another


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
        mask = np.asarray(cv2.inRange(labels, class_id, class_id), np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        if width == 0:
            continue
        # All that follows is done where the class is: its centres lie between its pixels.
        rows = slice(top // stride, -(-(top + height) // stride))
        columns = slice(left // stride, -(-(left + width) // stride))
        pixels = tuple(slice(stride * side.start, stride * side.stop) for side in (rows, columns))
        occupied = occupied_cells(mask[pixels], rows.stop - rows.start, columns.stop - columns.start)
        steps = offsets[:, rows, columns] / np.float32(stride)
        parts = occupied, heat[rows, columns], steps, borders[0, rows, columns]
        cells, found = _group(*parts, len(scores))
        mark_pixels(numbers[pixels], cells, mask[pixels])
        class_ids += [class_id] * len(found)
        scores += found
    return Groups(numbers, np.array(class_ids, np.intp), np.array(scores, np.float64))


def _group(
    occupied: Bools, heat: Floats, offsets: Floats, border: Floats, before: int
) -> tuple[Numbers, list[float]]:
    """1 + the index of each cell's group, 0 none, and the groups' scores, for one class; offsets in cells.

    `before` groups of other classes come before them.
    """
    voter = np.flatnonzero(occupied)  # places in a map are looked up faster as one number than as two
    votes, far = _cast(voter, occupied, offsets)
    peaks = _parted(_peaks(heat, votes), border)
    if not len(peaks):
        return _components(occupied.view(np.uint8), before)
    group, miss = _nearest(peaks, votes, heat.shape)
    led = miss <= ASTRAY[0] + ASTRAY[1] * far
    count = np.bincount(group[led], minlength=len(peaks))
    agreement = np.exp(-0.5 * (miss / (SPREAD[0] + SPREAD[1] * far)) ** 2)
    agreed = np.bincount(group[led], agreement[led], len(peaks))
    scores = np.sqrt(heat[tuple(peaks.T)] * agreed / (count + FEW)).tolist()
    unled = np.zeros(occupied.shape, np.uint8)
    unled.ravel()[voter] = ~led
    cells, more = _components(unled, before + len(peaks))
    cells.ravel()[voter[led]] = 1 + before + group[led]
    return cells, scores + more


def _cast(voter: Ints, occupied: Bools, offsets: Floats) -> tuple[Ints, Floats]:
    """The cell that each voter's vote ends in, counted along the rows, and how long its own offset is."""
    x, y = offsets
    row, column = divmod(voter, occupied.shape[1])
    own_x, own_y = x.take(voter), y.take(voter)
    first = _cell(row + own_y, column + own_x, occupied.shape)
    row, column = divmod(first, occupied.shape[1])
    passed_on = occupied.take(first)
    last = _cell(row + passed_on * y.take(first), column + passed_on * x.take(first), occupied.shape)
    return last, np.hypot(own_x, own_y)


def _cell(y: Floats, x: Floats, shape: tuple[int, ...]) -> Ints:
    """The nearest cells to these places, counted along the rows."""
    for place, side in zip((y, x), shape, strict=True):
        np.rint(place, out=place)
        np.maximum(place, 0, out=place)
        np.minimum(place, side - 1, out=place)
    return (y * shape[1] + x).astype(np.intp)


def _peaks(heat: Floats, votes: Ints) -> Ints:
    """Centres (n, 2), row and column: cells that are likely to be one and that votes gather at."""
    ballot = np.bincount(votes, minlength=heat.size).astype(np.float32).reshape(heat.shape)
    gathered = cv2.boxFilter(ballot, -1, (AROUND, AROUND), normalize=False)
    height = heat * np.sqrt(gathered)
    likely = np.flatnonzero((heat >= LEAST_PEAK) & (gathered >= LEAST_VOTES))
    if not len(likely):
        return np.empty((0, 2), np.intp)
    tall = height.take(likely)
    highest = tall == cv2.dilate(height, _WINDOW).take(likely)
    order = np.argsort(-tall[highest], kind="stable")[:MOST]
    return np.stack(divmod(likely[highest][order], heat.shape[1]), 1)


def _parted(peaks: Ints, border: Floats) -> Ints:
    """The peaks, highest first, without those that no border parts from a higher one nearby."""
    if len(peaks) < 2:
        return peaks
    apart = np.hypot(*(peaks[:, None] - peaks).T)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, 1 : NEIGHBOURS + 1]
    one, other = np.repeat(np.arange(len(peaks)), nearest.shape[1]), nearest.ravel()
    way = np.rint((1 - _SHARES) * peaks[one] + _SHARES * peaks[other]).astype(np.intp)
    same = border[way[..., 0], way[..., 1]].max(0) < BORDER
    kept = np.ones(len(peaks), np.bool_)
    kept[one[same & (other < one)]] = False
    return peaks[kept]


def _components(mask: Image, before: int) -> tuple[Numbers, list[float]]:
    """The `MOST` largest components of a mask, numbered from `before` + 1, and their scores."""
    if not cv2.hasNonZero(mask):
        return np.zeros(mask.shape, np.uint16), []
    count, components, stats, _ = cv2.connectedComponentsWithStats(mask, ltype=cv2.CV_32S)
    largest = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MOST]
    numbers = np.zeros(count, np.uint16)
    numbers[largest] = before + 1 + np.arange(len(largest))
    sizes = stats[largest, cv2.CC_STAT_AREA]
    return numbers[components], np.sqrt(UNLED * sizes / (sizes + FEW)).tolist()


def _nearest(peaks: Ints, votes: Ints, shape: tuple[int, ...]) -> tuple[Ints, Floats]:
    """For every vote, the index of the nearest peak and the distance to it in cells."""
    empty = np.ones(shape, np.uint8)
    empty[tuple(peaks.T)] = 0
    kind = cv2.DIST_LABEL_PIXEL
    distance, voronoi = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=kind)
    index_of = np.zeros(1 + len(peaks), np.intp)
    index_of[voronoi[tuple(peaks.T)]] = np.arange(len(peaks))
    return index_of[np.take(voronoi, votes)], np.take(distance, votes).astype(np.float32, copy=False)
