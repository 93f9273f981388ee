"""The losses of Mask R-CNN: He et al., 2017, section 3, for labels that may be partial."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from perception.classes import DRIVE
from perception.networks import boxes as box
from perception.networks.zoo.mask_rcnn import MASK_SIZE, MaskRCNN
from perception.networks.zoo.proposals import Anchors
from perception.networks.zoo.roi_align import roi_align
from perception.training.augmentation import STRIDE
from perception.training.losses.detection_targets import (
    RegionTargets,
    Truth,
    anchor_targets,
    read_truth,
    region_targets,
)

ANCHORS = 256  # sampled of each image; at most half are objects
REGIONS = 64
LOSS_NAMES: tuple[str, ...] = ("objectness", "proposals", "classes", "boxes", "masks")


def detection_losses(
    network: MaskRCNN,
    image: Tensor,
    bits: Tensor,
    instances: Tensor,
    thing_ids: Sequence[int] = DRIVE.thing_ids,
) -> dict[str, Tensor]:
    """The losses of a batch by name, scalars, 0 where there is nothing to learn from.

    Args:
        image: float32 (n, 3, h, w), BGR 0..255.
        bits, instances: int32 (n, h / 2, w / 2), of `augment.View`.
        thing_ids: of the class set.
    """
    levels, anchors = network.look(image)
    truths = [read_truth(*view, thing_ids) for view in zip(bits, instances, strict=True)]
    proposals = network.proposals.propose(anchors, *image.shape[2:])
    regions = [region_targets(*one, count=REGIONS) for one in zip(truths, proposals, strict=True)]
    boxes = torch.stack([one.boxes for one in regions])
    logits, steps = network.classify(levels, boxes)
    # The positives stand first, so the first quarter holds them all.
    outlines = network.outline(levels, boxes[:, : REGIONS // 4])
    allowed = torch.stack([one.allowed for one in regions])
    losses = (
        *proposal_losses(anchors, truths),
        class_loss(logits, allowed),
        box_loss(steps, regions, truths, network.get_buffer("scale")),
        mask_loss(outlines, regions, truths),
    )
    return dict(zip(LOSS_NAMES, losses, strict=True))


def proposal_losses(anchors: Anchors, truths: list[Truth]) -> tuple[Tensor, Tensor]:
    """Objectness and regression of sampled anchors: Ren et al., "Faster R-CNN", 2015, equation 1."""
    objectness, regression, count = [], [], 0
    for logits, steps, truth in zip(anchors.objectness, anchors.steps, truths, strict=True):
        targets = anchor_targets(truth, anchors.boxes)
        positive = _sample(targets.positive, ANCHORS // 2)
        negative = _sample(targets.negative, ANCHORS - len(positive))
        chosen = torch.cat([positive, negative])
        wanted = (torch.arange(len(chosen), device=chosen.device) < len(positive)).float()
        objectness.append(F.binary_cross_entropy_with_logits(logits[chosen], wanted, reduction="sum"))
        goal = box.encode(anchors.boxes[positive], truth.boxes[targets.matched[positive]])
        regression.append(F.smooth_l1_loss(steps[positive], goal, beta=1 / 9, reduction="sum"))
        count += len(chosen)
    return torch.stack(objectness).sum() / max(count, 1), torch.stack(regression).sum() / max(count, 1)


def class_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Mean −log of the probability of what a region may be; logits, bool allowed (n, r, 1 + classes).

    Regions that may be anything have no loss and do not count.
    """
    loss = logits.logsumexp(-1) - logits.masked_fill(~allowed, float("-inf")).logsumexp(-1)
    known = (~allowed).any(-1).float()
    return (loss * known).sum() / known.sum().clamp(min=1)


def box_loss(steps: Tensor, regions: list[RegionTargets], truths: list[Truth], scale: Tensor) -> Tensor:
    """Smooth L1 of the steps (n, r, 4) of positive regions, over the number of all regions."""
    losses = []
    for step, region, truth in zip(steps, regions, truths, strict=True):
        own = region.positive
        goal = box.encode(region.boxes[own], truth.boxes[region.matched[own]], scale)
        losses.append(F.smooth_l1_loss(step[own], goal, reduction="sum"))
    return torch.stack(losses).sum() / (steps.shape[0] * steps.shape[1])


def mask_loss(outlines: Tensor, regions: list[RegionTargets], truths: list[Truth]) -> Tensor:
    """Mean cross-entropy of the masks (n, r, classes, 28, 28) of positive regions, each in its own class."""
    losses, count = [], 0
    for logits, region, truth in zip(outlines, regions, truths, strict=True):
        own = region.positive[: len(logits)].nonzero()[:, 0]
        matched = region.matched[own]
        wanted = mask_targets(truth, region.boxes[own], matched)
        found = logits[own, truth.classes[matched]]
        losses.append(F.binary_cross_entropy_with_logits(found, wanted, reduction="sum"))
        count += wanted.numel()
    return torch.stack(losses).sum() / max(count, 1)


def mask_targets(truth: Truth, boxes: Tensor, matched: Tensor) -> Tensor:
    """The masks of instances `matched` (r,) inside boxes (r, 4): float32 (r, 28, 28), 0 or 1."""
    masks = (truth.instances == truth.ids[matched, None, None]).float()
    pooled = roi_align([masks[:, None]], boxes[:, None], stride=STRIDE, size=MASK_SIZE)
    return (pooled[:, 0, 0] >= 0.5).float()


def _sample(mask: Tensor, most: int) -> Tensor:
    """Indices, int64, of up to `most` of the true elements of (n,), by lot."""
    index = mask.nonzero()[:, 0]
    return index[torch.randperm(len(index), device=index.device)[:most]]
