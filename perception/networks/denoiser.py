"""Noise out of a frame before other networks see it."""

from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import centred
from perception.networks.pictures import LightUNet, silent


class Denoiser(nn.Module):
    """Predicts the noise and takes it away: Zhang et al., "Beyond a Gaussian denoiser" (DnCNN), 2017.

    A small U-Net at stride 2 in the place of the paper's plain stack of convolutions at full size: fast
    enough to run before another network at the rate of a camera. It begins as the identity.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → the same without noise.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.features = LightUNet(3, (16, 32, 48, 64), width)
        self.noise = silent(nn.Conv2d(self.features.out, 12, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        return image - 128 * F.pixel_shuffle(self.noise(self.features(centred(image))), 2)
