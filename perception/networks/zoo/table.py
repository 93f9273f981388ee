"""The canon of semantic segmentation networks: what there is, and what each brought."""

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Entry:
    """A network of the canon.

    Attributes:
        build: (classes, width) → the network, which gives logits (n, classes, h, w) of an image (n, 3, h, w).
        paper: who and when.
        idea: what it brought.
    """

    build: Callable[..., nn.Module]
    paper: str
    idea: str


def _fcn_8s_lite0(classes: int, width: float = 1.0) -> FCN:
    return FCN(classes, width, encoder=EfficientNetLite0(width=width), fc=512)


CANON = {
    "fcn-32s": Entry(partial(FCN, stride=32), "Long et al. 2015", "a classifier slid over the image"),
    "fcn-16s": Entry(partial(FCN, stride=16), "Long et al. 2015", "adds scores of stride 16"),
    "fcn-8s": Entry(partial(FCN, stride=8), "Long et al. 2015", "adds scores of strides 16 and 8"),
    "fcn-8s-lite0": Entry(_fcn_8s_lite0, "Long et al. 2015", "FCN-8s on EfficientNet-Lite0"),
    "deconvnet": Entry(DeconvNet, "Noh et al. 2015", "a decoder as deep as the encoder, by unpooling"),
    "segnet": Entry(SegNet, "Badrinarayanan et al. 2017", "unpooling without fully connected layers"),
    "u-net": Entry(UNet, "Ronneberger et al. 2015", "concatenates every level to its counterpart"),
    "u-net-bilinear": Entry(
        partial(UNet, upsampling="bilinear"), "Ronneberger et al. 2015", "U-Net, enlarged bilinearly"
    ),
    "u-net-nearest": Entry(
        partial(UNet, upsampling="nearest"), "Ronneberger et al. 2015", "U-Net, enlarged by repetition"
    ),
    "residual-u-net": Entry(ResidualUNet, "Zhang et al. 2018", "U-Net of residual blocks"),
    "dual-frame-u-net": Entry(DualFrameUNet, "Han & Ye 2018", "takes low frequencies out of the way up"),
    "tight-frame-u-net": Entry(TightFrameUNet, "Han & Ye 2018", "wavelet pooling, high bands over the skip"),
    "pspnet": Entry(PSPNet, "Zhao et al. 2017", "averages over regions of the scene as context"),
    "deeplabv3": Entry(DeepLabV3, "Chen et al. 2017", "atrous convolution at several rates as context"),
    "deeplabv3+": Entry(DeepLabV3Plus, "Chen et al. 2018", "DeepLabv3 with a decoder at stride 4"),
}
