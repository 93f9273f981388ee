"""Learning and scoring depth, against cases worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from perception.classes import FARTHEST
from perception.datasets.dataset import Sample
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from perception.evaluation.metrics.depth import DepthScore
from perception.training.augmentation import random_view
from perception.training.config import DataConfig, TrainingConfig
from perception.training.tasks import make_task
from perception.training.tasks.depth import far, gradient, log_error, scale_invariant

SIM = "sim+depth:?frames=1&size=96x64&scene=town&weather=clear&time=day&seed=1"


def metres(*rows: list[float]) -> npt.NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_figures_of_three_pixels() -> None:
    score = DepthScore()
    # Off by 10 % of 10 m, by 30 % of 10 m, and right; the fourth pixel is not known.
    score.add(metres([10, 10], [20, 0]), metres([11, 13], [20, 50]))
    assert score.figures() == pytest.approx(
        {"abs rel": (0.1 + 0.3) / 3, "δ < 1.25": 2 / 3, "RMSE, m": math.sqrt((1 + 9) / 3)}
    )
    score.add(metres([8]), metres([4]))  # too near by as much counts as too far
    assert score.figures()["δ < 1.25"] == pytest.approx(2 / 4)
    assert DepthScore().figures() == {}


def test_scale_invariant_loss_of_two_pixels() -> None:
    logs = torch.tensor([[[1.0, 2.0, 7.0]]])
    depth = torch.tensor([[[1.0, 1.0, 0.0]]])  # logarithms 0; the last is not known
    error, known = log_error(logs, depth)
    # Errors 1 and 2: mean square 2.5, squared mean 2.25.
    assert scale_invariant(error, known).item() == pytest.approx(2.5 - 0.5 * 2.25)
    assert scale_invariant(error, known, share=1.0).item() == pytest.approx(0.25)
    assert scale_invariant(*log_error(logs, torch.zeros_like(depth))).item() == 0


def test_gradient_loss_is_of_slopes_alone() -> None:
    depth = torch.full((1, 16, 16), 10.0)
    true = depth.log()
    assert gradient(*log_error(true + 1, depth)).item() == pytest.approx(0, abs=1e-6)
    slope = 0.01 * torch.arange(16.0)
    # Across, neighbours at 1, 2, 4, 8 px differ by that many hundredths; down, not at all.
    assert gradient(*log_error(true + slope, depth)).item() == pytest.approx(0.01 * (1 + 2 + 4 + 8) / 4)
    depth[:, :, 8:] = 0  # no slope across a border of the known
    assert gradient(*log_error(true + 5 * (slope > 0.075), depth)).item() == pytest.approx(0, abs=1e-6)


def test_far_is_too_far_for_nobody() -> None:
    logs = torch.tensor([[[math.log(FARTHEST) - 1, math.log(FARTHEST) + 3, 0.0]]])
    mask = torch.tensor([[[True, True, False]]])
    assert far(logs, mask).item() == pytest.approx(0.5)
    assert far(logs, torch.zeros_like(mask)).item() == 0


@pytest.fixture(scope="module")
def sample() -> Sample:
    return open_dataset(SIM)[0]


def test_the_simulated_camera_tells_depth_up_to_a_limit(sample: Sample) -> None:
    assert sample.depth is not None
    assert sample.truth is not None
    near = sample.truth.depth <= FARTHEST
    assert near.any()
    assert not near.all()
    np.testing.assert_array_equal(sample.depth, np.where(near, sample.truth.depth, 0))
    assert sample.depth.dtype == np.float32
    assert open_dataset(SIM.replace("+depth", ""))[0].depth is None


@pytest.mark.parametrize("seed", range(4))
def test_what_is_enlarged_is_nearer(seed: int) -> None:
    """A wall at 20 m, shown twice as large as usual, looks as if at 10 m."""
    ones = np.ones((64, 96), np.uint32)
    image, depth = np.zeros((64, 96, 3), np.uint8), np.full((64, 96), 20, np.float32)
    sample = Sample("s", image, ones, ones.astype(np.uint16), depth=depth)
    rng = np.random.default_rng(seed)
    view = random_view(sample, rng, crop=(32, 32), scale=(2, 2), pixels=64 * 96, stride=1)
    assert view.depth is not None
    assert view.depth == pytest.approx(10.0)


def config(**values: object) -> TrainingConfig:
    return TrainingConfig(network="depth", width=0.25, train=(DataConfig(source=SIM),), **values)  # type: ignore[arg-type]


def test_the_losses_fall(sample: Sample) -> None:
    torch.manual_seed(0)
    task = make_task(config())
    view = random_view(
        sample, np.random.default_rng(0), crop=(64, 96), scale=(1, 1), pixels=64 * 96, stride=task.stride
    )
    batch = {name: t[None] for name, t in task.encode(view, np.random.default_rng(0)).items()}
    assert (batch["far"] & (batch["depth"] > 0)).sum() == 0
    assert batch["far"].any()
    optimiser = torch.optim.AdamW(task.network.parameters(), 1e-2)
    totals = []
    for _ in range(6):
        losses = task.measure(task.losses, batch["image"].float(), batch, None)
        assert set(losses) == {"log_depth", "gradient", "far"}
        loss = torch.stack(list(losses.values())).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        totals.append(loss.item())
    assert totals[-1] < 0.9 * totals[0]


def test_frames_without_depth_are_refused(sample: Sample) -> None:
    sample = replace(sample, depth=None)
    view = random_view(sample, np.random.default_rng(0), crop=(32, 32), scale=(1, 1), pixels=6144, stride=1)
    with pytest.raises(DataError, match=r"no depth.*sim\+depth"):
        make_task(config()).encode(view, np.random.default_rng(0))
