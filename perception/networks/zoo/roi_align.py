"""RoIAlign over a feature pyramid, in shapes that do not depend on where the boxes are."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from perception.networks.boxes import area

CANONICAL = 64.0  # boxes with sides below this are pooled from the finest level, twice that from the next


def pyramid_level(boxes: Tensor, levels: int) -> Tensor:
    """Which level to pool each box (..., 4) from: int64 (...), by √area (Lin et al., 2017, equation 1)."""
    side = area(boxes).sqrt()
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
    heights, widths = [f.shape[2] for f in levels], [f.shape[3] for f in levels]
    starts = [0, *accumulate(h * w for h, w in zip(heights, widths, strict=True))]
    table = torch.cat([f.flatten(2) for f in levels], 2).transpose(1, 2).flatten(0, 1)  # (all pixels, c)

    level = pyramid_level(boxes, len(levels))
    width = _pick(widths, level)
    first = _pick(starts[:-1], level) + starts[-1] * torch.arange(images, device=boxes.device)[:, None]
    pixels = _pick([stride * 2**i for i in range(len(levels))], level)
    x0, y0, x1, y1 = (boxes / pixels[..., None]).unbind(-1)
    left, right, part_x = _points(x0, x1, points, width)
    top, bottom, part_y = _points(y0, y1, points, _pick(heights, level))
    pooled = torch.zeros((), device=boxes.device)
    for row, weight_y in ((top, 1 - part_y), (bottom, part_y)):
        for column, weight_x in ((left, 1 - part_x), (right, part_x)):
            index = (first[..., None] + row * width[..., None])[..., :, None] + column[..., None, :]
            weight = weight_y[..., :, None] * weight_x[..., None, :]
            # An embedding is a look-up of rows with a fast gradient.
            pooled = pooled + F.embedding(index, table) * weight[..., None]  # (n, r, points, points, c)
    if samples > 1:
        pooled = pooled.view(images, rois, size, samples, size, samples, channels).mean((3, 5))
    return pooled.permute(0, 1, 4, 2, 3)


def _pick(values: Sequence[int], index: Tensor) -> Tensor:
    """values[index], int64; in an exported graph the values may be sizes known only at run time."""
    return torch.stack([(index == i).to(torch.int64) * value for i, value in enumerate(values)]).sum(0)


def _points(low: Tensor, high: Tensor, count: int, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points spread evenly from low to high, (n, r), along a side of `size` pixels, (n, r).

    Returns:
        The pixels before and after each point, int64 (n, r, count), and how far it is on from the first.
    """
    part = (torch.arange(count, device=low.device) + 0.5) / count
    last = size[..., None] - 1
    # A pixel's value stands at its centre, hence the half.
    at = (low[..., None] + (high - low)[..., None] * part - 0.5).clamp(min=0)
    at = torch.minimum(at, last.to(at.dtype))
    before = at.to(torch.int64)
    return before, torch.minimum(before + 1, last), at - before
