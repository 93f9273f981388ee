"""Frames: what is taken apart can be put together again."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from perception.networks.upsampling import average_unpool
from perception.networks.zoo.framelets import dual_frame, haar_analysis, haar_high, haar_low


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def energy(*parts: Tensor) -> Tensor:
    return torch.stack([part.square().sum() for part in parts]).sum()


def test_haar_bands_of_one_cell() -> None:
    low, high = haar_analysis(torch.tensor([[[[1.0, 2.0], [4.0, 9.0]]]]))
    assert low.item() == (1 + 2 + 4 + 9) / 2
    assert high.flatten().tolist() == [(1 - 2 + 4 - 9) / 2, (1 + 2 - 4 - 9) / 2, (1 - 2 - 4 + 9) / 2]


def test_haar_filter_bank_reconstructs_perfectly(x: Tensor) -> None:
    low, high = haar_analysis(x)
    assert low.shape == (2, 3, 4, 5)
    assert high.shape == (2, 9, 4, 5)
    assert torch.allclose(haar_low(low) + haar_high(high), x, atol=1e-5)


def test_haar_frame_is_tight(x: Tensor) -> None:
    """‖Φᵀ x‖² = ‖x‖², and the synthesis is the adjoint: ⟨Φᵀ x, c⟩ = ⟨x, Φ c⟩."""
    low, high = haar_analysis(x)
    assert torch.isclose(energy(low, high), energy(x))
    other_low, other_high = torch.randn_like(low), torch.randn_like(high)
    there = (low * other_low).sum() + (high * other_high).sum()
    assert torch.isclose(there, (x * (haar_low(other_low) + haar_high(other_high))).sum(), atol=1e-4)


def test_dual_frame_gives_back_what_came(x: Tensor) -> None:
    low = F.avg_pool2d(x, 2)
    assert torch.allclose(x + dual_frame(x, low), x)
    # U-Net's own sum counts the low frequencies twice.
    assert torch.allclose(F.avg_pool2d(x + average_unpool(low), 2), 2 * low, atol=1e-5)


def test_dual_frame_inverts_the_frame_operator(x: Tensor) -> None:
    """The dual is (I + Φ Φᵀ)⁻¹ applied to the plain synthesis B + Φ S, for any B and S."""
    low = torch.randn(2, 3, 4, 5)
    dual = x + dual_frame(x, low)
    assert torch.allclose(dual + average_unpool(F.avg_pool2d(dual, 2)), x + average_unpool(low), atol=1e-5)


def test_bounds_of_the_frame_of_unet(x: Tensor) -> None:
    """‖x‖² ≤ ‖x‖² + ‖Φᵀ x‖² ≤ 2 ‖x‖², the bounds reached by details and by flat cells; Φᵀ orthonormal."""

    def ratio(image: Tensor) -> float:
        return (energy(image, 2 * F.avg_pool2d(image, 2)) / energy(image)).item()

    flat = average_unpool(F.avg_pool2d(x, 2))
    assert ratio(flat) == pytest.approx(2, rel=1e-5)
    assert ratio(x - flat) == pytest.approx(1, rel=1e-5)
    assert 1 < ratio(x) < 2
