"""The shared layers, and the arithmetic of convolutions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.blocks import (
    ConvNormAct,
    HeatMapHead,
    ResidualBlock,
    SeparableConv,
    centred,
    he_init,
    scaled,
)

SIDE = 41


def dense(x: Tensor, kernel: Tensor) -> Tensor:
    """Every output pixel a sum over the kernel's window, one at a time. x (c, h, w), kernel (o, c, k, k)."""
    k = kernel.shape[-1]
    padded = F.pad(x, [k // 2] * 4)
    out = torch.zeros(kernel.shape[0], *x.shape[1:])
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            out[:, row, column] = (kernel * padded[:, row : row + k, column : column + k]).sum((1, 2, 3))
    return out


def spread(kernel: Tensor, rate: int) -> Tensor:
    """The kernel with rate - 1 zeros between its taps."""
    side = (kernel.shape[-1] - 1) * rate + 1
    atrous = torch.zeros(*kernel.shape[:2], side, side)
    atrous[..., ::rate, ::rate] = kernel
    return atrous


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(8, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4), padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)  # fmt: skip
def test_sizes_of_a_convolution_and_of_the_way_back(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    reach = dilation * (kernel - 1) + 1
    if reach > size + 2 * padding:
        return  # the kernel does not fit
    x = torch.zeros(1, 1, size, size)
    y = nn.Conv2d(1, 1, kernel, stride, padding, dilation)(x)
    assert y.shape[2] == math.floor((size + 2 * padding - reach) / stride) + 1
    if (y.shape[2] - 1) * stride + reach > 2 * padding:
        back = nn.ConvTranspose2d(1, 1, kernel, stride, padding, dilation=dilation)(y)
        assert back.shape[2] == (y.shape[2] - 1) * stride + reach - 2 * padding
        assert 0 <= size - back.shape[2] < stride  # what the stride leaves over is lost


@pytest.mark.parametrize(
    "layers",  # kernel, stride, dilation
    [
        [(3, 1, 1), (3, 1, 1)],
        [(3, 2, 1), (3, 1, 1), (5, 1, 1)],
        [(3, 1, 2), (3, 1, 4)],
        [(3, 2, 1), (3, 1, 3)],
    ],
)
def test_receptive_field_of_a_stack(layers: list[tuple[int, int, int]]) -> None:
    """r = 1 + Σ (kernel - 1) · dilation · product of the strides before."""
    blocks, field, jump = [], 1, 1
    for kernel, stride, dilation in layers:
        block = ConvNormAct(1, 1, kernel, stride=stride, dilation=dilation)
        nn.init.ones_(block.get_parameter("0.weight"))
        blocks.append(block)
        field += (kernel - 1) * dilation * jump
        jump *= stride
    x = torch.full((1, 1, SIDE, SIDE), 1e-3, requires_grad=True)
    y = nn.Sequential(*blocks).eval()(x)
    y[..., y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    assert x.grad is not None
    rows, columns = torch.nonzero(x.grad[0, 0], as_tuple=True)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == field


def test_atrous_convolution_is_a_dense_one_with_holes() -> None:
    conv = ConvNormAct(2, 3, 3, dilation=3, act=False).eval()
    x = torch.randn(1, 2, 9, 8)
    by_hand = dense(x[0], spread(conv.get_parameter("0.weight"), 3)) / (1 + 1e-3) ** 0.5
    assert torch.allclose(conv(x)[0], by_hand, atol=1e-4)


@pytest.mark.parametrize("dilation", [1, 2])
def test_separable_convolution_is_a_dense_one_of_rank_one(dilation: int) -> None:
    """Without the activation between them the two convolutions are one, with the product of their kernels."""
    conv = SeparableConv(3, 4, dilation=dilation).eval()
    depthwise, pointwise = conv.get_parameter("0.0.weight"), conv.get_parameter("1.0.weight")
    nn.init.uniform_(depthwise, 0.0, 0.1)  # and so the activation passes everything
    kernel = pointwise * spread(depthwise, dilation).transpose(0, 1) / (1 + 1e-3)
    x = torch.rand(1, 3, 7, 9)
    assert torch.allclose(conv(x)[0], F.relu6(dense(x[0], kernel)), atol=1e-5)


@pytest.mark.parametrize(("out", "stride"), [(4, 1), (6, 1), (4, 2)])
def test_residual_block_adds_to_its_shortcut(out: int, stride: int) -> None:
    block = ResidualBlock(4, out, stride=stride).eval()
    nn.init.zeros_(block.get_parameter("residual.1.0.weight"))
    x = torch.randn(2, 4, 6, 8)
    y = block(x)
    assert y.shape == (2, out, 6 // stride, 8 // stride)
    if out == 4 and stride == 1:
        assert torch.equal(y, F.relu6(x))
    else:
        weight = block.get_parameter("shortcut.0.weight")
        assert torch.allclose(y, F.relu6(F.conv2d(x, weight, stride=stride) / (1 + 1e-3) ** 0.5), atol=1e-5)


def test_heat_maps_begin_rare() -> None:
    heat = HeatMapHead(8, 3).eval()(torch.zeros(2, 8, 5, 7)).sigmoid()
    assert heat.shape == (2, 3, 5, 7)
    assert torch.allclose(heat, torch.tensor(0.01), atol=1e-3)


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [(64, 1, 64), (64, 0.25, 16), (24, 0.25, 8), (40, 0.5, 24), (112, 0.5, 56)],
)
def test_scaled_channels_are_multiples_of_eight(channels: int, width: float, expected: int) -> None:
    assert scaled(channels, width) == expected


def test_centred_pixels() -> None:
    assert centred(torch.tensor([0.0, 127.0, 255.0])).tolist() == [-127 / 128, 0, 1]


def test_he_initialisation_keeps_the_variance_through_rectifiers() -> None:
    torch.manual_seed(0)
    stack = nn.Sequential(
        *(layer for _ in range(8) for layer in (nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.ReLU()))
    )
    he_init(stack)
    x = torch.randn(1, 64, 32, 32)
    assert 0.3 < (stack(x)[..., 8:-8, 8:-8].square().mean() / x.relu().square().mean()).item() < 3
