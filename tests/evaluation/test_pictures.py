"""PSNR, SSIM and losses against cases worked out by hand and against their definitions."""

import math

import numpy as np
import pytest
import torch

from perception.errors import DataError
from perception.evaluation.metrics.pictures import HIGHEST_PSNR, PictureEvaluation, PictureScore, psnr, ssim
from perception.training.losses.pictures import PICTURE_LOSSES, l1, mse
from perception.training.losses.pictures import ssim as ssim_loss
from perception.types import Image


def flat(value: int, height: int = 16, width: int = 20) -> Image:
    return np.full((height, width, 3), value, np.uint8)


def noise(seed: int, height: int = 16, width: int = 20) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ssim_by_definition(one: Image, other: Image) -> float:
    """Window by window, as the paper's equations stand."""
    axis = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(axis, axis) / axis.sum() ** 2
    found = []
    for top in range(one.shape[0] - 10):
        for left in range(one.shape[1] - 10):
            for c in range(3):
                x = one[top : top + 11, left : left + 11, c].astype(float)
                y = other[top : top + 11, left : left + 11, c].astype(float)
                mx, my = (window * x).sum(), (window * y).sum()
                vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
                cov = (window * (x - mx) * (y - my)).sum()
                c1, c2 = 2.55**2, 7.65**2
                found.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(found))


def test_psnr_of_a_constant_shift() -> None:
    assert psnr(flat(100), flat(110)) == pytest.approx(20 * math.log10(255 / 10))
    assert psnr(flat(0), flat(255)) == 0
    half = flat(100)
    half[:8] += 10  # half of the pixels: half of the squared error, 3.01 dB more
    assert psnr(half, flat(100)) == pytest.approx(20 * math.log10(255 / 10) + 10 * math.log10(2))


def test_equal_pictures() -> None:
    assert psnr(noise(1), noise(1)) == HIGHEST_PSNR
    assert ssim(noise(1), noise(1)) == pytest.approx(1)


def test_ssim_of_a_constant_shift_is_the_luminance_term() -> None:
    """Without variance, contrast and structure are C2 / C2."""
    expected = (2 * 100 * 150 + 2.55**2) / (100**2 + 150**2 + 2.55**2)
    assert ssim(flat(100), flat(150)) == pytest.approx(expected)


def test_ssim_of_one_window() -> None:
    """A picture as large as the window, and its negative: same variance, opposite covariance."""
    picture = noise(2, 11, 11)
    negative = (255 - picture).astype(np.uint8)
    assert ssim(picture, negative) == pytest.approx(ssim_by_definition(picture, negative))
    assert ssim(picture, negative) < 0


def test_ssim_is_its_definition() -> None:
    one = noise(3)
    other = np.clip(one + np.random.default_rng(4).normal(0, 30, one.shape), 0, 255).astype(np.uint8)
    assert ssim(one, other) == pytest.approx(ssim_by_definition(one, other))


def test_pictures_that_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="one shape"):
        psnr(flat(1), flat(1, 17))
    with pytest.raises(DataError, match="11 px"):
        ssim(flat(1, 10), flat(1, 10))


def test_psnr_of_many_is_of_their_common_error() -> None:
    """Squared errors of 0 and 100: one of 50."""
    score = PictureScore()
    score.add(flat(100), flat(100))
    score.add(flat(110), flat(100))
    assert score.figures()["PSNR, dB"] == pytest.approx(10 * math.log10(255**2 / 50))


def test_a_network_stands_beside_its_input() -> None:
    evaluation = PictureEvaluation()
    evaluation.add(flat(90), flat(105), flat(100))
    figures = evaluation.figures()
    assert set(figures) == {"all", "the input"}
    assert figures["all"]["PSNR, dB"] == pytest.approx(20 * math.log10(255 / 5))
    assert figures["the input"]["PSNR, dB"] == pytest.approx(20 * math.log10(255 / 10))


def test_an_input_that_is_the_truth_is_no_rival() -> None:
    evaluation = PictureEvaluation()
    truth = flat(100)
    evaluation.add(truth, flat(105), truth)
    assert set(evaluation.figures()) == {"all"}


def test_an_enlargement_stands_beside_interpolation() -> None:
    evaluation = PictureEvaluation()
    truth = noise(5, 32, 40)
    evaluation.add(np.ascontiguousarray(truth[::2, ::2]), truth, truth)
    figures = evaluation.figures()
    assert set(figures) == {"all", "bilinear", "bicubic"}
    assert figures["all"]["PSNR, dB"] == HIGHEST_PSNR
    assert figures["bilinear"]["SSIM"] < 0.9


def as_tensor(*images: Image) -> torch.Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float32))


def test_losses_are_the_metrics() -> None:
    one, other = as_tensor(noise(6), noise(7)), as_tensor(noise(8), noise(9))
    expected = np.mean([ssim(noise(6), noise(8)), ssim(noise(7), noise(9))])
    assert ssim_loss(one, other).item() == pytest.approx(1 - expected, abs=1e-5)
    assert l1(as_tensor(flat(100)), as_tensor(flat(151))).item() == pytest.approx(0.2)
    assert mse(as_tensor(flat(100)), as_tensor(flat(151))).item() == pytest.approx(0.04)


@pytest.mark.parametrize("name", PICTURE_LOSSES)
def test_descending_reaches_the_truth(name: str) -> None:
    ramp = np.linspace(40, 200, 16 * 20 * 3).reshape(16, 20, 3).astype(np.uint8)
    truth = as_tensor(ramp)
    picture = torch.full_like(truth, 128.0, requires_grad=True)
    optimiser = torch.optim.Adam([picture], lr=4.0)
    for _ in range(150):
        optimiser.zero_grad()
        torch.autograd.backward(PICTURE_LOSSES[name](picture, truth))
        optimiser.step()
    assert (picture - truth).abs().mean() < 1  # SSIM's window hardly sees the corners
