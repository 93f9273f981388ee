"""What the instance heads of the drive network should say of a view, and how far from it they are.

Its maps are at the stride of a view's labels. Where those do not say whether a road user of a class is there,
or which one, nothing is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from perception.classes import DRIVE
from perception.training.augmentation import PASTED, STRIDE, View
from perception.types import Bools, Floats

LEAST_AREA = 5  # cells; smaller ones are not asked for
SPREAD = 0.08, 1.0, 6.0  # deviation of a centre's peak: of the instance's size, at least, at most, in cells
LEAST_SIZE = 12.0  # px; the offsets of smaller ones need not be more exact than of these


@dataclass(frozen=True)
class InstanceTargets:
    """Maps (c, h, w), float32.

    Attributes:
        centres: (things, h, w): 1 at the centre of mass of each instance, falling off as a Gaussian.
        centre_mask: (things, h, w): 1 where that is known.
        offsets: (2, h, w): x, y from a cell's middle to its instance's centre, in pixels of the input.
        offset_weight: (1, h, w): 1 / the instance's size; 0 outside of instances.
        borders: (1, h, w): 1 in cells of an instance next to something else.
        border_mask: (1, h, w): 1 where that is known.
    """

    centres: Floats
    centre_mask: Floats
    offsets: Floats
    offset_weight: Floats
    borders: Floats
    border_mask: Floats

    def tensors(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(array) for name, array in vars(self).items()}


def instance_targets(view: View, thing_ids: Sequence[int] = DRIVE.thing_ids) -> InstanceTargets:
    """The targets of a view, a channel for each thing of the class set."""
    ids = view.instances
    numbers, relabelled = np.unique(ids, return_inverse=True)
    number_of = relabelled.reshape(ids.shape)
    height, width = ids.shape
    bits = view.target
    things = np.array(thing_ids, np.int32)
    class_of = ids % PASTED // 1000
    possible = (bits >> things[:, None, None] & 1 > 0) | (bits == 0)
    known: Bools = ~possible | (class_of == things[:, None, None])
    borders, border_mask = _borders(number_of, ids > 0, class_of, known, thing_ids)
    centres = np.zeros((len(things), height, width), np.float32)
    offsets = np.zeros((2, height, width), np.float32)
    weight = np.zeros((1, height, width), np.float32)
    y_of, x_of = np.mgrid[:height, :width].astype(np.float32) + 0.5
    for number, one in enumerate(numbers.tolist()):
        if one == 0:
            continue
        inside = number_of == number
        rows, columns = np.nonzero(inside)
        channel = thing_ids.index(one % PASTED // 1000)
        if len(rows) < LEAST_AREA:
            known[channel] &= ~inside
            continue
        x, y = columns.mean() + 0.5, rows.mean() + 0.5
        size = float(np.sqrt(np.ptp(rows) + 1) * np.sqrt(np.ptp(columns) + 1))
        spread = float(np.clip(SPREAD[0] * size, *SPREAD[1:]))
        peak = np.exp(-((x_of - x) ** 2 + (y_of - y) ** 2) / (2 * spread**2))
        centre = min(int(y), height - 1), min(int(x), width - 1)
        peak[centre] = 1.0
        known[channel][centre] = True
        np.maximum(centres[channel], peak, out=centres[channel])
        offsets[:, inside] = STRIDE * np.stack([x - x_of[inside], y - y_of[inside]])
        weight[0, inside] = 1 / max(STRIDE * size, LEAST_SIZE)
    return InstanceTargets(
        centres.astype(np.float32), known.astype(np.float32), offsets, weight, borders, border_mask
    )


def _borders(
    numbers: npt.NDArray[np.intp],
    somebody: Bools,
    class_of: npt.NDArray[np.int32],
    known: Bools,
    thing_ids: Sequence[int],
) -> tuple[Floats, Floats]:
    """Where an instance ends is known unless more of its class may follow there."""
    square = np.ones((3, 3), np.uint8)
    values = numbers.astype(np.float32)
    mixed = cv2.dilate(values, square) != cv2.erode(values, square)
    mask = np.asarray(known.all(0))
    for class_id, its_known in zip(thing_ids, known, strict=True):
        surely = cv2.erode(its_known.view(np.uint8), square) > 0
        mask = np.asarray(np.where(class_of == class_id, surely, mask))
    return (somebody & mixed)[None].astype(np.float32), mask[None].astype(np.float32)


def centre_loss(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Focal loss of centre heat maps, an instance: Zhou et al., "Objects as Points", 2019, eq. 1.

    All (n, things, h, w); `mask` is 0 where nothing is known.
    """
    p = logits.sigmoid()
    hit = -F.logsigmoid(logits) * (1 - p) ** 2 * (target == 1)
    miss = -F.logsigmoid(-logits) * p**2 * (1 - target) ** 4 * (target < 1)
    return ((hit + miss) * mask).sum() / (target == 1).sum().clamp(min=1)


def offset_loss(offsets: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean distance from the true offset in sizes of the instance, an instance counting by its size.

    Pixels alone would let the largest rule, instances alone the smallest. Offsets (n, 2, h, w) in pixels;
    weight (n, 1, h, w), 1 / size.
    """
    error = (offsets - target).abs().sum(1, keepdim=True) * weight
    return (error * weight).sum() / weight.sum().clamp(min=1e-6)


def border_loss(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy with both sides weighing the same: borders are few. All (n, 1, h, w)."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * mask
    share = [(loss * side).sum() / (side * mask).sum().clamp(min=1) for side in (target, 1 - target)]
    return (share[0] + 3 * share[1]) / 4
