"""What all ways of instance segmentation share: groups of pixels become the instances of a scene."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from perception.resample import resize_ids, source_pixels
from perception.scene import Instance

LEAST_SHARE = 1e-4  # of the map's pixels; what is smaller counts as noise
MOST = 200  # instances of each class; the surest are kept


Numbers = npt.NDArray[np.uint16]  # of groups


@dataclass(frozen=True)
class Groups:
    """Pixels that belong together.

    Attributes:
        numbers: uint16 (h, w): 1 + the index of each pixel's group, 0 none.
        class_ids: (n,) integers.
        scores: (n,) float, 0..1.
    """

    numbers: Numbers
    class_ids: npt.NDArray[np.intp]
    scores: npt.NDArray[np.float64]

    @cached_property
    def extents(self) -> "Extents":
        return extents_of(self.numbers, len(self.class_ids))


@dataclass(frozen=True)
class Extents:
    """Where groups are.

    Attributes:
        boxes: (n, 4) x0, y0, x1, y1 of each; of one without pixels, x1 is 0.
        areas: (n,) pixels.
        numbers, lengths: of runs of equal pixels, row after row, each row with a 0 after it.
    """

    boxes: npt.NDArray[np.intp]
    areas: npt.NDArray[np.intp]
    numbers: Numbers
    lengths: npt.NDArray[np.intp]

    def renumbered(self, ids: Numbers, shape: tuple[int, ...]) -> Numbers:
        """The map (h, w) with ids, one for each number, in the place of numbers."""
        rows, columns = shape
        pixels = np.repeat(ids[self.numbers], self.lengths)
        return np.ascontiguousarray(pixels.reshape(rows, columns + 1)[:, :-1])


NO_GROUPS = Groups(np.zeros((1, 1), np.uint16), np.zeros(0, np.intp), np.zeros(0))


def occupied_cells(mask: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """Which cells of a (rows, columns) grid hold any of a mask's pixels, uint8 (h, w), 0 or 255.

    The sides are multiples of the grid's; a cell has at most 16 × 16 pixels.
    """
    return cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA) > 0


def mark_pixels(numbers: Numbers, cells: Numbers, mask: npt.NDArray[np.uint8]) -> None:
    """Write the number of each pixel's cell into `numbers`, where the mask, uint8 (h, w), is not 0."""
    cv2.copyTo(resize_ids(cells, *numbers.shape), mask, numbers)


def make_instances(
    groups: Groups, height: int, width: int, least: Mapping[int, float] | None = None
) -> tuple[Numbers, tuple[Instance, ...]]:
    """The instances that groups are, in a frame of `height` and `width`.

    Args:
        least: class id → score from which its groups count; all count of a class without one.

    Returns:
        The instance map, uint16, of the groups' size but at most the frame's, 0 none, else class
        id × 1000 + k; and the instances, with boxes that fit their pixels exactly in that map enlarged to the
        frame's size, in each class the surest first (k = 1).
    """
    rows, columns = groups.numbers.shape
    # Never above the frame's size: what is found there, the frame can show.
    numbers = resize_ids(groups.numbers, min(rows, height), min(columns, width))
    if numbers is not groups.numbers:
        groups = replace(groups, numbers=numbers)
    areas = groups.extents.areas
    order = np.lexsort((-areas, -groups.scores, groups.class_ids))
    large = areas[order] >= max(LEAST_SHARE * numbers.size, 1)
    needed = np.array([(least or {}).get(class_id, 0.0) for class_id in groups.class_ids.tolist()])
    order = order[large & (groups.scores >= needed)[order]]
    y_edges, x_edges = (_enlarged_edges(*sides) for sides in zip(numbers.shape, (height, width), strict=True))
    boxes = groups.extents.boxes.tolist()
    ids = np.zeros(1 + len(boxes), np.uint16)
    instances = []
    k = dict.fromkeys(groups.class_ids.tolist(), 0)
    for i in order.tolist():
        class_id = int(groups.class_ids[i])
        if k[class_id] == MOST:
            continue
        k[class_id] += 1
        ids[i + 1] = class_id * 1000 + k[class_id]
        x0, y0, x1, y1 = boxes[i]
        box = (x_edges[x0], y_edges[y0], x_edges[x1], y_edges[y1])
        instances.append(Instance(int(ids[i + 1]), class_id, float(groups.scores[i]), box))
    return groups.extents.renumbered(ids, numbers.shape), tuple(instances)


def extents_of(numbers: Numbers, count: int) -> Extents:
    """Boxes and areas of the groups 1 to `count`.

    Only the ends of runs along the rows are looked at, which are few: 0.1 to 0.3 ms for 300×570 pixels with
    up to 100 groups, less than `scipy.ndimage.find_objects` takes, and its import takes 0.4 s.
    """
    rows, columns = numbers.shape
    stride = columns + 1
    pixels = np.zeros(1 + rows * stride, numbers.dtype)  # a 0 before and after every row
    pixels[1:].reshape(rows, stride)[:, :-1] = numbers
    ends = np.flatnonzero(pixels[1:] != pixels[:-1])
    y = ends // stride
    x = ends - stride * y
    before, after = pixels[ends], pixels[ends + 1]
    boxes = np.empty((4, count + 1), np.intp)
    boxes[:] = [[columns], [rows], [0], [0]]
    np.minimum.at(boxes[0], after, x)
    np.minimum.at(boxes[1], after, y)
    np.maximum.at(boxes[2], before, x)
    np.maximum.at(boxes[3], before, y + 1)
    areas = np.bincount(before, x, count + 1) - np.bincount(after, x, count + 1)
    lengths = np.diff(ends, prepend=0, append=rows * stride)
    return Extents(boxes.T[1:], areas[1:].astype(np.intp), np.append(before, pixels[-1:]), lengths)


@lru_cache
def _enlarged_edges(size: int, enlarged: int) -> tuple[float, ...]:
    """Where `resize_ids` puts the edges between pixels of a side: size + 1 of them, in enlarged pixels."""
    return tuple(np.searchsorted(source_pixels(size, enlarged), np.arange(size + 1)).astype(float).tolist())
