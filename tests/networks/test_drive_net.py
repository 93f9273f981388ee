"""The flagship network and its layers, against their definitions."""

import pytest
import torch
from torch.nn import functional as F

from perception.networks.blocks import AtrousContext, ConvNormAct, SeparableConv, SkipFusion
from perception.networks.drive_net import DriveNet
from perception.networks.efficientnet import EfficientNetLite0


@pytest.mark.parametrize("size", [(64, 96), (160, 32), (32, 32)])
def test_maps_at_half_the_input(size: tuple[int, int]) -> None:
    network = DriveNet(5).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(2, 3, *size))
    half = size[0] // 2, size[1] // 2
    assert [tuple(map_.shape) for map_ in maps] == [(2, c, *half) for c in (5, 3, 2, 1)]


def test_encoder_strides_and_channels() -> None:
    features = EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 64))
    assert [tuple(f.shape[1:]) for f in features] == [
        (16, 32, 32),
        (24, 16, 16),
        (40, 8, 8),
        (112, 4, 4),
        (320, 2, 2),
    ]


def test_imagenet_weights_change_every_convolution() -> None:
    encoder = EfficientNetLite0()
    before = {k: v.clone() for k, v in encoder.state_dict().items() if v.ndim == 4}
    encoder.load_imagenet()
    assert all(not torch.equal(v, encoder.state_dict()[k]) for k, v in before.items())
    assert encoder.stem.get_parameter("0.weight").abs().max() < 10


def test_encoder_normalises_camera_pixels() -> None:
    """Channels are taken as BGR, and 127 is the middle."""
    encoder = EfficientNetLite0().eval()
    seen = []
    encoder.stem.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixel = torch.tensor([0.0, 127.0, 255.0]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    encoder(pixel)
    assert seen[0][0, :, 0, 0].tolist() == [1.0, 0.0, -127 / 128]


def test_atrous_branch_sees_its_rate() -> None:
    """An impulse reaches exactly the taps of a 3×3 kernel spread by the dilation."""
    conv = SeparableConv(1, 1, dilation=4).eval()
    with torch.no_grad():
        for layer in conv.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.fill_(1.0)
    impulse = torch.zeros(1, 1, 17, 17)
    impulse[..., 8, 8] = 1
    rows, columns = torch.nonzero(conv(impulse)[0, 0] > 0, as_tuple=True)
    assert sorted(set(rows.tolist())) == sorted(set(columns.tolist())) == [4, 8, 12]


def test_context_sees_the_whole_image() -> None:
    torch.manual_seed(0)  # with other weights the rectifiers may hide what comes from afar
    context = AtrousContext(4, 6, branch=3, rates=(2,)).eval()
    x = torch.randn(1, 4, 24, 24)
    far = x.clone()
    far[..., 23, 23] += 100
    assert context(x).shape == (1, 6, 24, 24)
    assert not torch.equal(context(x)[..., 0, 0], context(far)[..., 0, 0])


def test_skip_fusion_takes_the_size_of_the_skip() -> None:
    fusion = SkipFusion(8, 4, 5, project=2).eval()
    assert fusion(torch.zeros(1, 8, 6, 7), torch.zeros(1, 4, 12, 14)).shape == (1, 5, 12, 14)


def test_conv_norm_act_is_its_three_parts() -> None:
    block = ConvNormAct(3, 4, 3, stride=2).eval()
    x = torch.randn(1, 3, 9, 9)
    mean, bias = block.get_buffer("1.running_mean"), block.get_parameter("1.bias")
    with torch.no_grad():
        mean.normal_()
        bias.normal_()
    y = F.conv2d(x, block.get_parameter("0.weight"), stride=2, padding=1)
    normed = (y - mean.view(-1, 1, 1)) / (1 + 1e-3) ** 0.5 + bias.view(-1, 1, 1)
    assert torch.allclose(block(x), F.relu6(normed), atol=1e-5)
