"""Autoencoders: their codes, their sizes, and the classic exercise on handwritten digits."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from perception.networks.zoo.autoencoder import (
    ConvolutionalAutoencoder,
    DeployedAutoencoder,
    FullyConnectedAutoencoder,
)

CODE = 3


def test_a_fully_connected_code_is_all_there_is() -> None:
    network = FullyConnectedAutoencoder(size=(32, 64), hidden=(16,), code=5)
    image = torch.rand(2, 3, 32, 64) * 255
    code = network.encode(image)
    assert code.shape == (2, 5)
    assert network.decode(code).shape == image.shape
    assert torch.equal(network(image), network.decode(code))


@pytest.mark.parametrize(("height", "width"), [(64, 96), (32, 160)])
def test_a_convolutional_code_is_a_twelfth(height: int, width: int) -> None:
    network = ConvolutionalAutoencoder(0.25).eval()
    image = torch.rand(1, 3, height, width) * 255
    code = network.encode(image)
    assert code.numel() * 12 == image.numel()
    assert network(image).shape == image.shape
    assert torch.allclose(network.latent(code)[0, 3], code[0, 3].mean())


def test_deployed_gives_the_picture_and_its_code() -> None:
    deployed = DeployedAutoencoder(ConvolutionalAutoencoder(0.25))
    picture, latent = deployed(torch.zeros((1, 64, 96, 3), dtype=torch.uint8))
    outputs = deployed.outputs
    assert picture.dtype == torch.uint8
    assert outputs["picture"].fits(tuple(picture.shape), 64, 96)
    assert outputs["latent"].fits(tuple(latent.shape), 64, 96)
    assert latent.shape == (1, 64)


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    """Handwritten digits, float32 (n, 1, 8, 8), 0..255: to learn from, and kept apart."""
    datasets = pytest.importorskip("sklearn.datasets")
    pixels = torch.from_numpy(datasets.load_digits().images).float()[:, None] * (255 / 16)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    return pixels[order[:1400]], pixels[order[1400:]]


def taught(learnt_from: Tensor, *, code: int, noise: float, steps: int) -> FullyConnectedAutoencoder:
    """An autoencoder that has learnt to draw the digits, seen through noise."""
    torch.manual_seed(1)
    network = FullyConnectedAutoencoder(size=(8, 8), channels=1, hidden=(128, 64), code=code)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps)
    for _ in range(steps):
        batch = learnt_from[torch.randint(len(learnt_from), (128,))]
        loss = F.mse_loss(network(batch + noise * torch.randn_like(batch)), batch) / 128**2
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return network.eval()


def test_a_code_of_digits_keeps_more_than_principal_components(digits: tuple[Tensor, Tensor]) -> None:
    known, unseen = digits
    network = taught(known, code=CODE, noise=10, steps=500)
    with torch.no_grad():
        error = F.mse_loss(network(unseen), unseen).item()
    flat, mean = known.flatten(1), known.flatten(1).mean(0)
    axes = torch.linalg.svd(flat - mean, full_matrices=False).Vh[:CODE]
    projected = (unseen.flatten(1) - mean) @ axes.T @ axes + mean
    assert error < 0.9 * F.mse_loss(projected, unseen.flatten(1)).item()


def test_digits_come_out_of_noise(digits: tuple[Tensor, Tensor]) -> None:
    known, unseen = digits
    network = taught(known, code=24, noise=90, steps=500)
    noisy = unseen + 90 * torch.randn(unseen.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        restored = network(noisy)
    gain = 10 * np.log10(F.mse_loss(noisy, unseen).item() / F.mse_loss(restored, unseen).item())
    assert gain > 4  # dB
