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


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut: He et al., "Deep residual learning", 2016.

    The shortcut is the identity, or a 1×1 convolution where channels or size change.
    (n, channels, h, w) → (n, out, h / stride, w / stride).
    """

    def __init__(self, channels: int, out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            ConvNormAct(channels, out, 3, stride=stride), ConvNormAct(out, out, 3, act=False)
        )
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else ConvNormAct(channels, out, stride=stride, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(self.shortcut(x) + self.residual(x))


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


class HeatMapHead(nn.Sequential):
    """Logits of `maps` heat maps: (n, channels, h, w) → (n, maps, h, w).

    A peak is rare: before any training each cell has the probability 0.01.
    """

    def __init__(self, channels: int, maps: int) -> None:
        last = nn.Conv2d(channels, maps, 1)
        nn.init.constant_(last.bias, -4.6)  # type: ignore[arg-type]  # it has one
        super().__init__(ConvNormAct(channels, channels, 3), last)


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, rounded to a multiple of 8, at least 8."""
    return max(8, int(channels * width / 8 + 0.5) * 8)


def centred(image: Tensor) -> Tensor:
    """Pixels 0..255 as numbers about -1..1."""
    return (image - 127.0) / 128.0


def he_init(network: nn.Module) -> None:
    """Draw the weights of all convolutions as He et al., "Delving deep into rectifiers", 2015."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def resize(x: Tensor, like: Tensor) -> Tensor:
    """`x` enlarged bilinearly to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
