"""The ways down by two and up again, for the decoders to choose from."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Upsampling = Literal["transposed", "bilinear", "nearest"]


class BilinearDeconv(nn.ConvTranspose2d):
    """Transposed convolution that begins as bilinear interpolation: Long et al., "FCN", 2015.

    (n, channels, h, w) → (n, channels, scale·h, scale·w), `scale` even.
    """

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__(channels, channels, 2 * scale, stride=scale, padding=scale // 2, bias=False)
        ramp = 1 - (torch.arange(2 * scale) - (scale - 0.5)).abs() / scale
        with torch.no_grad():
            self.weight.copy_(torch.eye(channels)[..., None, None] * torch.outer(ramp, ramp))


class Upsample(nn.Module):
    """To twice the size and `out` channels: (n, channels, h, w) → (n, out, 2h, 2w).

    "transposed" is the 2×2 transposed convolution of U-Net; "bilinear" and "nearest" mix the channels by a
    1×1 convolution and enlarge. The convolution comes first: the two commute, and it is four times cheaper so.
    """

    def __init__(self, channels: int, out: int, how: Upsampling = "transposed") -> None:
        super().__init__()
        self.how = how
        transposed = how == "transposed"
        self.conv = (
            nn.ConvTranspose2d(channels, out, 2, stride=2) if transposed else nn.Conv2d(channels, out, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y if self.how == "transposed" else F.interpolate(y, scale_factor=2.0, mode=self.how)


def corners(x: Tensor) -> Tensor:
    """The four pixels of each 2×2 cell, row by row: (n, c, 2h, 2w) → (n, c, 4, h, w)."""
    return F.pixel_unshuffle(x, 2).unflatten(1, (x.shape[1], 4))


def from_corners(x: Tensor) -> Tensor:
    """The inverse of `corners`: (n, c, 4, h, w) → (n, c, 2h, 2w)."""
    return F.pixel_shuffle(x.flatten(1, 2), 2)


def max_pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """2×2 max pooling that remembers where: (n, c, 2h, 2w) → pooled (n, c, h, w), mask (n, c, 4, h, w).

    The mask is 1 at the first maximum of each cell's `corners`, else 0. Together with `max_unpool` it does
    what MaxPool2d's indices and MaxUnpool2d do, in operations that every runtime has.
    """
    pooled = F.max_pool2d(x, 2)
    with torch.no_grad():
        free = torch.ones_like(pooled)
        mask = []
        for corner in corners(x).unbind(2):
            mask.append(free * (corner == pooled))
            free = free - mask[-1]
    return pooled, torch.stack(mask, 2)


def max_unpool(x: Tensor, mask: Tensor) -> Tensor:
    """Each value back where its maximum was, 0 elsewhere: (n, c, h, w), mask (n, c, 4, h, w) → (n, c, 2h, 2w)."""
    return from_corners(mask * x.unsqueeze(2))


def average_unpool(x: Tensor) -> Tensor:
    """Each value to its whole 2×2 cell, what average pooling takes back: (n, c, h, w) → (n, c, 2h, 2w)."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
