"""The flagship: what every pixel is, at camera frame rate on two CPU cores."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import AtrousContext, ConvNormAct, SeparableConv, SkipFusion, resize
from perception.networks.efficientnet import EfficientNetLite0


class DriveNet(nn.Module):
    """EfficientNet-Lite0, atrous context at stride 16, a decoder with skips down to stride 2.

    Context and decoder follow DeepLabv3+ (Chen et al., 2018). Two things are added for what is thin on the
    road (paint, poles): the last step enlarges by sub-pixel convolution (Shi et al., "Real-time
    super-resolution", 2016), and it sees the encoder's first features at stride 2.

    Input: float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32.
    Output: logits float32 (n, classes, h / 2, w / 2).
    """

    def __init__(self, classes: int = 12) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()
        s2, s4, s8, s16, s32 = self.encoder.channels
        self.deep = ConvNormAct(s32, 128)
        self.context = AtrousContext(s16 + 128, 128, branch=64, rates=(3, 6, 12))
        self.to_s8 = SkipFusion(128, s8, 80, project=32)
        self.to_s4 = SkipFusion(80, s4, 56, project=16)
        self.subpixel = ConvNormAct(56, 16 * 4)
        self.head = nn.Sequential(SeparableConv(16 + s2, 24), nn.Conv2d(24, classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        s2, s4, s8, s16, s32 = self.encoder(image)
        x = self.context(torch.cat([s16, resize(self.deep(s32), s16)], 1))
        x = self.to_s4(self.to_s8(x, s8), s4)
        x = F.pixel_shuffle(self.subpixel(x), 2)
        logits: Tensor = self.head(torch.cat([x, s2], 1))
        return logits


def full_size(logits: Tensor) -> Tensor:
    """Logits (n, classes, h / 2, w / 2) enlarged bilinearly to (n, classes, h, w)."""
    return F.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)
