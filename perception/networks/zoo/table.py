"""The model zoo of semantic segmentation networks, by name."""

from collections.abc import Callable
from functools import partial

from torch import nn

from perception.networks.efficientnet import EfficientNetLite0
from perception.networks.zoo.deconvnet import DeconvNet
from perception.networks.zoo.deeplab import DeepLabV3, DeepLabV3Plus
from perception.networks.zoo.fcn import FCN
from perception.networks.zoo.framelets import DualFrameUNet, TightFrameUNet
from perception.networks.zoo.pspnet import PSPNet
from perception.networks.zoo.segnet import SegNet
from perception.networks.zoo.unet import ResidualUNet, UNet


def _fcn_8s_lite0(classes: int, width: float = 1.0) -> FCN:
    return FCN(classes, width, encoder=EfficientNetLite0(width=width), fc=512)


# Name in recipes → (classes, width) → a network from an image (n, 3, h, w) to logits (n, classes, h, w).
# Papers and what each network brought are listed in `perception.evaluation.suite`, which needs no torch.
MODEL_ZOO: dict[str, Callable[..., nn.Module]] = {
    "fcn-32s": partial(FCN, stride=32),
    "fcn-16s": partial(FCN, stride=16),
    "fcn-8s": partial(FCN, stride=8),
    "fcn-8s-lite0": _fcn_8s_lite0,
    "deconvnet": DeconvNet,
    "segnet": SegNet,
    "u-net": UNet,
    "u-net-bilinear": partial(UNet, upsampling="bilinear"),
    "u-net-nearest": partial(UNet, upsampling="nearest"),
    "residual-u-net": ResidualUNet,
    "dual-frame-u-net": DualFrameUNet,
    "tight-frame-u-net": TightFrameUNet,
    "pspnet": PSPNet,
    "deeplabv3": DeepLabV3,
    "deeplabv3+": DeepLabV3Plus,
}
