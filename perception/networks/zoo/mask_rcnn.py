"""Mask R-CNN, the two-stage reference: a box and a mask for each road user."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.bundle.manifest import OutputInfo
from perception.classes import DRIVE
from perception.networks import boxes as box
from perception.networks.blocks import ConvNormAct, SeparableConv
from perception.networks.efficientnet import EfficientNetLite0
from perception.networks.export_wrapper import Deployed
from perception.networks.zoo.feature_pyramid import FeaturePyramid
from perception.networks.zoo.proposals import Anchors, RegionProposals
from perception.networks.zoo.roi_align import roi_align

CHANNELS = 64
STRIDE = 4  # of the pyramid's finest level
BOX_BINS = 7
MASK_BINS = 14
MASK_SIZE = 28
BOX_STEP = (10.0, 10.0, 5.0, 5.0)  # scale of the regression's steps
LEAST_SCORE = 0.05


class Detections(NamedTuple):
    """The k best of each image, the best first; past the last one score, class, box and mask are 0.

    Attributes:
        boxes: float32 (n, k, 4), pixels of the image.
        scores: float32 (n, k), 0..1.
        classes: int64 (n, k), 0 for the first class.
        masks: float32 (n, k, 28, 28), the probability that a part of the box is the object.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    masks: Tensor


class BoxHead(nn.Module):
    """What is in a region, and its exact box: (n, r, channels, 7, 7) → logits (n, r, 1 + classes), steps.

    Class 0 is background. The step, (n, r, 4), is the same for every class, as in R-FCN (Dai et al., 2016).
    """

    def __init__(self, channels: int, classes: int, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels * BOX_BINS**2, hidden), nn.ReLU6(), nn.Linear(hidden, hidden), nn.ReLU6()
        )
        self.classify = nn.Linear(hidden, 1 + classes)
        self.steps = nn.Linear(hidden, 4)
        for layer, std in ((self.classify, 0.01), (self.steps, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layers(pooled.flatten(2))
        return self.classify(x), self.steps(x)


class MaskHead(nn.Sequential):
    """Logits of a mask for each class: (n, channels, 14, 14) → (n, classes, 28, 28)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(
            SeparableConv(channels, channels),
            SeparableConv(channels, channels),
            ConvNormAct(channels, 32 * 4),
            nn.PixelShuffle(2),
            nn.Conv2d(32, classes, 1),
        )


class MaskRCNN(nn.Module):
    """He et al., "Mask R-CNN", 2017, on EfficientNet-Lite0, light, and with shapes that never depend on data.

    What the paper does with lists of varying length is done with fixed numbers of the best: matrix
    suppression in place of the greedy one (`boxes.matrix_nms`), and RoIAlign by indices (`roi_align`).

    Input: float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32.
    Output: `Detections`.

    Args:
        classes: without background.
        most: how many detections come out.
    """

    def __init__(self, classes: int = 3, most: int = 64) -> None:
        super().__init__()
        self.most = most
        self.encoder = EfficientNetLite0()
        self.pyramid = FeaturePyramid(self.encoder.channels[1:], CHANNELS)
        self.proposals = RegionProposals(CHANNELS, stride=STRIDE)
        self.box_head = BoxHead(CHANNELS, classes)
        self.mask_head = MaskHead(CHANNELS, classes)
        self.register_buffer("scale", torch.tensor(BOX_STEP), persistent=False)

    def forward(self, image: Tensor) -> Detections:
        height, width = image.shape[2:]
        levels, anchors = self.look(image)
        regions = self.proposals.propose(anchors, height, width)
        logits, steps = self.classify(levels, regions)
        regions = box.clip(box.decode(regions, steps, self.get_buffer("scale")), height, width)
        boxes, scores, classes = self.select(regions, logits.softmax(-1)[..., 1:])
        masks = self.outline(levels, boxes).sigmoid()
        own = F.one_hot(classes, masks.shape[2]).to(masks.dtype)[..., None, None]
        found = (scores > 0).to(masks.dtype)
        masks = (masks * own).sum(2) * found[..., None, None]
        return Detections(boxes * found[..., None], scores, classes * (scores > 0), masks)

    def train(self, mode: bool = True) -> Self:
        """The encoder keeps its pretrained statistics: small batches of crops would corrupt them."""
        super().train(mode)
        self.encoder.eval()
        return self

    def look(self, image: Tensor) -> tuple[list[Tensor], Anchors]:
        """The pyramid's levels, and all anchors of the image."""
        levels = self.pyramid(self.encoder(image)[1:])
        return levels, self.proposals(levels)

    def classify(self, levels: Sequence[Tensor], regions: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (n, r, 1 + classes) and steps (n, r, 4) of regions (n, r, 4)."""
        pooled = roi_align(levels[:-1], regions, stride=STRIDE, size=BOX_BINS, samples=2)
        return self.box_head(pooled)  # type: ignore[no-any-return]

    def outline(self, levels: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """Mask logits (n, r, classes, 28, 28) of boxes (n, r, 4)."""
        pooled = roi_align(levels[:-1], boxes, stride=STRIDE, size=MASK_BINS)
        masks: Tensor = self.mask_head(pooled.flatten(0, 1))
        return masks.view(*boxes.shape[:2], *masks.shape[1:])

    def select(self, regions: Tensor, probability: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and classes of the best, by class suppressed, of (n, r, 4) and (n, r, classes)."""
        rois, classes = probability.shape[1:]
        scores, order = probability.transpose(1, 2).topk(rois)  # (n, classes, r)
        at = order.flatten(1)[..., None].expand(-1, -1, 4)
        boxes = regions.gather(1, at).view(-1, classes, rois, 4)
        scores = box.matrix_nms(boxes, scores)
        scores, best = (scores * (scores > LEAST_SCORE)).flatten(1).topk(self.most)
        return boxes.flatten(1, 2).gather(1, best[..., None].expand(-1, -1, 4)), scores, best // rois


class DeployedMaskRCNN(Deployed):
    """Mask R-CNN: k detections, the best first, all 0 past the last one.

    Boxes float32 (1, k, 4) x0, y0, x1, y1 in pixels of the input, scores float32 (1, k), classes uint8
    (1, k) class ids, masks float32 (1, k, 28, 28) probabilities over the box.
    """

    outputs: Mapping[str, OutputInfo] = {
        "boxes": OutputInfo(dtype="float32", layout="NKD", tolerance=0.5),
        "scores": OutputInfo(dtype="float32", layout="NK", tolerance=0.01),
        "classes": OutputInfo(layout="NK"),
        "masks": OutputInfo(dtype="float32", layout="NKRC", tolerance=0.02),
    }

    def __init__(self, network: nn.Module, thing_ids: Sequence[int] = DRIVE.thing_ids) -> None:
        super().__init__(network)
        self.register_buffer("things", torch.tensor(thing_ids), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        found: Detections = self.network(self.pixels(image))
        classes = self.get_buffer("things")[found.classes] * (found.scores > 0)
        return found.boxes, found.scores, classes.to(torch.uint8), found.masks
