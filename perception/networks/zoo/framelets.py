"""U-Nets that pool and skip by frames: Han & Ye, "Framing U-Net via deep convolutional framelets", 2018.

U-Net's levels send on the features B and, pooled, their low frequencies Φᵀ B. Put together again as
B + Φ Φᵀ B, these count low frequencies twice, which blurs. A frame and its dual give B back exactly.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import ConvNormAct, centred, he_init, scaled
from perception.networks.upsampling import average_unpool
from perception.networks.zoo.unet import LEVELS, DoubleConv

# High bands of 2×2 cells: differences of columns, of rows, of diagonals.
HAAR = torch.tensor([[[1.0, -1.0], [1.0, -1.0]], [[1.0, 1.0], [-1.0, -1.0]], [[1.0, -1.0], [-1.0, 1.0]]])
HAAR = HAAR[:, None] / 2


def dual_frame(features: Tensor, low: Tensor) -> Tensor:
    """What to add to `features` (n, c, 2h, 2w) so that their low frequencies become `low` halfway.

    `low` is (n, c, h, w). The dual of the frame (B, Φᵀ B), Φᵀ being average pooling, gives
    B + ½ Φ (low - Φᵀ B): B itself where the low frequencies came back as they went.
    """
    return 0.5 * average_unpool(low - F.avg_pool2d(features, 2))


def haar_analysis(x: Tensor) -> tuple[Tensor, Tensor]:
    """The orthonormal Haar wavelet: (n, c, 2h, 2w) → low (n, c, h, w), high (n, 3c, h, w)."""
    channels = x.shape[1]
    high = F.conv2d(x, HAAR.to(x).repeat(channels, 1, 1, 1), stride=2, groups=channels)
    return 2 * F.avg_pool2d(x, 2), high


def haar_low(low: Tensor) -> Tensor:
    """The part of the inverse that comes from the low band: (n, c, h, w) → (n, c, 2h, 2w)."""
    return average_unpool(low) / 2


def haar_high(high: Tensor) -> Tensor:
    """The part of the inverse that comes from the high bands: (n, 3c, h, w) → (n, c, 2h, 2w)."""
    channels = high.shape[1] // 3
    return F.conv_transpose2d(high, HAAR.to(high).repeat(channels, 1, 1, 1), stride=2, groups=channels)


class _FrameletUNet(nn.Module):
    """U-Net's levels; `narrow` gives the way up the channels of the skip before it is unpooled."""

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        levels = [scaled(channels, width) for channels in LEVELS]
        up = list(zip(levels[:0:-1], levels[-2::-1], strict=True))
        self.encoder = nn.ModuleList(
            DoubleConv(channels, out) for channels, out in zip([3, *levels], levels, strict=False)
        )
        self.narrow = nn.ModuleList(ConvNormAct(channels, out, act=False) for channels, out in up)
        self.decoder = nn.ModuleList(DoubleConv(2 * out, out) for _, out in up)
        self.head = nn.Conv2d(levels[0], classes, 1)
        he_init(self)


class DualFrameUNet(_FrameletUNet):
    """U-Net with a second skip that takes the low frequencies, known from the first one, out of the way up.

    The two summands of `dual_frame` are concatenated: the convolution after it adds them.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).
    """

    def forward(self, image: Tensor) -> Tensor:
        x = self.encoder[0](centred(image))
        skips = []
        for level in self.encoder[1:]:
            skips.append(x)
            x = level(F.avg_pool2d(x, 2))
        for narrow, level in zip(self.narrow, self.decoder, strict=True):
            skip = skips.pop()
            x = level(torch.cat([skip, dual_frame(skip, narrow(x))], 1))
        return self.head(x)  # type: ignore[no-any-return]


class TightFrameUNet(_FrameletUNet):
    """U-Net on the Haar wavelet: the low band goes down, only the high bands go over the skip.

    The two summands of the inverse are concatenated: the convolution after it adds them.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).
    """

    def forward(self, image: Tensor) -> Tensor:
        x = self.encoder[0](centred(image))
        skips = []
        for level in self.encoder[1:]:
            low, high = haar_analysis(x)
            skips.append(high)
            x = level(low)
        for narrow, level in zip(self.narrow, self.decoder, strict=True):
            x = level(torch.cat([haar_high(skips.pop()), haar_low(narrow(x))], 1))
        return self.head(x)  # type: ignore[no-any-return]
