"""Fully convolutional networks, where semantic segmentation by networks began: Long et al., 2015."""

from typing import Literal

from torch import Tensor, nn

from perception.networks.blocks import ConvNormAct, he_init, scaled
from perception.networks.efficientnet import EfficientNetLite0
from perception.networks.upsampling import BilinearDeconv
from perception.networks.zoo.vgg import VGG16


class FCN(nn.Module):
    """A classifier slid over the image; its scores are added to those of finer features, and enlarged.

    The fully connected layers of VGG-16 become a 7×7 and a 1×1 convolution, so that the input may have any
    size; the padding of 100 px that the paper needs for it is "same" padding here. FCN-32s enlarges the
    scores by 32 at once; FCN-16s and FCN-8s first add the scores of stride 16, then of stride 8. Batch
    normalisation stands for the paper's dropout. All transposed convolutions learn.

    Image float32 (n, 3, h, w), BGR 0..255, h and w multiples of 32 → logits (n, classes, h, w).

    Args:
        stride: 32, 16 or 8: of the finest features that give scores.
        encoder: features of strides 2 to 32; VGG-16 of this width by default.
        fc: channels of the former fully connected layers, times `width`.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        stride: Literal[8, 16, 32] = 8,
        encoder: VGG16 | EfficientNetLite0 | None = None,
        fc: int = 4096,
    ) -> None:
        super().__init__()
        encoder = encoder or VGG16(width)
        _, _, s8, s16, s32 = encoder.channels
        skips = {32: (), 16: (s16,), 8: (s16, s8)}[stride]
        fc = scaled(fc, width)
        self.fc6 = ConvNormAct(s32, fc, 7)
        self.fc7 = ConvNormAct(fc, fc)
        self.score = nn.Conv2d(fc, classes, 1)
        self.enlarge = nn.ModuleList(BilinearDeconv(classes, 2) for _ in skips)
        self.skip_scores = nn.ModuleList(nn.Conv2d(channels, classes, 1) for channels in skips)
        self.to_image = BilinearDeconv(classes, stride)
        he_init(self)  # before the encoder is added, which may have its own weights
        self.encoder = encoder

    def forward(self, image: Tensor) -> Tensor:
        _, _, s8, s16, s32 = self.encoder(image)
        x = self.score(self.fc7(self.fc6(s32)))
        # FCN-32s has no skips, FCN-16s one.
        for enlarge, score, skip in zip(self.enlarge, self.skip_scores, (s16, s8), strict=False):
            x = enlarge(x) + score(skip)
        return self.to_image(x)  # type: ignore[no-any-return]
