"""A frame at twice its size."""

from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import centred, he_init, scaled
from perception.networks.upsampling import BilinearDeconv
from perception.networks.zoo.pictures import ConvAct, silent
from perception.networks.zoo.vgg import VGG16

SCALE = 2


class SuperResolution(nn.Module):
    """FCN-8s that gives the residual of bilinear enlargement, instead of scores of classes.

    The sums of VGG-16's strides 32, 16 and 8 (Long et al., 2015) are carried on in the same way to the image
    itself: pooling has lost the detail of the finer strides. Kim et al., "Accurate image super-resolution
    using very deep convolutional networks", 2016, for the difference alone; Shi et al., 2016, for folding
    the enlarged pixels out of channels. Zero-initialised, it starts as bilinear enlargement.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → (n, 3, 2h, 2w).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = scaled(64, width)
        encoder = VGG16(width)
        self.scores = nn.ModuleList(nn.Conv2d(skip, channels, 1) for skip in reversed(encoder.channels))
        self.enlarge = nn.ModuleList(BilinearDeconv(channels, 2) for _ in encoder.channels)
        self.image = nn.Conv2d(3, channels, 5, padding=2)
        self.fuse = ConvAct(channels, channels)
        self.detail = silent(nn.Conv2d(channels, 3 * SCALE**2, 3, padding=1))
        for part in (self.scores, self.image, self.fuse):
            he_init(part)
        self.encoder = encoder

    def forward(self, image: Tensor) -> Tensor:
        *skips, deepest = self.encoder(image)
        x = self.scores[0](deepest)
        for enlarge, score in zip(self.enlarge, self.scores[1:], strict=False):
            x = enlarge(x) + score(skips.pop())
        x = self.fuse(F.relu(self.enlarge[-1](x) + self.image(centred(image))))
        detail = F.pixel_shuffle(self.detail(x), SCALE)
        return F.interpolate(image, scale_factor=float(SCALE), mode="bilinear") + 128 * detail
