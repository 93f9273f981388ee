"""Parts shared by the networks that give a picture."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.bundle.manifest import OutputInfo
from perception.networks.blocks import he_init, scaled
from perception.networks.export_wrapper import Deployed


class DeployedPicture(Deployed):
    """A network that gives pictures (n, 3, h · scale, w · scale): one as uint8, channels last."""

    def __init__(self, network: nn.Module, *, frames: int = 1, scale: int = 1) -> None:
        super().__init__(network)
        self.outputs = {"picture": picture_output(scale)}
        self.frames = frames

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (as_picture(self.network(self.pixels(image))),)


def picture_output(scale: int = 1) -> OutputInfo:
    """With the tolerance of two levels: one is rounding, two are not visible."""
    return OutputInfo(layout="NHWC", scale=scale, tolerance=2.0)


def as_picture(pixels: Tensor) -> Tensor:
    """Float32 (n, 3, h, w) 0..255 and beyond → uint8 (n, h, w, 3)."""
    return pixels.clamp(0, 255).round().permute(0, 2, 3, 1).to(torch.uint8)


class ConvAct(nn.Sequential):
    """3×3 convolution and ReLU, (n, channels, h, w) → (n, out, h / stride, w / stride).

    Without normalisation, which takes from a picture the very levels that it is made of: Lim et al.,
    "Enhanced deep residual networks for single image super-resolution", 2017.
    """

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(channels, out, 3, stride, 1), nn.ReLU())


class LightUNet(nn.Module):
    """A small, fast U-Net from stride 2 on.

    The first kernel sees 3×3 cells of 2×2 pixels, each folded into channels (Shi et al., "Real-time single
    image and video super-resolution", 2016). Levels are joined by sums, as in LinkNet (Chaurasia &
    Culurciello, 2017), at less cost than by concatenation.

    (n, channels, h, w), h and w multiples of 2^(number of levels) → (n, `out`, h / 2, w / 2).

    Args:
        levels: channels at strides 2, 4, 8, …, times `width`. CPUs compute 16 at a time.
    """

    def __init__(self, channels: int, levels: tuple[int, ...], width: float) -> None:
        super().__init__()
        sizes = [scaled(level, width) for level in levels]
        self.out = sizes[0]
        self.stem = nn.Sequential(nn.Conv2d(channels, sizes[0], 6, 2, 2), nn.ReLU())
        steps = list(pairwise(sizes))
        self.down = nn.ModuleList(ConvAct(fine, coarse, 2) for fine, coarse in steps)
        self.deepest = ConvAct(sizes[-1], sizes[-1])
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in reversed(steps))
        self.up = nn.ModuleList(ConvAct(fine, fine) for fine, _ in reversed(steps))
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = []
        for level in self.down:
            skips.append(x)
            x = level(x)
        x = self.deepest(x)
        for narrow, level in zip(self.narrow, self.up, strict=True):
            x = level(skips.pop() + F.interpolate(narrow(x), scale_factor=2.0, mode="bilinear"))
        return x


def silent(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution of a residual, zero-initialised."""
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
