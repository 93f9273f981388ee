"""Losses against their definitions, worked out by hand in numpy."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from perception.training.losses.labels import (
    LOSSES,
    boundary,
    cross_entropy,
    dice,
    focal,
    log_loss,
    lovasz,
    tversky,
)

CLASSES = 3


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(2, CLASSES, 4, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(0, CLASSES, (2, 4, 5), generator=torch.Generator().manual_seed(2))


def bits(ids: torch.Tensor) -> torch.Tensor:
    return (1 << ids).int()


def test_full_labels_give_cross_entropy(logits: torch.Tensor, ids: torch.Tensor) -> None:
    assert torch.allclose(cross_entropy(logits, bits(ids)), F.cross_entropy(logits, ids))
    weights = torch.tensor([0.2, 1.0, 3.0])
    assert torch.allclose(
        cross_entropy(logits, bits(ids), weights), F.cross_entropy(logits, ids, weight=weights)
    )


def test_partial_label_is_the_probability_of_its_set(logits: torch.Tensor) -> None:
    target = torch.full((2, 4, 5), 0b101, dtype=torch.int32)
    p = logits.softmax(1)
    assert torch.allclose(log_loss(logits, target), -torch.log(p[:, 0] + p[:, 2]), atol=1e-6)


def test_ignored_pixels_have_no_loss_and_no_gradient(logits: torch.Tensor, ids: torch.Tensor) -> None:
    logits.requires_grad_()
    target = bits(ids)
    target[:, 1] = 0
    for name, loss in LOSSES.items():
        (gradient,) = torch.autograd.grad(loss(logits, target, None), logits)
        assert torch.isfinite(gradient).all(), name
        assert (gradient[:, :, 1] == 0).all(), name
        assert (gradient[:, :, 0] != 0).any(), name


def test_nothing_labelled_is_zero(logits: torch.Tensor) -> None:
    for name, loss in LOSSES.items():
        assert loss(logits, torch.zeros(2, 4, 5, dtype=torch.int32), None) == 0, name


def test_focal(logits: torch.Tensor, ids: torch.Tensor) -> None:
    p = logits.softmax(1).gather(1, ids[:, None])[:, 0]
    assert torch.allclose(focal(logits, bits(ids)), (-((1 - p) ** 2) * p.log()).mean(), atol=1e-6)


def test_dice(logits: torch.Tensor, ids: torch.Tensor) -> None:
    p = logits.softmax(1).movedim(1, -1).reshape(-1, CLASSES).numpy()
    q = np.eye(CLASSES)[ids.reshape(-1).numpy()]
    expected = 1 - np.mean(2 * (p * q).sum(0) / (p.sum(0) + q.sum(0)))
    assert dice(logits, bits(ids)).item() == pytest.approx(expected, abs=1e-6)


def test_tversky_by_hand() -> None:
    """Two classes, four pixels, p(0) = 0.9 0.8 0.4 0.1 where the truth is 0 0 0 1; α = 0.3, β = 0.7."""
    p = torch.tensor([0.9, 0.8, 0.4, 0.1])
    logits = torch.stack([p, 1 - p]).log().view(1, 2, 1, 4)
    target = bits(torch.tensor([0, 0, 0, 1])).view(1, 1, 4)
    first = 2.1 / (2.1 + 0.3 * 0.1 + 0.7 * 0.9)  # hits .9 + .8 + .4, made up .1, missed .1 + .2 + .6
    second = 0.9 / (0.9 + 0.3 * 0.9 + 0.7 * 0.1)
    assert tversky(logits, target).item() == pytest.approx(1 - (first + second) / 2, abs=1e-6)
    assert torch.allclose(tversky(logits, target, alpha=0.5, beta=0.5), dice(logits, target))


def test_lovasz_of_hard_predictions_is_one_minus_iou() -> None:
    """At the corners of the cube the Lovász extension equals the Jaccard loss it extends."""
    for truth, guess in itertools.product(itertools.product((0, 1), repeat=4), repeat=2):
        logits = torch.full((1, 2, 1, 4), -40.0)
        for i, g in enumerate(guess):
            logits[0, g, 0, i] = 40.0
        jaccard = []
        for c in set(truth):
            t, g = np.array(truth) == c, np.array(guess) == c
            jaccard.append(1 - (t & g).sum() / (t | g).sum())
        found = lovasz(logits, bits(torch.tensor(truth)).view(1, 1, 4))
        assert found.item() == pytest.approx(np.mean(jaccard), abs=1e-5)


def test_boundary_weighs_pixels_near_a_border() -> None:
    ids = torch.zeros(1, 1, 12, dtype=torch.long)
    ids[..., 6:] = 1
    logits = torch.randn(1, 2, 1, 12, generator=torch.Generator().manual_seed(3))
    weight = torch.ones(12)
    weight[4:8] = 5.0  # two pixels on either side
    loss = F.cross_entropy(logits, ids, reduction="none")[0, 0]
    assert torch.allclose(boundary(logits, bits(ids)), (loss * weight).sum() / weight.sum())


@pytest.mark.parametrize("name", LOSSES)
def test_descending_reaches_the_truth(name: str, ids: torch.Tensor) -> None:
    logits = torch.zeros(2, CLASSES, 4, 5, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for _ in range(80):
        optimiser.zero_grad()
        torch.autograd.backward(LOSSES[name](logits, bits(ids), None))
        optimiser.step()
    assert (logits.argmax(1) == ids).all()
