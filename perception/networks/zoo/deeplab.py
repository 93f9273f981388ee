"""DeepLab, context by atrous convolution at several rates: Chen et al., 2017 and 2018."""

from torch import Tensor, nn

from perception.networks.blocks import AtrousContext, SeparableConv, SkipFusion, he_init, resize, scaled
from perception.networks.efficientnet import EfficientNetLite0


def atrous_rates(output_stride: int) -> tuple[int, ...]:
    """6, 12 and 18 at stride 16, so that they span the same pixels of the image at every other stride."""
    return tuple(rate * 16 // output_stride for rate in (6, 12, 18))


class DeepLabV3(nn.Module):
    """Atrous spatial pyramid pooling over a dilated encoder: "Rethinking atrous convolution", 2017.

    EfficientNet-Lite0 stands for the paper's ResNet, and the atrous branches are separable, as the authors
    made them a year later.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).

    Args:
        output_stride: of the encoder's last features: 8, 16 or 32.
    """

    def __init__(self, classes: int, width: float = 1.0, *, output_stride: int = 16) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(output_stride=output_stride, width=width)
        out = scaled(256, width)
        self.context = AtrousContext(
            self.encoder.channels[-1], out, branch=out, rates=atrous_rates(output_stride)
        )
        self.head = nn.Conv2d(out, classes, 1)
        he_init(self)

    def forward(self, image: Tensor) -> Tensor:
        *_, deep = self.encoder(image)
        return resize(self.head(self.context(deep)), image)


class DeepLabV3Plus(nn.Module):
    """DeepLabv3 with a small decoder that joins features of stride 4: "Encoder-decoder with atrous separable
    convolution", 2018.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).

    Args:
        output_stride: of the encoder's last features: 8, 16 or 32.
    """

    def __init__(self, classes: int, width: float = 1.0, *, output_stride: int = 16) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(output_stride=output_stride, width=width)
        _, s4, _, _, deep = self.encoder.channels
        out = scaled(256, width)
        self.context = AtrousContext(deep, out, branch=out, rates=atrous_rates(output_stride))
        self.decoder = SkipFusion(out, s4, out, project=scaled(48, width), kernel=3)
        self.head = nn.Sequential(SeparableConv(out, out), nn.Conv2d(out, classes, 1))
        he_init(self)

    def forward(self, image: Tensor) -> Tensor:
        _, s4, _, _, deep = self.encoder(image)
        return resize(self.head(self.decoder(self.context(deep), s4)), image)
