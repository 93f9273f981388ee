"""SegNet, DeconvNet without its fully connected layers: Badrinarayanan et al., 2017."""

from torch import Tensor, nn

from perception.networks.blocks import he_init
from perception.networks.zoo.vgg import VGG16, UnpoolingDecoder


class SegNet(nn.Module):
    """VGG-16 and its mirror image; all that the decoder learns of places are the encoder's pooling indices.

    They make the unpooled maps sparse; the convolutions after it make them dense again.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = VGG16(width)
        self.decoder = UnpoolingDecoder(width)
        self.head = nn.Conv2d(self.decoder.out, classes, 3, padding=1)
        he_init(self)

    def forward(self, image: Tensor) -> Tensor:
        x, masks = self.encoder.with_masks(image)
        return self.head(self.decoder(x, masks))  # type: ignore[no-any-return]
