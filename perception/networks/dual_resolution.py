"""The flagship's task by plain 3×3 convolutions, for INT8 units and GPUs: two branches, none depthwise."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import ConvNormAct, ResidualBlock, centred, he_init, resize, scaled
from perception.networks.drive_net import OFFSET_UNIT, DriveMaps

BASE = 24  # channels of the stem at width 1


class DualResolutionNet(nn.Module):
    """One branch stays at stride 8 and keeps detail, one goes to stride 64 for context; they exchange twice.

    DDRNet (Hong et al., "Deep dual-resolution networks for real-time and accurate semantic segmentation",
    2021) at a lower width, with the outputs of `DriveNet`: classes at stride 2, and centres, offsets and
    borders of instances. The last steps enlarge by sub-pixel convolution (Shi et al., 2016) and see the
    stem's features at strides 4 and 2, for thin things.

    Args:
        classes, things: of the class set.
        width: channels, relative to 24 in the stem and 48 at stride 8.

    Input: float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32.
    """

    def __init__(self, classes: int = 12, things: int = 3, width: float = 1.0) -> None:
        super().__init__()
        c = scaled(BASE, width)
        self.things = things
        self.encoder = Encoder(c)
        self.decoder = Decoder(2 * c, c)
        self.semantic = nn.Sequential(ConvNormAct(2 * c, c, 3), nn.Conv2d(c, 4 * classes, 1))
        maps = nn.Conv2d(c, 4 * (things + 3), 1)
        self.instances = nn.Sequential(OrderedDict(features=ConvNormAct(2 * c, c, 3), maps=maps))
        he_init(self)
        nn.init.constant_(maps.bias[: 4 * things], -4.6)  # type: ignore[index]  # a centre is rare: p = 0.01

    def forward(self, image: Tensor) -> DriveMaps:
        x = self.decoder(*self.encoder(image))
        logits, maps = (F.pixel_shuffle(head(x), 2) for head in (self.semantic, self.instances))
        n = self.things
        return DriveMaps(logits, maps[:, :n], OFFSET_UNIT * maps[:, n : n + 2], maps[:, n + 2 :])


class Encoder(nn.Module):
    """Image (n, 3, h, w) → features at strides 2 and 4 (c channels), and at 8 with context (2c channels)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.s2 = ConvNormAct(3, c, 3, stride=2)
        self.s4 = nn.Sequential(ConvNormAct(c, c, 3, stride=2), ResidualBlock(c, c), ResidualBlock(c, c))
        self.s8 = _stage(c, 2 * c, stride=2)
        self.high = nn.ModuleList([_stage(2 * c, 2 * c), _stage(2 * c, 2 * c), ResidualBlock(2 * c, 2 * c)])
        self.low = nn.ModuleList(
            [_stage(2 * c, 4 * c, stride=2), _stage(4 * c, 8 * c, stride=2), _stage(8 * c, 8 * c, stride=2)]
        )
        self.up = nn.ModuleList([ConvNormAct(4 * c, 2 * c, act=False), ConvNormAct(8 * c, 2 * c, act=False)])
        self.down = nn.ModuleList(
            [
                ConvNormAct(2 * c, 4 * c, 3, stride=2, act=False),
                nn.Sequential(
                    ConvNormAct(2 * c, 4 * c, 3, stride=2),
                    ConvNormAct(4 * c, 8 * c, 3, stride=2, act=False),
                ),
            ]
        )
        self.context = PyramidContext(8 * c, 2 * c, 2 * c)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s2 = self.s2(centred(image))
        s4 = self.s4(s2)
        high = low = self.s8(s4)
        for stage in range(2):
            high, low = self.high[stage](high), self.low[stage](low)
            high, low = (
                F.relu6(high + resize(self.up[stage](low), high)),
                F.relu6(low + self.down[stage](high)),
            )
        context = self.context(self.low[2](low))
        high = self.high[2](high)
        return s2, s4, high + resize(context, high)


class PyramidContext(nn.Module):
    """Context at three scales, each added to the next finer one: DDRNet's DAPPM without its widest pools.

    (n, channels, h, w) → (n, out, h, w). Pools are of sizes that INT8 kernels know.
    """

    def __init__(self, channels: int, branch: int, out: int) -> None:
        super().__init__()
        self.first = ConvNormAct(channels, branch)
        self.pools = nn.ModuleList([nn.AvgPool2d(5, 2, 2), nn.AvgPool2d(9, 4, 4), nn.AdaptiveAvgPool2d(1)])
        # No normalisation here: one pooled pixel an image gives it too few values to normalise by.
        self.scales = nn.ModuleList([nn.Conv2d(channels, branch, 1) for _ in self.pools])
        self.process = nn.ModuleList([ConvNormAct(branch, branch, 3) for _ in self.pools])
        self.join = ConvNormAct(4 * branch, out)
        self.shortcut = ConvNormAct(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.first(x)]
        for pool, scale, process in zip(self.pools, self.scales, self.process, strict=True):
            found.append(process(found[-1] + resize(scale(pool(x)), x)))
        return self.join(torch.cat(found, 1)) + self.shortcut(x)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Features at strides 2 and 4 (c channels) and 8 (2c) → (n, 2c, h / 4, w / 4), for the heads."""

    def __init__(self, channels8: int, c: int) -> None:
        super().__init__()
        self.enlarge = ConvNormAct(channels8, 4 * c)
        self.fuse = ConvNormAct(2 * c, c, 3)
        self.thin = ConvNormAct(c, c, 3, stride=2)  # what is thin, before the stem loses it

    def forward(self, s2: Tensor, s4: Tensor, s8: Tensor) -> Tensor:
        x = self.fuse(torch.cat([F.pixel_shuffle(self.enlarge(s8), 2), s4], 1))
        return torch.cat([x, self.thin(s2)], 1)


def _stage(channels: int, out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(channels, out, stride=stride), ResidualBlock(out, out))
