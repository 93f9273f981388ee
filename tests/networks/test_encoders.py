"""VGG-16 and EfficientNet-Lite0 at other strides and widths."""

import pytest
import torch

from perception.errors import ConfigError, DataError
from perception.networks.efficientnet import EfficientNetLite0
from perception.networks.zoo.vgg import VGG16


def test_vgg_has_thirteen_convolutions_and_five_strides() -> None:
    encoder = VGG16(0.25).eval()
    features = encoder(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [
        (16, 32, 48),
        (32, 16, 24),
        (64, 8, 12),
        (128, 4, 6),
        (128, 2, 3),
    ]
    assert encoder.channels == (16, 32, 64, 128, 128)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in encoder.modules()) == 13


def test_vgg_has_the_parameters_of_its_paper() -> None:
    """14.7 million in the convolutions of VGG-16, configuration D."""
    weights = sum(p.numel() for p in VGG16().parameters() if p.ndim == 4)
    assert weights == 9 * (
        3 * 64 + 64**2 + 64 * 128 + 128**2 + 128 * 256 + 2 * 256**2 + 256 * 512 + 5 * 512**2
    )


def test_vgg_masks_belong_to_its_features() -> None:
    encoder = VGG16(0.05).eval()
    image = torch.rand(1, 3, 64, 64) * 255
    deep, masks = encoder.with_masks(image)
    assert torch.equal(deep, encoder(image)[-1])
    assert [mask.shape[2] for mask in masks] == [64, 32, 16, 8, 4]
    cells = torch.nn.functional.avg_pool2d(masks[0], 2) * 4
    assert torch.equal(cells, torch.ones_like(cells))  # one maximum each


@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilated_features_hold_the_strided_ones(output_stride: int) -> None:
    """The same weights, dilated: every k-th pixel is what the strided network finds."""
    strided, dilated = (
        EfficientNetLite0(width=0.25).eval(),
        EfficientNetLite0(output_stride=output_stride, width=0.25).eval(),
    )
    dilated.load_state_dict(strided.state_dict())
    image = torch.rand(1, 3, 96, 128) * 255
    fine, coarse = dilated(image), strided(image)
    assert fine[-1].shape[2:] == (96 // output_stride, 128 // output_stride)
    for ours, theirs in zip(fine, coarse, strict=True):
        k = ours.shape[2] // theirs.shape[2]
        assert torch.allclose(ours[..., ::k, ::k], theirs, atol=1e-4 * theirs.abs().max().item())


def test_imagenet_weights_fit_any_output_stride() -> None:
    strided, dilated = EfficientNetLite0(), EfficientNetLite0(output_stride=8)
    strided.load_imagenet()
    dilated.load_imagenet()
    for name, tensor in strided.state_dict().items():
        assert torch.equal(tensor, dilated.state_dict()[name])


def test_width_scales_channels_and_forgoes_imagenet() -> None:
    encoder = EfficientNetLite0(width=0.5)
    assert encoder.channels == (8, 16, 24, 56, 160)
    assert [f.shape[1] for f in encoder.eval()(torch.zeros(1, 3, 32, 32))] == list(encoder.channels)
    with pytest.raises(DataError, match=r"width 0\.5 .* take width 1"):
        encoder.load_imagenet()


def test_output_stride_is_one_of_three() -> None:
    with pytest.raises(ConfigError, match="output_stride 4"):
        EfficientNetLite0(output_stride=4)
