"""Context modules, against pooling by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from perception.networks.blocks import AtrousContext
from perception.networks.context import PyramidPooling, region_means


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), bins=st.integers(1, 6))
def test_region_means_are_adaptive_average_pooling(height: int, width: int, bins: int) -> None:
    """Regions overlap where the sides do not divide, and repeat where there are more of them than pixels."""
    x = torch.randn(2, 3, height, width)
    assert torch.allclose(region_means(x, bins), F.adaptive_avg_pool2d(x, bins), atol=1e-5)


def test_region_means_of_a_known_image() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    # Two regions of three pixels share the middle one.
    assert region_means(x, 2)[0, 0].tolist() == [[2, 3], [5, 6]]


def test_pyramid_pooling_joins_means_of_every_bin() -> None:
    pyramid = PyramidPooling(8)
    x = torch.rand(2, 8, 9, 13)
    expected = [x]
    for branch, bins in zip(pyramid.branches, (1, 2, 3, 6), strict=True):
        pooled = branch(F.adaptive_avg_pool2d(x, bins))
        expected.append(F.interpolate(pooled, size=(9, 13), mode="bilinear", align_corners=False))
    assert pyramid.out == 16
    assert torch.allclose(pyramid(x), torch.cat(expected, 1), atol=1e-5)


@pytest.mark.parametrize("rates", [(1,), (2, 3)])
def test_atrous_context_joins_its_branches_and_the_image_mean(rates: tuple[int, ...]) -> None:
    context = AtrousContext(4, 6, branch=3, rates=rates).eval()
    x = torch.rand(2, 4, 8, 7)
    image = F.relu6(context.image[1](F.adaptive_avg_pool2d(x, 1))).repeat(1, 1, 8, 7)
    joined = torch.cat([*(branch(x) for branch in context.branches), image], 1)
    assert joined.shape[1] == 3 * (len(rates) + 2)
    assert torch.allclose(context(x), context.project(joined), atol=1e-5)
