"""Region proposals: where in the image something may be."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks import boxes as box

RATIOS = (0.5, 1.0, 2.0)  # height / width
ANCHOR = 4  # side of the square anchor, in pixels of its level


class Anchors(NamedTuple):
    """All anchors of an image, level by level, with the network's outputs for them.

    Attributes:
        boxes: float32 (a, 4), pixels of the image.
        objectness: logits float32 (n, a).
        steps: float32 (n, a, 4), from the anchor to the object, as in `boxes.encode`.
    """

    boxes: Tensor
    objectness: Tensor
    steps: Tensor


class RegionProposals(nn.Module):
    """Ren et al., "Faster R-CNN", 2015, over a feature pyramid with one size of anchor a level.

    Args:
        channels: of every level.
        stride: pixels of the image per pixel of the finest level.
        before: how many of the best anchors go into suppression.
        after: how many of them come out as proposals.
    """

    def __init__(self, channels: int, *, stride: int, before: int = 512, after: int = 96) -> None:
        super().__init__()
        self.stride, self.before, self.after = stride, before, after
        # No normalisation: the levels share these layers, and their statistics differ.
        self.shared = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU6(),
        )
        self.objectness = nn.Conv2d(channels, len(RATIOS), 1)
        self.steps = nn.Conv2d(channels, 4 * len(RATIOS), 1)
        # At first boxes are their anchors, and nearly all of them background.
        for layer, bias in ((self.objectness, -3.0), (self.steps, 0.0)):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.get_parameter("bias"), bias)

    def forward(self, levels: Sequence[Tensor]) -> Anchors:
        """The network's outputs for every anchor of the levels, (n, channels, h / 2^i, w / 2^i)."""
        shared = [self.shared(level) for level in levels]
        objectness = [self.objectness(x).movedim(1, -1).flatten(1) for x in shared]
        steps = [self.steps(x).movedim(1, -1).reshape(len(x), -1, 4) for x in shared]
        anchors = [level_anchors(level, self.stride * 2**i) for i, level in enumerate(levels)]
        return Anchors(torch.cat(anchors), torch.cat(objectness, 1), torch.cat(steps, 1))

    def propose(self, anchors: Anchors, height: int, width: int) -> Tensor:
        """The best boxes, float32 (n, after, 4), within the image; without gradient.

        Where there are too few anchors the last boxes are empty.
        """
        # A small image has fewer anchors than are asked for: it is padded with empty ones.
        padding = (0, self.before)
        logits, best = F.pad(anchors.objectness.detach(), padding, value=-1e4).topk(self.before)
        at = best[..., None].expand(-1, -1, 4)
        steps = F.pad(anchors.steps.detach(), (0, 0, *padding)).gather(1, at)
        corners = F.pad(anchors.boxes, (0, 0, *padding))[best]
        boxes = box.clip(box.decode(corners, steps), height, width)
        _, kept = box.matrix_nms(boxes, logits.sigmoid()).topk(self.after)
        return boxes.gather(1, kept[..., None].expand(-1, -1, 4))


def level_anchors(level: Tensor, stride: int) -> Tensor:
    """Anchors of one area around every pixel's centre: (h · w · ratios, 4), in pixels of the image."""
    height, width = level.shape[2:]
    ratio = torch.tensor(RATIOS, device=level.device).sqrt()
    half = torch.stack([1 / ratio, ratio], -1) * (ANCHOR * stride / 2)  # (3, 2) x, y
    x = (torch.arange(width, device=level.device) + 0.5) * stride
    y = (torch.arange(height, device=level.device) + 0.5) * stride
    centre = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)[:, :, None]
    return torch.cat([centre - half, centre + half], -1).flatten(0, 2)
