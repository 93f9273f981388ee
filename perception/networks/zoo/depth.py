"""Depth from one image."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from perception.bundle.manifest import OutputInfo
from perception.classes import FARTHEST
from perception.networks.blocks import SkipFusion, resize, scaled
from perception.networks.efficientnet import EfficientNetLite0
from perception.networks.export_wrapper import Deployed

NEAREST = 0.5  # metres
_MIDDLE = 12.0  # metres; what an untrained network says


class DepthNet(nn.Module):
    """A U-Net (Ronneberger et al., 2015) on EfficientNet-Lite0 that regresses the logarithm of depth.

    In logarithms an error of a tenth weighs the same at 5 m and at 50 m, and the camera's focal length, which
    is unknown, is a constant added to all of them (Eigen et al., 2014).

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → log of metres (n, 1, h, w), enlarged
    bilinearly from stride 2.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(width=width)
        *skips, deep = self.encoder.channels
        levels = [(128, 48), (80, 32), (56, 16), (32, 16)]  # channels, and those of the skip
        self.decoder = nn.ModuleList()
        channels = deep
        for (out, project), skip in zip(levels, reversed(skips), strict=True):
            fusion = SkipFusion(channels, skip, scaled(out, width), project=scaled(project, width))
            self.decoder.append(fusion)
            channels = scaled(out, width)
        self.head = nn.Conv2d(channels, 1, 3, padding=1)
        nn.init.constant_(self.head.bias, math.log(_MIDDLE))  # type: ignore[arg-type]  # it has one

    def forward(self, image: Tensor) -> Tensor:
        *skips, x = self.encoder(image)
        for fusion, skip in zip(self.decoder, reversed(skips), strict=True):
            x = fusion(x, skip)
        return resize(self.head(x), image)


class DeployedDepth(Deployed):
    """The depth network: depth float32 (1, h, w), metres along the camera's axis.

    They are right for a camera with the focal length, relative to the image's size, of the training
    images. `FARTHEST` stands for all that is as far or further, the sky too.
    """

    outputs: Mapping[str, OutputInfo] = {"depth": OutputInfo(dtype="float32", layout="NHW", tolerance=0.5)}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (torch.exp(self.network(self.pixels(image))[:, 0]).clamp(NEAREST, FARTHEST),)
