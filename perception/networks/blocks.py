"""The layers that the networks are built from."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNormAct(nn.Sequential):
    """Convolution, batch normalisation, ReLU6; "same" size divided by the stride. (n, c, h, w) float32."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(channels, out, kernel, stride, padding, dilation, groups, bias=False),
            nn.BatchNorm2d(out, eps=1e-3),
            *([nn.ReLU6()] if act else []),
        )


class SeparableConv(nn.Sequential):
    """Depthwise then pointwise convolution: Chollet, "Xception", 2017. Atrous with `dilation` above 1."""

    def __init__(self, channels: int, out: int, kernel: int = 3, *, dilation: int = 1) -> None:
        super().__init__(
            ConvNormAct(channels, channels, kernel, dilation=dilation, groups=channels),
            ConvNormAct(channels, out),
        )


class AtrousContext(nn.Module):
    """Atrous spatial pyramid pooling with image-level pooling: Chen et al., "DeepLabv3", 2017.

    Args:
        channels, out: channels of the input and of the output.
        branch: channels of each branch.
        rates: dilations of the atrous branches, in pixels of the input.
    """

    def __init__(self, channels: int, out: int, *, branch: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [ConvNormAct(channels, branch)] + [SeparableConv(channels, branch, dilation=r) for r in rates]
        )
        # No normalisation here: one pooled pixel an image gives it too few values to normalise by.
        self.image = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, branch, 1), nn.ReLU6())
        self.project = ConvNormAct(branch * (len(rates) + 2), out)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.image(x).expand(-1, -1, x.shape[2], x.shape[3])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], 1))  # type: ignore[no-any-return]


class SkipFusion(nn.Module):
    """One step of a decoder: enlarge bilinearly, join a projected skip connection, convolve.

    As in DeepLabv3+ (Chen et al., 2018). `x` (n, channels, h, w) and `skip` (n, skip, k·h, k·w) give
    (n, out, k·h, k·w).
    """

    def __init__(self, channels: int, skip: int, out: int, *, project: int, kernel: int = 5) -> None:
        super().__init__()
        self.project = ConvNormAct(skip, project)
        self.fuse = SeparableConv(channels + project, out, kernel)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.fuse(torch.cat([resize(x, skip), self.project(skip)], 1))  # type: ignore[no-any-return]


def resize(x: Tensor, like: Tensor) -> Tensor:
    """`x` enlarged bilinearly to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
