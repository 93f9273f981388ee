"""Context from the whole image, by pooling."""

import torch
from torch import Tensor, nn

from perception.networks.blocks import resize


class PyramidPooling(nn.Module):
    """The features with their averages over 1, 2×2, 3×3 and 6×6 regions: Zhao et al., "PSPNet", 2017.

    (n, channels, h, w) → (n, out, h, w) with `out` = channels + 4 · (channels // 4).
    """

    bins = (1, 2, 3, 6)

    def __init__(self, channels: int) -> None:
        super().__init__()
        branch = channels // len(self.bins)
        # No normalisation: one pooled pixel an image gives it too few values to normalise by.
        layers = (nn.Sequential(nn.Conv2d(channels, branch, 1), nn.ReLU6()) for _ in self.bins)
        self.branches = nn.ModuleList(layers)
        self.out = channels + branch * len(self.bins)

    def forward(self, x: Tensor) -> Tensor:
        scales = zip(self.branches, self.bins, strict=True)
        return torch.cat([x, *(resize(branch(region_means(x, bins)), x) for branch, bins in scales)], 1)


def region_means(x: Tensor, bins: int) -> Tensor:
    """Means over bins × bins regions, (n, c, h, w) → (n, c, bins, bins): `adaptive_avg_pool2d`, by matrices.

    torch exports its own only for sizes known beforehand. The mean over regions is linear along each axis,
    so two small matrices, computed from whatever size comes, do the same.
    """
    rows, columns = (_averaging(side, bins, x) for side in x.shape[2:])
    return rows @ x @ columns.T


def _averaging(side: int, bins: int, like: Tensor) -> Tensor:
    """(bins, side). Region i covers the pixels from ⌊i · side / bins⌋ up to ⌈(i + 1) · side / bins⌉."""
    region = torch.arange(bins, device=like.device).unsqueeze(1)
    pixel = torch.arange(side, device=like.device)
    # Multiplied out, so that there is nothing to round.
    inside = (region * side < (pixel + 1) * bins) & (pixel * bins < (region + 1) * side)
    weights = inside.to(like.dtype)
    return weights / weights.sum(1, keepdim=True)
