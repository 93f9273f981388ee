"""DeconvNet, a decoder as deep as its encoder: Noh et al., "Learning deconvolution network", 2015."""

from torch import Tensor, nn

from perception.networks.blocks import ConvNormAct, he_init, scaled
from perception.networks.zoo.vgg import VGG16, UnpoolingDecoder


class DeconvNet(nn.Module):
    """VGG-16 down to its fully connected layers, and the same way up, by unpooling and deconvolution.

    Every unpooling puts its values back where the encoder's pooling found its maxima. A deconvolution of
    stride 1 is a convolution with the kernel turned around, so convolutions they are. The paper's 7×7 layers
    shrink an object proposal to one pixel; here they keep the size, so that any image passes.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = VGG16(width)
        deep = self.encoder.channels[-1]
        fc = scaled(4096, width)
        self.fc6 = ConvNormAct(deep, fc, 7)
        self.fc7 = ConvNormAct(fc, fc)
        self.deconv_fc6 = ConvNormAct(fc, deep, 7)
        self.decoder = UnpoolingDecoder(width)
        self.head = nn.Sequential(
            ConvNormAct(self.decoder.out, self.decoder.out, 3), nn.Conv2d(self.decoder.out, classes, 1)
        )
        he_init(self)

    def forward(self, image: Tensor) -> Tensor:
        x, masks = self.encoder.with_masks(image)
        x = self.deconv_fc6(self.fc7(self.fc6(x)))
        return self.head(self.decoder(x, masks))  # type: ignore[no-any-return]
