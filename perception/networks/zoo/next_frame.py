"""The next frame of a drive, from the two before it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import centred
from perception.networks.zoo.pictures import LightUNet, silent

FRAMES = 2


class NextFrame(nn.Module):
    """Predicts where each pixel comes from in the newest frame, and how it differs from there.

    Optical flow predicted rather than measured (Liu et al., "Video frame synthesis using deep voxel flow",
    2017), and a residual for what comes into view. Both are zero-initialised: it starts as the newest frame.

    Image float32 (n, 6, h, w), two frames, the older one first, BGR 0..255, h and w multiples of 32 →
    (n, 3, h, w), the frame that will follow.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.features = LightUNet(3 * FRAMES, (32, 48, 64, 96, 128), width)
        self.flow = silent(nn.Conv2d(self.features.out, 2, 3, padding=1))
        self.change = silent(nn.Conv2d(self.features.out, 12, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        features = self.features(centred(image))
        flow = F.interpolate(self.flow(features), scale_factor=2.0, mode="bilinear")
        return warp(image[:, -3:], 16 * flow) + 128 * F.pixel_shuffle(self.change(features), 2)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Each pixel from where the flow points, bilinear; what lies outside is as the border.

    Image (n, c, h, w), flow (n, 2, h, w) x and y in pixels → (n, c, h, w).
    """
    height, width = image.shape[2:]
    # Pixel centres from -1 to 1 over the whole picture, as grid_sample counts.
    x = (torch.arange(width, device=image.device) + 0.5 + flow[:, 0]) * (2 / width) - 1
    y = (torch.arange(height, device=image.device)[:, None] + 0.5 + flow[:, 1]) * (2 / height) - 1
    return F.grid_sample(image, torch.stack([x, y], 3), padding_mode="border", align_corners=False)
