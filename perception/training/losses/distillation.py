"""Learning from another network's answers, on every pixel, labelled or not.

Hinton et al., "Distilling the knowledge in a neural network", 2015.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from perception.networks.drive_net import OFFSET_UNIT, DriveMaps

TEACHER_LOSSES = ("teacher_classes", "teacher_instances", "teacher_unlabelled")
TEMPERATURE = 2.0  # of classes: above 1, what the teacher thinks next likely counts more


def class_distance(logits: Tensor, taught: Tensor, where: Tensor | None = None) -> Tensor:
    """Kullback-Leibler divergence of the student's classes from the teacher's, a pixel, times temperature².

    Logits (n, c, h, w); `where` bool (n, h, w) chooses the pixels, all of them without it. It is 0 where both
    are equal but for a constant, and without a pixel.
    """
    student, teacher = (F.log_softmax(one / TEMPERATURE, 1) for one in (logits, taught))
    divergence = (teacher.exp() * (teacher - student)).sum(1)
    weight = torch.ones_like(divergence) if where is None else where.to(divergence.dtype)
    return TEMPERATURE**2 * (divergence * weight).sum() / weight.sum().clamp(min=1)


def unlabelled_distance(maps: DriveMaps, taught: DriveMaps, bits: Tensor) -> Tensor:
    """How far classes and centres are from the teacher's where labels leave the class open.

    A set that labels road users alone never says what is none: there the teacher does. `bits` int32 (n, h, w)
    are class bits, of the size of the maps.
    """
    open_ = (bits == 0) | (bits & (bits - 1) != 0)
    centres = centre_distance(maps.centres, taught.centres, open_[:, None])
    return class_distance(maps.logits, taught.logits, open_) + centres


def centre_distance(logits: Tensor, taught: Tensor, where: Tensor | None = None) -> Tensor:
    """Quality focal loss (Li et al., "Generalized focal loss", 2020) for each of the teacher's peaks.

    Logits (n, things, h, w); `where` bool (n, 1, h, w) chooses the cells.
    """
    peaks = taught.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, peaks, reduction="none")
    loss = entropy * (peaks - logits.sigmoid()).square()
    return (loss if where is None else loss * where).sum() / peaks.sum().clamp(min=1)


def instance_distance(maps: DriveMaps, taught: DriveMaps, things: Tensor) -> Tensor:
    """How far centres, offsets and borders are from the teacher's; 0 where they are equal.

    Centres count everywhere; offsets (in units of the network) and borders as far as the teacher sees a
    thing. `things` are class ids.
    """
    centres = centre_distance(maps.centres, taught.centres)
    seen = taught.logits.softmax(1)[:, things].sum(1, keepdim=True)
    total = seen.sum().clamp(min=1)
    offsets = ((maps.offsets - taught.offsets).abs() * seen).sum() / OFFSET_UNIT / total
    gap = (maps.borders.sigmoid() - taught.borders.sigmoid()).square()
    return centres + offsets + (gap * seen).sum() / total
