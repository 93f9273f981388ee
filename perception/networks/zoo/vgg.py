"""VGG-16, and its mirror image: the encoder and the unpooling decoder of the first segmentation networks."""

from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import ConvNormAct, centred, he_init, scaled
from perception.networks.upsampling import max_pool, max_unpool

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """Thirteen 3×3 convolutions and five poolings: Simonyan & Zisserman, 2015.

    Batch-normalised, which the paper did without: it trains from nothing that way. Image float32
    (n, 3, h, w), BGR 0..255 → features of strides 2, 4, 8, 16 and 32 with `channels` channels.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.channels = tuple(scaled(stage[-1], width) for stage in STAGES)
        channels = 3
        stages = []
        for stage in STAGES:
            convolutions = []
            for out in stage:
                convolutions.append(ConvNormAct(channels, scaled(out, width), 3))
                channels = scaled(out, width)
            stages.append(nn.Sequential(*convolutions))
        self.stages = nn.ModuleList(stages)
        he_init(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = centred(image)
        features = []
        for stage in self.stages:
            x = F.max_pool2d(stage(x), 2)
            features.append(x)
        return features

    def with_masks(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features of stride 32, and where each pooling found its maxima (see `max_pool`)."""
        x = centred(image)
        masks = []
        for stage in self.stages:
            x, mask = max_pool(stage(x))
            masks.append(mask)
        return x, masks


class UnpoolingDecoder(nn.Module):
    """VGG-16 upside down: five unpoolings, each with the convolutions of its stage in reverse.

    (n, channels of stride 32, h / 32, w / 32) and the encoder's masks → (n, `out`, h, w).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        stages = []
        channels = scaled(STAGES[-1][-1], width)
        for i in reversed(range(len(STAGES))):
            after = STAGES[i - 1][-1:] if i > 0 else ()  # the last stage leaves its last layer to the network
            convolutions = []
            for out in (*STAGES[i][1:], *after):
                convolutions.append(ConvNormAct(channels, scaled(out, width), 3))
                channels = scaled(out, width)
            stages.append(nn.Sequential(*convolutions))
        self.stages = nn.ModuleList(stages)
        self.out = channels

    def forward(self, x: Tensor, masks: list[Tensor]) -> Tensor:
        for stage, mask in zip(self.stages, reversed(masks), strict=True):
            x = stage(max_unpool(x, mask))
        return x
