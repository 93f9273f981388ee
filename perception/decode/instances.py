"""Instances from the semantic map: the connected components of the classes that are things.

A label map alone does not say where one road user ends and the next begins, so road users of one class that
touch in the image come as one instance, and one that is cut in two by a pole comes as two.
"""

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.decode.semantic import resize_ids
from perception.scene import Instance

MINIMUM_SHARE = 1e-4  # of the map's pixels; what is smaller is taken for a speck
MOST = 200  # of each class; the largest are kept


def find_instances(
    labels: npt.NDArray[np.uint8], classes: ClassSet, height: int, width: int
) -> tuple[npt.NDArray[np.uint16], tuple[Instance, ...]]:
    """The road users in a label map, for a frame at least as large.

    The score ranks by size, as labels carry no probability: a component of n pixels scores n / (n + m), where
    m is the least that counts; 0.5 is the smallest accepted.

    Args:
        labels: uint8 (h, w) class ids; h and w at most the frame's height and width.
        height, width: the frame's.

    Returns:
        The instance map, uint16 (height, width), 0 none, else class id × 1000 + k; and the instances, with
        boxes that fit their pixels in that map exactly, largest first (k = 1) in each class.
    """
    instance_map = np.zeros(labels.shape, np.uint16)
    instances: list[Instance] = []
    rows = _enlarged_edges(labels.shape[0], height)
    columns = _enlarged_edges(labels.shape[1], width)
    least = MINIMUM_SHARE * labels.size
    for class_id in sorted(classes.thing_ids):
        mask = (labels == class_id).view(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:
            continue
        # 16-bit component numbers take half the time, where they cannot run out.
        number = cv2.CV_16U if (w + 1) * (h + 1) < 4 * 65535 else cv2.CV_32S
        count, components, stats, _ = cv2.connectedComponentsWithStats(
            mask[y : y + h, x : x + w], connectivity=8, ltype=number
        )
        areas = stats[:, cv2.CC_STAT_AREA]
        largest = 1 + np.argsort(-areas[1:], kind="stable")[:MOST]  # 0 is what lies between them
        kept = largest[areas[largest] >= least].tolist()
        ids = np.zeros(count, np.uint16)
        for k, i in enumerate(kept, start=1):
            left, top, wide, high, area = stats[i].tolist()
            ids[i] = class_id * 1000 + k
            box = columns[x + left], rows[y + top], columns[x + left + wide], rows[y + top + high]
            instances.append(Instance(int(ids[i]), class_id, area / (area + least), box))
        instance_map[y : y + h, x : x + w] += np.take(ids, components)
    return resize_ids(instance_map, height, width), tuple(instances)


def _enlarged_edges(size: int, enlarged: int) -> list[float]:
    """Where `resize_ids` puts the edges between pixels of a side: float (size + 1,) in enlarged pixels."""
    came_from = resize_ids(np.arange(size, dtype=np.uint16)[None], 1, enlarged)[0]
    edges: list[float] = np.searchsorted(came_from, np.arange(size + 1)).astype(float).tolist()
    return edges
