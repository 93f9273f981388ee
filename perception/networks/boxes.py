"""Boxes: float32 (..., 4) x0, y0, x1, y1 in pixels of the image; x1 and y1 are exclusive."""

import math

import torch
from torch import Tensor

MOST_GROWTH = math.log(1000 / 16)  # of a side in one step: more comes from diverged weights


def area(boxes: Tensor) -> Tensor:
    """(..., 4) → (...), square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of (..., n, 4) with (..., m, 4): (..., n, m); 0 where both are empty."""
    boxes, others = boxes[..., :, None, :], others[..., None, :, :]
    corner = torch.maximum(boxes[..., :2], others[..., :2])
    sides = (torch.minimum(boxes[..., 2:], others[..., 2:]) - corner).clamp(min=0)
    overlap = sides[..., 0] * sides[..., 1]
    return overlap / (area(boxes) + area(others) - overlap).clamp(min=1e-6)


def encode(boxes: Tensor, towards: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """The step from boxes to others, both (..., 4), as Girshick et al., "R-CNN", 2014, write it: (..., 4).

    Centre shifts in units of the box's sides, and logarithms of the sides' growth, each times `scale`: (4,),
    or one for all.
    """
    start, sides = _centre(boxes)
    goal, goal_sides = _centre(towards)
    return torch.cat([(goal - start) / sides, (goal_sides / sides).log()], -1) * scale


def decode(boxes: Tensor, step: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Boxes (..., 4) moved by a step (..., 4) of `encode`."""
    centre, sides = _centre(boxes)
    step = step / scale
    centre = centre + step[..., :2] * sides
    half = sides * step[..., 2:].clamp(max=MOST_GROWTH).exp() / 2
    return torch.cat([centre - half, centre + half], -1)


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes (..., 4) cut to the image."""
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x, y], -1).flatten(-2)


def matrix_nms(boxes: Tensor, scores: Tensor) -> Tensor:
    """Scores (..., k) lowered where a better box overlaps: Wang et al., "SOLOv2", 2020, linear kernel.

    Unlike greedy suppression it needs no loop and its shapes do not depend on the data. A box's score is
    multiplied by the least, over all better boxes, of (1 − IoU with it) / (1 − what that one itself overlaps
    a better one): a suppressed box does not suppress others.

    Args:
        boxes: (..., k, 4), the best first.
        scores: (..., k), falling.
    """
    rank = torch.arange(boxes.shape[-2], device=boxes.device)
    better = (rank[:, None] < rank).to(boxes.dtype)  # [i, j]: whether i comes before j
    overlap = iou(boxes, boxes) * better
    own = overlap.amax(-2)
    # Two boxes that are wholly suppressed may divide 0 by 0.
    decay = (1 - overlap) / (1 - own).clamp(min=1e-3)[..., :, None]
    return scores * decay.amin(-2)


def _centre(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and sides, both (..., 2) x, y. A side of less than a hundredth of a pixel counts as that."""
    corner, opposite = boxes[..., :2], boxes[..., 2:]
    return (corner + opposite) / 2, (opposite - corner).clamp(min=1e-2)
