"""RoIAlign over a feature pyramid, in shapes that do not depend on where the boxes are."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

CANONICAL = 64.0  # boxes with sides below this are pooled from the finest level, twice that from the next


def pyramid_level(boxes: Tensor, levels: int) -> Tensor:
    """Which level to pool each box (..., 4) from: int64 (...), by √area (Lin et al., 2017, equation 1)."""
    side = ((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])).sqrt()
    level = torch.zeros_like(side, dtype=torch.int64)
    for i in range(1, levels):
        level = level + (side >= CANONICAL * 2 ** (i - 1)).to(torch.int64)
    return level


def roi_align(levels: Sequence[Tensor], boxes: Tensor, *, stride: int, size: int, samples: int = 1) -> Tensor:
    """Features under boxes, sampled bilinearly: He et al., "Mask R-CNN", 2017, section 3.

    Each box is cut into size × size bins; a bin is the mean of samples × samples points spread evenly in it.
    All levels lie in one table of pixels, so that taking a box from its own level is a matter of indices.

    Args:
        levels: the pyramid, finest first, float32 (n, c, h / 2^i, w / 2^i).
        boxes: float32 (n, r, 4), within the image.
        stride: pixels of the image per pixel of the finest level.

    Returns:
        float32 (n, r, c, size, size).
    """
    images, channels = levels[0].shape[:2]
    rois, points = boxes.shape[1], size * samples
    table = torch.cat([level.flatten(2) for level in levels], 2).transpose(1, 2)  # (n, all pixels, c)
    level = pyramid_level(boxes, len(levels))
    height, width, first, pixels = (torch.zeros_like(level) for _ in range(4))
    start = 0
    for i, features in enumerate(levels):
        own = (level == i).to(torch.int64)
        height, width = height + own * features.shape[2], width + own * features.shape[3]
        first, pixels = first + own * start, pixels + own * (stride * 2**i)
        start += features.shape[2] * features.shape[3]
    first = first + start * torch.arange(images, device=boxes.device)[:, None]

    # Points at the bins' even parts; a pixel's value stands at its centre, hence the half.
    part = (torch.arange(points, device=boxes.device) + 0.5) / points
    corner, sides = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
    at = (corner[..., None] + sides[..., None] * part) / pixels[..., None, None] - 0.5  # (n, r, 2, points)
    last = torch.stack([width, height], -1)[..., None] - 1
    at = torch.minimum(at.clamp(min=0), last.to(at.dtype))
    low = at.to(torch.int64)
    high = torch.minimum(low + 1, last)
    (x_far, y_far), (x_near, y_near) = [(p[..., 0, :], p[..., 1, :]) for p in (at - low, 1 - (at - low))]
    rows = [first[..., None] + y * width[..., None] for y in (low[..., 1, :], high[..., 1, :])]
    pooled = torch.zeros((), device=boxes.device)
    for row, weight_y in zip(rows, (y_near, y_far), strict=True):
        for column, weight_x in ((low[..., 0, :], x_near), (high[..., 0, :], x_far)):
            index = row[..., :, None] + column[..., None, :]  # (n, r, points, points)
            weight = weight_y[..., :, None] * weight_x[..., None, :]
            # An embedding is a look-up of rows whose gradient is fast.
            pooled = pooled + F.embedding(index, table.flatten(0, 1)) * weight[..., None]
    if samples > 1:
        pooled = pooled.view(images, rois, size, samples, size, samples, channels).mean((3, 5))
    return pooled.permute(0, 1, 4, 2, 3)
