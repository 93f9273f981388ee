"""What anchors and regions are to be taught, from labels that may be partial.

Classes here count from 0 within the things; a region's label is a set of what it may be, kept as bool
(1 + classes), background first, in the manner of `losses.log_loss`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from perception.classes import DRIVE
from perception.networks import boxes as box
from perception.training.augmentation import PASTED, STRIDE

LEAST_PIXELS = 8  # of the target map; what shows less is ignored
MAY_HOLD = 0.2  # share of a box that may be an unmarked thing, from which the box may hold that thing


class Truth(NamedTuple):
    """What is known of one view.

    Attributes:
        boxes: float32 (g, 4) of the instances, in pixels of the image.
        classes: int64 (g,).
        ids: int32 (g,), their values in `instances`.
        instances: int32 (h / 2, w / 2), 0 none.
        unsure: float32 (classes, h / 2 + 1, w / 2 + 1), an integral image: pixels that may be of a class but
            of no known instance of it.
    """

    boxes: Tensor
    classes: Tensor
    ids: Tensor
    instances: Tensor
    unsure: Tensor


def read_truth(target: Tensor, instances: Tensor, thing_ids: Sequence[int] = DRIVE.thing_ids) -> Truth:
    """The truth of a view from its class bits and instance ids, int32 (h / 2, w / 2); see `augment.View`."""
    ids, at, pixels = instances.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    known = (ids > 0) & (pixels >= LEAST_PIXELS)
    instances = torch.where(known[at], instances, 0)
    rows, columns = (torch.arange(n, device=at.device) for n in at.shape)
    y, x = rows[:, None].expand_as(at).flatten(), columns.expand_as(at).flatten()
    corners = torch.stack(
        [
            torch.zeros_like(ids, dtype=torch.int64).scatter_reduce(
                0, at.flatten(), of, how, include_self=False
            )
            for of, how in ((x, "amin"), (y, "amin"), (x + 1, "amax"), (y + 1, "amax"))
        ],
        1,
    )
    things = torch.tensor(thing_ids, device=at.device)
    classes = (ids[known] % PASTED // 1000)[:, None].eq(things).int().argmax(1)
    may = (target == 0) | (target >> things[:, None, None] & 1).bool()
    unclaimed = may & (instances % PASTED // 1000 != things[:, None, None])
    unsure = F.pad(unclaimed.float().cumsum(1).cumsum(2), (1, 0, 1, 0))
    return Truth(corners[known].float() * STRIDE, classes, ids[known], instances, unsure)


def may_hold(truth: Truth, boxes: Tensor) -> Tensor:
    """Whether boxes (r, 4) may hold unmarked things: bool (r, classes)."""
    height, width = truth.instances.shape
    limit = torch.tensor([width, height, width, height], device=boxes.device)
    x0, y0, x1, y1 = torch.minimum((boxes / STRIDE).round().long().clamp(min=0), limit).unbind(1)
    unsure = truth.unsure
    pixels = unsure[:, y1, x1] - unsure[:, y0, x1] - unsure[:, y1, x0] + unsure[:, y0, x0]
    return (pixels > MAY_HOLD * ((y1 - y0) * (x1 - x0)).clamp(min=1)).T


class AnchorTargets(NamedTuple):
    """positive, negative: bool (a,), neither is ignored; matched: int64 (a,), an instance for each anchor."""

    positive: Tensor
    negative: Tensor
    matched: Tensor


def anchor_targets(truth: Truth, anchors: Tensor, *, high: float = 0.6, low: float = 0.3) -> AnchorTargets:
    """Which anchors (a, 4) are objects: IoU ≥ high, or an instance's best; and which are not: IoU < low."""
    overlap = _iou_with_none(truth, anchors)
    best, matched = overlap.max(1)
    positive = best >= high
    favourite = overlap[:, 1:].argmax(0)
    positive[favourite] = True
    matched[favourite] = torch.arange(len(favourite), device=anchors.device) + 1
    negative = ~positive & (best < low) & ~may_hold(truth, anchors).any(1)
    return AnchorTargets(positive, negative, (matched - 1).clamp(min=0))


class RegionTargets(NamedTuple):
    """Of sampled regions: what each may be, and which instance it shows.

    Attributes:
        boxes: float32 (r, 4).
        allowed: bool (r, 1 + classes), background first.
        positive: bool (r,).
        matched: int64 (r,), an instance for each region; means nothing where it is not positive.
    """

    boxes: Tensor
    allowed: Tensor
    positive: Tensor
    matched: Tensor


def region_targets(truth: Truth, proposals: Tensor, *, count: int, share: float = 0.25) -> RegionTargets:
    """Sample `count` regions, up to `share` of them positive (IoU ≥ 0.5), the positives first.

    Candidates are the proposals (r, 4), at least `count` of them, and the instances' own boxes, also shaken:
    so the heads learn before the proposals are good.
    """
    shaken = truth.boxes.repeat(4, 1)
    sides = (shaken[:, 2:] - shaken[:, :2]).repeat(1, 2)
    shaken = shaken + (torch.rand_like(shaken) - 0.5) * 0.3 * sides
    height, width = (STRIDE * side for side in truth.instances.shape)
    boxes = torch.cat([box.clip(shaken, height, width), truth.boxes, proposals])
    best, matched = _iou_with_none(truth, boxes).max(1)
    positive = best >= 0.5
    lottery = torch.rand(len(boxes), device=boxes.device)
    chosen = (lottery + positive.float()).argsort(descending=True)[: int(count * share)]
    chosen = chosen[positive[chosen]]
    others = (lottery - 2 * positive.float()).argsort(descending=True)[: count - len(chosen)]
    order = torch.cat([chosen, others])
    boxes, positive, matched = boxes[order], positive[order], (matched[order] - 1).clamp(min=0)
    allowed = F.pad(may_hold(truth, boxes), (1, 0), value=True)
    if len(truth.classes):
        own = F.one_hot(truth.classes[matched] + 1, allowed.shape[1]).bool()
        allowed = torch.where(positive[:, None], own, allowed)
    return RegionTargets(boxes, allowed, positive, matched)


def _iou_with_none(truth: Truth, boxes: Tensor) -> Tensor:
    """IoU (n, 1 + g) of boxes with the instances; the first column is 0, for none of them."""
    return F.pad(box.iou(boxes, truth.boxes), (1, 0))
