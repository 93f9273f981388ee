"""Losses between pictures, float32 (n, c, h, w) 0..255; each is a scalar on a scale of 0..1."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from perception.evaluation.metrics.pictures import C1, C2, WINDOW, gaussian_window


def l1(picture: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error: sharper pictures than squares give (Zhao et al., 2017)."""
    return F.l1_loss(picture, truth) / 255


def mse(picture: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error, what PSNR measures."""
    return F.mse_loss(picture, truth) / 255**2


def ssim(picture: Tensor, truth: Tensor) -> Tensor:
    """1 − SSIM: Wang et al., 2004; see `picture_metrics.ssim`. Sides are at least 11 px."""
    x, y = picture.flatten(0, 1)[:, None], truth.flatten(0, 1)[:, None]
    maps = torch.cat([x, y, x * x, y * y, x * y])
    window = torch.from_numpy(gaussian_window()).to(maps)
    rows = F.conv2d(maps, window.view(1, 1, WINDOW, 1))
    mean_x, mean_y, square_x, square_y, product = F.conv2d(rows, window.view(1, 1, 1, WINDOW)).chunk(5)
    variances = square_x - mean_x**2 + square_y - mean_y**2
    covariance = product - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x**2 + mean_y**2 + C1) * (variances + C2)
    )
    return 1 - similarity.mean()


PICTURE_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "mse": mse, "ssim": ssim}
