"""A feature pyramid: every level has coarse context and fine places."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import ConvNormAct, SeparableConv, resize


class FeaturePyramid(nn.Module):
    """Lin et al., "Feature pyramid networks", 2017, with separable convolutions.

    Encoder features, finest first, (n, channels[i], h / 2^i, w / 2^i), give as many levels of `out` channels
    at the same sizes, and one more at half the last one's.
    """

    def __init__(self, channels: Sequence[int], out: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvNormAct(c, out, act=False) for c in channels)
        self.smooth = nn.ModuleList(SeparableConv(out, out) for _ in channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        levels = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        for i in reversed(range(len(levels) - 1)):
            levels[i] = levels[i] + resize(levels[i + 1], levels[i])
        levels = [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]
        return [*levels, F.max_pool2d(levels[-1], 1, stride=2)]
