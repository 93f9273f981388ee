"""U-Net, plain and residual."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import ConvNormAct, ResidualBlock, centred, he_init, scaled
from perception.networks.upsampling import Upsample, Upsampling

LEVELS = (64, 128, 256, 512, 1024)  # channels of strides 1, 2, 4, 8, 16


class DoubleConv(nn.Sequential):
    """Two 3×3 convolutions, (n, channels, h, w) → (n, out, h, w). The paper did without normalisation."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(ConvNormAct(channels, out, 3), ConvNormAct(out, out, 3))


class UNet(nn.Module):
    """Symmetric: every level of the way down is concatenated to its level of the way up.

    Ronneberger et al., 2015. "Same" padding keeps the size, where the paper crops.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).

    Args:
        upsampling: "transposed" is the paper's.
    """

    def __init__(self, classes: int, width: float = 1.0, *, upsampling: Upsampling = "transposed") -> None:
        super().__init__()
        levels = [scaled(channels, width) for channels in LEVELS]
        down = list(zip([3, *levels], levels, strict=False))
        up = list(zip(levels[:0:-1], levels[-2::-1], strict=True))
        self.encoder = nn.ModuleList(DoubleConv(channels, out) for channels, out in down)
        self.enlarge = nn.ModuleList(Upsample(channels, out, upsampling) for channels, out in up)
        self.decoder = nn.ModuleList(DoubleConv(2 * out, out) for _, out in up)
        self.head = nn.Conv2d(levels[0], classes, 1)
        he_init(self)

    def forward(self, image: Tensor) -> Tensor:
        x = self.encoder[0](centred(image))
        skips = []
        for level in self.encoder[1:]:
            skips.append(x)
            x = level(F.max_pool2d(x, 2))
        for enlarge, level in zip(self.enlarge, self.decoder, strict=True):
            x = level(torch.cat([skips.pop(), enlarge(x)], 1))
        return self.head(x)  # type: ignore[no-any-return]


class ResidualUNet(nn.Module):
    """U-Net of residual blocks, which halve the size by striding: Zhang et al., "Deep residual U-Net", 2018.

    Four levels deep, enlarged bilinearly, as in the paper. Activations follow the sum, not precede the
    convolutions: normalisation can be folded into these that way. No residual from input to output: logits
    are no correction of an image.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        levels = [scaled(channels, width) for channels in LEVELS[:4]]
        self.encoder = nn.ModuleList(
            ResidualBlock(channels, out, stride=1 if channels == 3 else 2)
            for channels, out in zip([3, *levels], levels, strict=False)
        )
        up = list(zip(levels[:0:-1], levels[-2::-1], strict=True))
        self.decoder = nn.ModuleList(ResidualBlock(channels + out, out) for channels, out in up)
        self.head = nn.Conv2d(levels[0], classes, 1)
        he_init(self)

    def forward(self, image: Tensor) -> Tensor:
        x = self.encoder[0](centred(image))
        skips = []
        for level in self.encoder[1:]:
            skips.append(x)
            x = level(x)
        for level in self.decoder:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = level(torch.cat([skips.pop(), x], 1))
        return self.head(x)  # type: ignore[no-any-return]
