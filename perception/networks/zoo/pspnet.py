"""PSPNet, context by pooling over regions: Zhao et al., "Pyramid scene parsing network", 2017."""

from torch import Tensor, nn

from perception.networks.blocks import ConvNormAct, he_init, resize, scaled
from perception.networks.context import PyramidPooling
from perception.networks.efficientnet import EfficientNetLite0


class PSPNet(nn.Module):
    """Every pixel sees averages of the whole scene and of its parts together with its own features.

    EfficientNet-Lite0 stands for the paper's ResNet; its auxiliary loss inside the encoder is left out.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).

    Args:
        output_stride: of the encoder's last features: 8 (the paper's), 16 or 32.
    """

    def __init__(self, classes: int, width: float = 1.0, *, output_stride: int = 8) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(output_stride=output_stride, width=width)
        self.context = PyramidPooling(self.encoder.channels[-1])
        out = scaled(128, width)
        self.head = nn.Sequential(ConvNormAct(self.context.out, out, 3), nn.Conv2d(out, classes, 1))
        he_init(self)

    def forward(self, image: Tensor) -> Tensor:
        *_, deep = self.encoder(image)
        return resize(self.head(self.context(deep)), image)
