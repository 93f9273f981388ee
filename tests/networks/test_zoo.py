"""Every network of the model zoo keeps its contract."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.errors import ConfigError
from perception.networks.efficientnet import EfficientNetLite0
from perception.networks.zoo.deeplab import DeepLabV3, DeepLabV3Plus, atrous_rates
from perception.networks.zoo.fcn import FCN
from perception.networks.zoo.pspnet import PSPNet
from perception.networks.zoo.table import MODEL_ZOO

TINY = 0.05  # of the width: 8 channels nearly everywhere
LOCAL = [
    name for name in MODEL_ZOO if name not in {"pspnet", "deeplabv3", "deeplabv3+"}
]  # no image-level context


def tiny(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODEL_ZOO[name](5, TINY)


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 255


@pytest.mark.parametrize("name", MODEL_ZOO)
def test_logits_of_the_input_size(name: str) -> None:
    network = tiny(name).eval()
    with torch.inference_mode():
        for n, height, width in [(2, 64, 64), (1, 32, 160), (1, 96, 32), (1, 32, 32)]:
            logits = network(noise(n, 3, height, width))
            assert logits.shape == (n, 5, height, width)
            assert logits.dtype == torch.float32
            assert logits.isfinite().all()


@pytest.mark.parametrize("name", LOCAL)
def test_shifts_with_the_image(name: str) -> None:
    """Fully convolutional: away from the border, an image moved by 32 px gives logits moved by 32 px."""
    network = tiny(name).eval()
    image = noise(1, 3, 32, 1024)
    with torch.inference_mode():
        logits, moved = network(image), network(image.roll(32, 3))
    middle = slice(480, 544)
    assert logits[..., middle].std() > 1e-4
    assert torch.allclose(moved.roll(-32, 3)[..., middle], logits[..., middle], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", MODEL_ZOO)
def test_gradient_reaches_every_parameter(name: str) -> None:
    network = tiny(name).train()
    logits = network(noise(2, 3, 64, 64))
    F.cross_entropy(logits, torch.arange(64).remainder(5).expand(2, 64, 64)).backward()  # type: ignore[no-untyped-call]
    unreached = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert unreached == []


@pytest.mark.parametrize("name", MODEL_ZOO)
def test_width_scales_parameters_and_the_encoder_is_named(name: str) -> None:
    def count(network: nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    with torch.device("meta"):
        quarter, half = MODEL_ZOO[name](5, 0.25), MODEL_ZOO[name](5, 0.5)
    assert 2 < count(half) / count(quarter) < 4.5
    assert 0 < count(quarter.get_submodule("encoder")) < count(quarter)
    assert hasattr(quarter.encoder, "load_imagenet") == isinstance(quarter.encoder, EfficientNetLite0)


@pytest.mark.parametrize(("level", "steps"), [(4, (2, 2, 8)), (3, (2, 8)), (2, (8,))])
def test_fcn_sums_scores_of_three_strides(level: int, steps: tuple[int, ...]) -> None:
    """With two of the three at nought, the logits are the third, enlarged bilinearly step by step."""
    network = FCN(2, TINY, stride=8).eval()
    scores = {4: network.score, 3: network.skip_scores[0], 2: network.skip_scores[1]}
    for layer in (layer for at, layer in scores.items() if at != level):
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    image = noise(1, 3, 160, 160)
    x = network.encoder(image)[level]
    x = scores[level](network.fc7(network.fc6(x)) if level == 4 else x)
    for step in steps:
        x = F.interpolate(x, scale_factor=step, mode="bilinear")
    middle = slice(64, 96)  # at the border zeros come in
    assert torch.allclose(network(image)[..., middle, middle], x[..., middle, middle], atol=1e-5)


@pytest.mark.parametrize(("stride", "skips"), [(32, 0), (16, 1), (8, 2)])
def test_coarser_fcn_has_fewer_skips(stride: Literal[8, 16, 32], skips: int) -> None:
    assert len(FCN(2, TINY, stride=stride).skip_scores) == skips


def test_encoder_given_to_fcn_keeps_its_weights() -> None:
    encoder = EfficientNetLite0(width=0.25)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    network = FCN(2, 0.25, encoder=encoder, fc=64)
    assert all(torch.equal(v, network.encoder.state_dict()[k]) for k, v in before.items())


@pytest.mark.parametrize("build", [PSPNet, DeepLabV3, DeepLabV3Plus])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_output_stride_is_free(build: type[PSPNet | DeepLabV3 | DeepLabV3Plus], output_stride: int) -> None:
    network = build(3, TINY, output_stride=output_stride).eval()
    image = noise(1, 3, 64, 96)
    assert network.encoder(image)[-1].shape[2:] == (64 // output_stride, 96 // output_stride)
    assert network(image).shape == (1, 3, 64, 96)


def test_output_stride_of_nothing_else() -> None:
    with pytest.raises(ConfigError, match="choose 8, 16 or 32"):
        PSPNet(3, TINY, output_stride=4)


def test_atrous_rates_span_the_same_pixels() -> None:
    assert [tuple(r * s for r in atrous_rates(s)) for s in (8, 16, 32)] == [(96, 192, 288)] * 3
