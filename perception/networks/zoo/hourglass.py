"""Key points by stacked hourglasses: Newell, Yang & Deng, "Stacked hourglass networks", 2016."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.bundle.manifest import OutputInfo
from perception.classes import KEY_POINTS
from perception.networks.blocks import ConvNormAct, HeatMapHead, ResidualBlock, centred, he_init, scaled
from perception.networks.export_wrapper import Deployed

STRIDE = 4  # of the heat maps


class Hourglass(nn.Module):
    """Down by two and up again, `depth` times, with a residual block parallel to each level; same size.

    (n, channels, h, w), h and w multiples of 2^depth.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.beside = ResidualBlock(channels, channels)
        inner = Hourglass(channels, depth - 1) if depth > 1 else ResidualBlock(channels, channels)
        self.through = nn.Sequential(
            nn.MaxPool2d(2), ResidualBlock(channels, channels), inner, ResidualBlock(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.beside(x) + F.interpolate(self.through(x), scale_factor=2.0, mode="nearest")  # type: ignore[no-any-return]


class HourglassNet(nn.Module):
    """Hourglasses one after the other: each gives heat maps, which the next one sees with the features.

    Features stay at stride 4 and halve three times in each hourglass, so that any size of multiples of 32
    fits; the paper halves four times, for crops of 256 pixels around one person. Residual blocks are of two
    3×3 convolutions.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (stacks, n, key_points, h / 4,
    w / 4); the last stack's count, the others are for supervision.

    Args:
        key_points: heat maps, one a kind.
        width: scales all channels; 1 are the paper's 256.
    """

    def __init__(self, key_points: int, width: float = 1.0, stacks: int = 2) -> None:
        super().__init__()
        narrow, channels = scaled(64, width), scaled(256, width)
        self.stem = nn.Sequential(
            ConvNormAct(3, narrow, 7, stride=2),
            ResidualBlock(narrow, 2 * narrow),
            nn.MaxPool2d(2),
            ResidualBlock(2 * narrow, channels),
        )
        self.hourglasses = nn.ModuleList(
            nn.Sequential(Hourglass(channels, 3), ResidualBlock(channels, channels)) for _ in range(stacks)
        )
        self.features_back = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(stacks - 1))
        self.maps_back = nn.ModuleList(nn.Conv2d(key_points, channels, 1) for _ in range(stacks - 1))
        he_init(self)
        # Not He-initialised: with small weights every key point is improbable at first.
        self.heads = nn.ModuleList(HeatMapHead(channels, key_points) for _ in range(stacks))

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(centred(image))
        stacks = []
        for i, (hourglass, head) in enumerate(zip(self.hourglasses, self.heads, strict=True)):
            features = hourglass(x)
            stacks.append(head(features))
            if i < len(self.features_back):
                x = x + self.features_back[i](features) + self.maps_back[i](stacks[-1])
        return torch.stack(stacks)


class DeployedKeyPoints(Deployed):
    """The hourglasses: key_points float32 (1, kinds, h / 4, w / 4), the last stack's probabilities."""

    outputs: Mapping[str, OutputInfo] = {
        "key_points": OutputInfo(dtype="float32", layout="NCHW", stride=STRIDE, tolerance=0.02)
    }
    key_points = KEY_POINTS

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.network(self.pixels(image))[-1].sigmoid(),)
