"""Instances from the class map alone: the connected components of the classes that are things.

A label map has no borders between road users, so road users of one class that touch in the image become one
instance, and one that is cut in two by a pole becomes two.
"""

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.decode.grouping import LEAST_SHARE, Groups


def group_components(labels: npt.NDArray[np.uint8], classes: ClassSet) -> Groups:
    """The connected components of things in a label map, uint8 (h, w).

    The score ranks by size, as labels carry no probability: a component of n pixels scores n / (n + m), where
    m is the least that counts; 0.5 is the smallest accepted.
    """
    numbers = np.zeros(labels.shape, np.uint16)
    class_ids: list[npt.NDArray[np.intp]] = []
    areas: list[npt.NDArray[np.intp]] = []
    found = 0
    least = max(LEAST_SHARE * labels.size, 1)
    for class_id in classes.thing_ids:
        mask = (labels == class_id).view(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:
            continue
        # 16-bit component numbers take half the time, where they cannot run out.
        kind = cv2.CV_16U if (w + 1) * (h + 1) < 4 * 65535 else cv2.CV_32S
        count, components, stats, _ = cv2.connectedComponentsWithStats(
            mask[y : y + h, x : x + w], connectivity=8, ltype=kind
        )
        area = stats[:, cv2.CC_STAT_AREA]
        kept = 1 + np.flatnonzero(area[1:] >= least)  # 0 is what lies between them
        renumbered = np.zeros(count, np.uint16)
        renumbered[kept] = found + 1 + np.arange(len(kept))
        numbers[y : y + h, x : x + w] += np.take(renumbered, components)
        class_ids.append(np.full(len(kept), class_id))
        areas.append(area[kept])
        found += len(kept)
    if not found:
        return Groups(numbers, np.empty(0, np.intp), np.empty(0))
    sizes = np.concatenate(areas)
    return Groups(numbers, np.concatenate(class_ids), sizes / (sizes + least))
