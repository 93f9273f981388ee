"""Parts of one road user that came as two: a rider and the two-wheeler, a piece in the middle of another."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.decode.grouping import Groups, Numbers
from perception.scene import Instance
from perception.types import Bools

RIDER, RIDDEN = "pedestrian", "two_wheeler"  # a two-wheeler is one road user with its rider
OVER = 0.6  # of the rider's width lies over the two-wheeler
SEAT = (
    0.15  # of the two-wheeler's height: so far above its bottom a rider ends, who has no foot on the ground
)
Labels = npt.NDArray[np.uint8]
_AROUND = np.ones((3, 3), np.uint8)


def join_parts(groups: Groups, classes: ClassSet) -> Groups:
    """The groups with parts joined to what they are parts of; those have no pixels of their own any more.

    A rider joins the two-wheeler that it sits on: the one that it touches most of those that it lies over,
    that begin below its top and end below its bottom. A group joins one of its own class, or a rider the
    two-wheeler, that surrounds it on all sides. Somebody in front of a vehicle stays: the classes differ,
    and what stands in front of another one ends below it.
    """
    count = len(groups.class_ids)
    if count < 2:
        return groups
    boxes = groups.extents.boxes
    whole = np.arange(count)
    kinds = groups.class_ids.copy()
    if {RIDER, RIDDEN} <= set(classes.names):
        rider, ridden = classes.id(RIDER), classes.id(RIDDEN)
        wheels = np.flatnonzero(kinds == ridden)
        for part in np.flatnonzero((kinds == rider) & (boxes[:, 2] > 0)).tolist():
            below = wheels[_sits_on(boxes[part], boxes[wheels])]
            contact = [_contact(groups, boxes, part, wheel) for wheel in below.tolist()]
            if any(contact):
                whole[part] = below[int(np.argmax(contact))]
        kinds[kinds == rider] = ridden  # what surrounds a rider may be the two-wheeler
    inside = _contains(boxes[:, None], boxes) & (kinds[:, None] == kinds) & (boxes[:, 2] > 0)
    inside &= (groups.class_ids[:, None] == groups.class_ids) | (groups.class_ids[:, None] == kinds[:, None])
    for outer, part in np.argwhere(inside).tolist():
        if whole[part] == part and _surrounds(groups, boxes[outer], outer, part):
            whole[part] = outer
    if (whole == np.arange(count)).all():
        return groups
    numbers = np.concatenate([[0], 1 + whole[whole]]).astype(np.uint16)
    return replace(groups, numbers=groups.extents.renumbered(numbers, groups.numbers.shape))


def ridden(labels: Labels, instance_map: Numbers, instances: Sequence[Instance], classes: ClassSet) -> Labels:
    """The labels (h, w) with the pixels of riders as the two-wheelers' that they are part of."""
    if not {RIDER, RIDDEN} <= set(classes.names):
        return labels
    rider, two_wheeler = classes.id(RIDER), classes.id(RIDDEN)
    if all(one.class_id != two_wheeler for one in instances):
        return labels
    on_wheels = cv2.inRange(instance_map, 1000 * two_wheeler, 1000 * two_wheeler + 999)
    riding = cv2.bitwise_and(on_wheels, cv2.inRange(labels, rider, rider))
    if not cv2.hasNonZero(riding):
        return labels
    return np.where(riding, np.uint8(two_wheeler), labels)


def _sits_on(part: npt.NDArray[np.intp], wheels: npt.NDArray[np.intp]) -> Bools:
    """By their boxes: which of the two-wheelers (n, 4) the rider may sit on."""
    over = np.minimum(part[2], wheels[:, 2]) - np.maximum(part[0], wheels[:, 0])
    seat = wheels[:, 3] - SEAT * (wheels[:, 3] - wheels[:, 1])
    return np.asarray((over >= OVER * (part[2] - part[0])) & (part[1] < wheels[:, 1]) & (part[3] <= seat))


def _contact(groups: Groups, boxes: npt.NDArray[np.intp], one: int, other: int) -> int:
    """How many pixels of the other one are next to the one."""
    x0, y0 = np.minimum(boxes[one, :2], boxes[other, :2])
    x1, y1 = np.maximum(boxes[one, 2:], boxes[other, 2:])
    window = groups.numbers[y0:y1, x0:x1]
    around = cv2.dilate((window == one + 1).view(np.uint8), _AROUND) > 0
    return int(np.count_nonzero(around & (window == other + 1)))


def _contains(outer: npt.NDArray[np.intp], part: npt.NDArray[np.intp]) -> Bools:
    """Whether boxes (..., 4) lie inside others, without touching their sides."""
    return np.asarray(((outer[..., :2] < part[..., :2]) & (outer[..., 2:] > part[..., 2:])).all(-1))


def _surrounds(groups: Groups, box: npt.NDArray[np.intp], outer: int, part: int) -> bool:
    """Whether no way leads from the part to the outside but through the outer one."""
    x0, y0, x1, y1 = box.tolist()
    window = groups.numbers[y0:y1, x0:x1]
    open_ = np.ones((y1 - y0 + 2, x1 - x0 + 2), np.uint8)
    np.not_equal(window, outer + 1, out=open_[1:-1, 1:-1].view(np.bool_))
    cv2.floodFill(open_, None, (0, 0), 2, flags=4)
    return not (open_[1:-1, 1:-1][window == part + 1] == 2).any()
