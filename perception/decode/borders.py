"""Instances from borders: the insides of road users are apart, and a watershed assigns the rest.

The classic way with a class of object borders (Chen et al., "DCAN", 2016) and a watershed over the distance
map of what lies inside them (Beucher and Lantuéjoul, 1979).
"""

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.decode.grouping import Groups, Numbers, mark_pixels, occupied_cells
from perception.types import Bools, Floats

BORDER = 0.75  # probability from which a cell is a border
FEW = 100  # cells: insides of fewer score less than half
SQUARE = np.ones((3, 3), np.uint8)
DEPTH = 0.3  # of an inside's greatest distance to its border: where it is cut at the neck of two


def group_by_borders(labels: npt.NDArray[np.uint8], borders: Floats, classes: ClassSet) -> Groups:
    """The road users of a frame.

    Args:
        labels: uint8 (h, w) class ids.
        borders: (1, h / k, w / k) probability that a cell is one of an instance, next to something
            else.

    Returns:
        Groups; the score is how sure the inside is one, times n / (n + FEW) for an inside of n cells.
    """
    rows, columns = borders.shape[1:]
    border = borders[0]
    numbers = np.zeros(labels.shape, np.uint16)
    class_ids: list[int] = []
    scores: list[float] = []
    for class_id in classes.thing_ids:
        mask = np.multiply(labels == class_id, np.uint8(255))
        if not mask.any():
            continue
        occupied = occupied_cells(mask, rows, columns)
        depth = cv2.distanceTransform((occupied & (border < BORDER)).view(np.uint8), cv2.DIST_L2, 3)
        markers, count = _markers(depth, occupied)
        flooded = _flood(markers, depth, occupied)
        cells = np.where(occupied, flooded + len(class_ids), 0).astype(np.uint16)
        inside = occupied & (depth > 0)
        size = np.bincount(flooded[inside], minlength=count + 1)[1:]
        sure = np.bincount(flooded[inside], 1 - border[inside], minlength=count + 1)[1:]
        scores += (sure / np.maximum(size, 1) * size / (size + FEW)).tolist()
        class_ids += [class_id] * count
        mark_pixels(numbers, cells, mask)
    return Groups(numbers, np.array(class_ids, np.intp), np.array(scores, np.float64))


def _flood(markers: Numbers, depth: Floats, occupied: Bools) -> Numbers:
    """Markers grown over all that is occupied, the deeper first: a watershed of the distance map."""
    level_of = np.where(occupied, np.ceil(depth), -1)
    for level in range(int(depth.max()) + 1, -1, -1):
        dry = (level_of >= level) & (markers == 0)
        while dry.any():
            grown = np.where(dry, cv2.dilate(markers, SQUARE), markers)
            if np.array_equal(grown, markers):
                break
            markers = grown
            dry &= markers == 0
    return markers


def _markers(depth: Floats, occupied: Bools) -> tuple[Numbers, int]:
    """A marker, 1…n, in each inside's depth, and in each component that has no inside."""
    count, inside = cv2.connectedComponents((depth > 0).view(np.uint8), connectivity=4)
    numbers = np.asarray(inside, np.intp)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, numbers.ravel(), depth.ravel())
    core = (depth > 0) & (depth >= DEPTH * deepest[numbers])
    _, whole = cv2.connectedComponents(occupied.view(np.uint8), connectivity=8)
    hollow = ~np.isin(whole, whole[core]) & occupied
    count, markers = cv2.connectedComponents((core | hollow).view(np.uint8), connectivity=8)
    return markers.astype(np.uint16), count - 1
