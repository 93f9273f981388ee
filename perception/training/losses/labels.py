"""Losses for dense labels that may be partial.

Logits are float32 (n, c, h, w). Targets are int32 (n, h, w) class bits: a pixel with one bit is that class;
with several it is one of them, unknown which; with none it is ignored. Every loss is a scalar, 0 without
pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def log_loss(logits: Tensor, target: Tensor) -> Tensor:
    """−log of the probability that a pixel is in its set of classes, (n, h, w); 0 where ignored.

    With one class in the set this is cross-entropy; with several, the marginal likelihood used for partial
    labels (Cour et al., "Learning from partial labels", 2011).
    """
    everything = (1 << logits.shape[1]) - 1
    # An ignored pixel may be anything: its loss and its gradient are then exactly 0.
    allowed = membership(torch.where(target == 0, everything, target), logits.shape[1])
    return logits.logsumexp(1) - logits.masked_fill(~allowed, float("-inf")).logsumexp(1)


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean log loss, each pixel weighted by the mean weight of the classes it may be; weights: (c,)."""
    return _weighted_mean(log_loss(logits, target), _pixel_weights(target, weights, logits.shape[1]))


def focal(logits: Tensor, target: Tensor, weights: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """Cross-entropy times (1 − p)^γ: Lin et al., "Focal loss for dense object detection", 2017."""
    loss = log_loss(logits, target)
    loss = (1 - torch.exp(-loss)).clamp(min=0) ** gamma * loss
    return _weighted_mean(loss, _pixel_weights(target, weights, logits.shape[1]))


def boundary(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, radius: int = 2, gain: float = 4.0
) -> Tensor:
    """Cross-entropy in which pixels within `radius` of a border between labels weigh 1 + gain times.

    The idea of U-Net's weight map (Ronneberger et al., 2015), with a band in place of its distance map.
    """
    size = 2 * radius + 1
    label = target.float()[:, None]
    highest = F.max_pool2d(label, size, 1, radius)
    lowest = -F.max_pool2d(-label, size, 1, radius)
    border = (highest != lowest)[:, 0]
    pixel = _pixel_weights(target, weights, logits.shape[1]) * torch.where(border, 1 + gain, 1.0)
    return _weighted_mean(log_loss(logits, target), pixel)


def dice(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """1 − mean over present classes of 2Σpq / (Σp + Σq): Milletari et al., "V-Net", 2016.

    Only pixels with one class count. `weights` (c,) weigh the classes.
    """
    p, q = _full_labels(logits, target)
    overlap = (2 * (p * q).sum(0)) / (p.sum(0) + q.sum(0)).clamp(min=1e-6)
    return _class_mean(1 - overlap, q, weights)


def tversky(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, alpha: float = 0.3, beta: float = 0.7
) -> Tensor:
    """1 − mean over present classes of TP / (TP + α FP + β FN): Salehi et al., 2017.

    With β above α what is missed costs more than what is made up; α = β = ½ is `dice`. Only pixels with one
    class count. `weights` (c,) weigh the classes.
    """
    p, q = _full_labels(logits, target)
    hit = (p * q).sum(0)
    false, missed = (p * (1 - q)).sum(0), ((1 - p) * q).sum(0)
    return _class_mean(1 - hit / (hit + alpha * false + beta * missed).clamp(min=1e-6), q, weights)


def lovasz(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Lovász-softmax, a convex surrogate of 1 − mean IoU: Berman et al., 2018.

    Only pixels with one class count. `weights` (c,) weigh the classes.
    """
    p, q = _full_labels(logits, target)
    losses = []
    for c in range(p.shape[1]):
        errors, order = (q[:, c] - p[:, c]).abs().sort(descending=True)
        truth = q[order, c]
        losses.append(errors @ _lovasz_gradient(truth))
    return _class_mean(torch.stack(losses), q, weights)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "dice": dice,
    "tversky": tversky,
    "lovasz": lovasz,
    "boundary": boundary,
}


def membership(target: Tensor, classes: int) -> Tensor:
    """Class bits (n, h, w) as bool (n, c, h, w)."""
    bit = torch.arange(classes, device=target.device, dtype=target.dtype).view(1, -1, 1, 1)
    return (target[:, None] >> bit & 1).bool()


def _pixel_weights(target: Tensor, weights: Tensor | None, classes: int) -> Tensor:
    if weights is None:
        return (target != 0).float()
    allowed = membership(target, classes).float()
    total = (allowed * weights.view(1, -1, 1, 1)).sum(1)
    return total / allowed.sum(1).clamp(min=1)


def _weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def _full_labels(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and one-hot truth, both (pixels, c), of the pixels with exactly one class."""
    full = (target > 0) & (target & (target - 1) == 0)
    p = logits.softmax(1).movedim(1, -1)[full]
    q = membership(target, logits.shape[1]).movedim(1, -1)[full].float()
    return p, q


def _class_mean(loss: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    weight = (truth.sum(0) > 0).float()
    return _weighted_mean(loss, weight if weights is None else weight * weights)


def _lovasz_gradient(truth: Tensor) -> Tensor:
    """Gradient of the Lovász extension of the Jaccard loss, for errors in falling order (Alg. 1)."""
    intersection = truth.sum() - truth.cumsum(0)
    union = truth.sum() + (1 - truth).cumsum(0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
