"""The flagship: the class and the instance of every pixel, at camera frame rate on two CPU cores."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import AtrousContext, ConvNormAct, SeparableConv, SkipFusion, resize
from perception.networks.efficientnet import EfficientNetLite0

INSTANCE_STRIDE = 2  # of the maps that separate instances
OFFSET_UNIT = 32.0  # px: weights stay about 1 that way


class DriveMaps(NamedTuple):
    """The outputs of `DriveNet` for images (n, 3, h, w), float32.

    Attributes:
        logits: (n, classes, h / 2, w / 2).
        centres: (n, things, h / 2, w / 2), logits of a heat map that peaks at each instance's centre of mass.
        offsets: (n, 2, h / 2, w / 2), x, y from a cell's middle to its instance's centre, in pixels of the
            input.
        borders: (n, 1, h / 2, w / 2), logits of cells of an instance next to something else.
    """

    logits: Tensor
    centres: Tensor
    offsets: Tensor
    borders: Tensor


class DriveNet(nn.Module):
    """EfficientNet-Lite0, atrous context at stride 16, a decoder with skips down to stride 2.

    Context and decoder follow DeepLabv3+ (Chen et al., 2018). Two things are added for what is thin on the
    road (paint, poles): the last step enlarges by sub-pixel convolution (Shi et al., "Real-time
    super-resolution", 2016), and it sees the encoder's first features at stride 2. Centres and offsets of
    instances are those of Panoptic-DeepLab (Cheng et al., 2020), on the same decoder.

    Input: float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32.
    """

    def __init__(self, classes: int = 12, things: int = 3) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()
        s2, s4, s8, s16, s32 = self.encoder.channels
        self.deep = ConvNormAct(s32, 128)
        self.context = AtrousContext(s16 + 128, 128, branch=64, rates=(3, 6, 12))
        self.to_s8 = SkipFusion(128, s8, 80, project=32)
        self.to_s4 = SkipFusion(80, s4, 56, project=16)
        self.subpixel = ConvNormAct(56, 16 * 4)
        self.head = nn.Sequential(SeparableConv(16 + s2, 24), nn.Conv2d(24, classes, 1))
        self.instances = InstanceBranch(80, 56, things)

    def forward(self, image: Tensor) -> DriveMaps:
        s2, s4, s8, s16, s32 = self.encoder(image)
        x = self.context(torch.cat([s16, resize(self.deep(s32), s16)], 1))
        x8 = self.to_s8(x, s8)
        x4 = self.to_s4(x8, s4)
        x2 = F.pixel_shuffle(self.subpixel(x4), 2)
        return DriveMaps(self.head(torch.cat([x2, s2], 1)), *self.instances(x8, x4))


class InstanceBranch(nn.Module):
    """Centres, offsets and borders of instances, from the decoder's features at strides 8 and 4.

    Most of it runs at stride 8, with wide kernels: a centre may be far from a pixel that belongs to it. Far
    cars are a few pixels wide, so the maps are enlarged to stride 2, by sub-pixel convolution, for next to
    nothing. Depthwise convolutions see multiples of 16 channels: of others, CPUs take twice as long in INT8.
    """

    def __init__(self, channels8: int, channels4: int, things: int) -> None:
        super().__init__()
        self.things = things
        self.wide = nn.Sequential(
            SeparableConv(channels8, 96, 5),
            SeparableConv(96, 96, 5, dilation=2),
            SeparableConv(96, 56, 5, dilation=4),
        )
        self.fuse = SeparableConv(channels4 + 56, 48)
        self.body = SeparableConv(48, 32, 5)
        self.maps = nn.Conv2d(32, 4 * (things + 3), 1)
        nn.init.constant_(self.maps.bias[: 4 * things], -4.6)  # type: ignore[index]  # a centre is rare: p = 0.01

    def forward(self, x8: Tensor, x4: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.fuse(torch.cat([x4, resize(self.wide(x8), x4)], 1))
        maps = F.pixel_shuffle(self.maps(self.body(x)), 2)
        n = self.things
        return maps[:, :n], OFFSET_UNIT * maps[:, n : n + 2], maps[:, n + 2 :]
