"""Instances from boxes with masks: each mask is pasted into the frame, the surest first."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import UNKNOWN
from perception.decode.grouping import Groups
from perception.types import Floats

LEAST_SCORE = 0.4
INSIDE = 128  # of 255: the probability from which a pixel belongs to the mask
LEAST_SEEN = 0.3  # share of a mask that surer ones leave free; below, it is a double of one of them


def group_by_boxes(
    boxes: Floats, scores: Floats, class_ids: npt.NDArray[Any], masks: Floats, height: int, width: int
) -> Groups:
    """The road users in an image of `height` and `width`; a pixel goes to the surest mask that holds it.

    There are at most k of them, none larger than the image: that bounds the time.

    Args:
        boxes: (k, 4) x0, y0, x1, y1 in pixels of the image, the surest first.
        scores: (k,), falling; those below `LEAST_SCORE` are left out.
        class_ids: (k,) integers.
        masks: (k, m, m) probabilities over the box.
    """
    numbers = np.zeros((height, width), np.uint16)
    kept: list[int] = []
    for i in np.flatnonzero(scores >= LEAST_SCORE).tolist():
        x0, y0 = np.floor(boxes[i, :2]).astype(int).clip(0, (width - 1, height - 1)).tolist()
        x1, y1 = np.ceil(boxes[i, 2:]).astype(int).clip((x0 + 1, y0 + 1), (width, height)).tolist()
        region = numbers[y0:y1, x0:x1]
        mask = _paste(masks[i], boxes[i] - (x0, y0, x0, y0), y1 - y0, x1 - x0) >= INSIDE
        free = mask & (region == 0)
        if np.count_nonzero(free) > LEAST_SEEN * np.count_nonzero(mask):
            kept.append(i)
            region[free] = len(kept)
    return Groups(numbers, class_ids[kept].astype(np.intp), scores[kept].astype(np.float64))


def thing_labels(instance_map: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """The label map of a network that knows only things: the class of each instance, unknown elsewhere."""
    return np.where(instance_map == 0, UNKNOWN, instance_map // 1000).astype(np.uint8)


def _paste(mask: Floats, box: Floats, height: int, width: int) -> npt.NDArray[np.uint8]:
    """A mask (m, m) over its box, x0, y0, x1, y1, as uint8 (height, width) at the centres of pixels."""
    step = (box[2:] - box[:2]).clip(1e-3) / mask.shape[0]  # pixels of the image a side of a mask's cell
    scale_x, scale_y = (1 / step).tolist()
    left, top = ((0.5 - box[:2]) / step - 0.5).tolist()
    inverse = np.array([[scale_x, 0, left], [0, scale_y, top]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    levels = np.rint(255 * mask).astype(np.uint8)
    return cv2.warpAffine(levels, inverse, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]
