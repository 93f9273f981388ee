"""Downsampling and upsampling by two, for the decoders to choose from."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FIRST_COUNTS_MOST = torch.tensor([[[[4.0, 3.0], [2.0, 1.0]]]])

Upsampling = Literal["transposed", "bilinear", "nearest"]


class BilinearDeconv(nn.ConvTranspose2d):
    """Transposed convolution, initialised as bilinear interpolation: Long et al., "FCN", 2015.

    (n, channels, h, w) → (n, channels, scale·h, scale·w), `scale` even.
    """

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__(channels, channels, 2 * scale, stride=scale, padding=scale // 2, bias=False)
        ramp = 1 - (torch.arange(2 * scale) - (scale - 0.5)).abs() / scale
        with torch.no_grad():
            self.weight.copy_(torch.eye(channels)[..., None, None] * torch.outer(ramp, ramp))


class Upsample(nn.Module):
    """Upsampling to twice the size and `out` channels: (n, channels, h, w) → (n, out, 2h, 2w).

    "transposed" is the 2×2 transposed convolution of U-Net; "bilinear" and "nearest" mix the channels by a
    1×1 convolution and enlarge. The convolution comes first: they commute, and it is four times cheaper.
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


def max_pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """2×2 max pooling that remembers where: (n, c, 2h, 2w) → pooled (n, c, h, w), mask (n, c, 2h, 2w).

    The mask is 1 at the first maximum of each 2×2 cell, row by row, else 0. Together with `max_unpool` it
    does what MaxPool2d's indices and MaxUnpool2d do, in operations that every runtime has.
    """
    pooled = F.max_pool2d(x, 2)
    with torch.no_grad():
        order = F.conv_transpose2d(torch.ones_like(pooled[:, :1]), FIRST_COUNTS_MOST.to(x), stride=2)
        candidates = order * (x == average_unpool(pooled))
        mask = (candidates == average_unpool(F.max_pool2d(candidates, 2))).to(x.dtype)
    return pooled, mask


def max_unpool(x: Tensor, mask: Tensor) -> Tensor:
    """Each value where its maximum was, 0 elsewhere: (n, c, h, w), mask (n, c, 2h, 2w) → (n, c, 2h, 2w)."""
    return mask * average_unpool(x)


def average_unpool(x: Tensor) -> Tensor:
    """Each value to its whole 2×2 cell, what average pooling takes back: (n, c, h, w) → (n, c, 2h, 2w)."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def scale2x(labels: Tensor) -> Tensor:
    """A map of ids at twice the size, with smooth outlines: (n, h, w) → (n, 2h, 2w), the same dtype.

    A quarter of a pixel takes the id of its two neighbours there if they agree and lie on an outline: Scale2x
    (Mazzoleni, "Scale2x", 2001), made to enlarge drawings.
    """
    up = torch.cat([labels[:, :1], labels[:, :-1]], 1)
    down = torch.cat([labels[:, 1:], labels[:, -1:]], 1)
    left = torch.cat([labels[:, :, :1], labels[:, :, :-1]], 2)
    right = torch.cat([labels[:, :, 1:], labels[:, :, -1:]], 2)
    outline = (up != down) & (left != right)
    rows = [
        torch.stack([torch.where(outline & (side == row), side, labels) for side in (left, right)], 3)
        for row in (up, down)
    ]
    return torch.stack(rows, 2).flatten(3).flatten(1, 2)
