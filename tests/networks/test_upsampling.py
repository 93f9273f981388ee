"""Ways up by two, each against its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from perception.networks.upsampling import BilinearDeconv, Upsample, Upsampling, max_pool, max_unpool, scale2x

PIXELS = st.integers(0, 2)  # few values, so that ties are common


@settings(max_examples=25, deadline=None)
@given(kernel=st.integers(1, 5), stride=st.integers(1, 4), padding=st.integers(0, 3), size=st.integers(3, 7))
def test_transposed_convolution_is_dilate_pad_convolve(
    kernel: int, stride: int, padding: int, size: int
) -> None:
    padding = min(padding, kernel - 1, ((size - 1) * stride + kernel - 1) // 2)  # something is left
    x, weight = torch.randn(1, 2, size, size), torch.randn(2, 3, kernel, kernel)
    spread = torch.zeros(1, 2, (size - 1) * stride + 1, (size - 1) * stride + 1)
    spread[..., ::stride, ::stride] = x
    padded = F.pad(spread, [kernel - 1 - padding] * 4)
    by_hand = F.conv2d(padded, weight.flip(2, 3).transpose(0, 1))
    found = F.conv_transpose2d(x, weight, stride=stride, padding=padding)
    assert found.shape[2] == (size - 1) * stride + kernel - 2 * padding
    assert torch.allclose(found, by_hand, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_bilinear_deconv_begins_as_bilinear_interpolation(scale: int) -> None:
    x = torch.randn(2, 3, 5, 6)
    found = BilinearDeconv(3, scale)(x)
    expected = F.interpolate(x, scale_factor=scale, mode="bilinear")
    assert found.shape == expected.shape
    # At the border interpolation repeats the last pixel, convolution sees zeros.
    inner = slice(scale, -scale)
    assert torch.allclose(found[..., inner, inner], expected[..., inner, inner], atol=1e-5)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_mixing_channels_before_enlarging_changes_nothing(mode: Upsampling) -> None:
    x = torch.randn(1, 4, 3, 5)
    upsample = Upsample(4, 2, mode)
    assert torch.allclose(
        upsample(x), upsample.conv(F.interpolate(x, scale_factor=2.0, mode=mode)), atol=1e-5
    )


def test_transposed_upsampling_writes_one_kernel_a_pixel() -> None:
    upsample = Upsample(1, 1)
    x = torch.tensor([[[[2.0, 3.0]]]])
    kernel, bias = upsample.get_parameter("conv.weight")[0, 0], upsample.get_parameter("conv.bias")
    assert torch.allclose(upsample(x)[0, 0], torch.cat([2 * kernel, 3 * kernel], 1) + bias)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(PIXELS, min_size=32, max_size=32))
def test_unpooling_is_torchs_max_unpool(values: list[int]) -> None:
    x = torch.tensor(values, dtype=torch.float32).view(1, 2, 4, 4)
    pooled, mask = max_pool(x)
    expected, indices = F.max_pool2d(x, 2, return_indices=True)
    y = torch.randn(1, 2, 2, 2)
    assert torch.equal(pooled, expected)
    assert torch.equal(max_unpool(y, mask), nn.MaxUnpool2d(2)(y, indices))


def test_unpooling_sends_the_gradient_to_the_maximum() -> None:
    x = torch.tensor([[[[1.0, 5.0], [5.0, 2.0]]]], requires_grad=True)
    unpooled: Tensor = max_unpool(*max_pool(x))
    unpooled.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [[[[0, 1], [0, 0]]]]


def test_scale2x_cuts_and_fills_the_corners_of_a_diagonal_and_keeps_all_else() -> None:
    labels = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]])[None]
    wanted = [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
    ]
    assert scale2x(labels)[0].tolist() == wanted


@settings(max_examples=50, deadline=None)
@given(data=st.data(), height=st.integers(1, 5), width=st.integers(1, 5))
def test_scale2x_makes_no_id_up(data: st.DataObject, height: int, width: int) -> None:
    """Every quarter keeps its pixel's id, or takes the one that both neighbours at its corner have."""
    labels = np.array(data.draw(st.lists(PIXELS, min_size=height * width, max_size=height * width)))
    labels = labels.reshape(height, width)
    found = scale2x(torch.from_numpy(labels)[None])[0].numpy()
    around = np.pad(labels, 1, mode="edge")
    for y, x in np.ndindex(2 * height, 2 * width):
        i, j = y // 2, x // 2
        row, side = around[i + 2 * (y % 2), j + 1], around[i + 1, j + 2 * (x % 2)]
        assert found[y, x] == labels[i, j] or found[y, x] == row == side
