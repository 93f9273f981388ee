"""Noise out of a frame before other networks see it."""

from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import centred
from perception.networks.zoo.pictures import LightUNet, silent


class Denoiser(nn.Module):
    """Weights the fine detail of each place by how little of it is noise, and adds a correction.

    A frame is the sum of its details at three scales and what is coarser still (Burt & Adelson, "The
    Laplacian pyramid", 1983). A small U-Net says how much of each to keep: the shrinkage of Donoho &
    Johnstone, 1994, learnt. To predict all of the noise, as DnCNN does (Zhang et al., 2017), takes many more
    channels than there is time for at the rate of a camera.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → the same without noise.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.features = LightUNet(3, (16, 32, 48, 64), width)
        # At first half of all detail is kept, without a correction. CPUs compute 16 channels at once.
        self.answer = silent(nn.Conv2d(self.features.out, 3 + 12, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        x = centred(image)
        shares, correction = self.answer(self.features(x)).split((3, 12), 1)
        finest, middle, coarse = shares.sigmoid().chunk(3, 1)
        halved = F.avg_pool2d(x, 2)
        # Coarser scales as large as the halved frame.
        by_4, by_8 = (
            F.interpolate(F.avg_pool2d(halved, k), scale_factor=float(k), mode="bilinear") for k in (2, 4)
        )
        kept = by_8 + coarse * (by_4 - by_8) + middle * (halved - by_4)
        enlarged, blurred = (F.interpolate(y, scale_factor=2.0, mode="bilinear") for y in (kept, halved))
        restored = enlarged + F.interpolate(finest, scale_factor=2.0, mode="bilinear") * (x - blurred)
        return 128 * (restored + F.pixel_shuffle(correction, 2)) + 127
