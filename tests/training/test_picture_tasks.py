"""The tasks whose answer is a picture: what they show, what they want, and that a step learns it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from perception.datasets.degraded import halved
from perception.errors import ConfigError, DataError
from perception.evaluation.evaluation import Evaluation
from perception.training.augmentation import View
from perception.training.config import TrainingConfig, load_config
from perception.training.loop import Trainer
from perception.training.tasks import Task, make_task

RECIPES = Path(__file__).parents[2] / "launch"
NETWORKS = ("autoencoder", "autoencoder-fc", "denoise", "super-resolution", "next-frame")


def config(network: str, source: str = "camvid:nowhere", **keys: object) -> TrainingConfig:
    keys = {"crop": (64, 64), "width": 0.25, "photometric": False, "paste": 0.0, **keys}
    return TrainingConfig.model_validate({"network": network, "train": [{"source": source}], **keys})


def pattern(height: int = 64, width: int = 64, shift: int = 0) -> np.ndarray:
    """Waves, and stripes with hard edges."""
    x, y = np.meshgrid(np.arange(width) + shift, np.arange(height))
    stripes = 60 * ((x + y) // 7 % 2)
    waves = [100 + 60 * np.sin(x / 9 + c) * np.cos(y / 11) for c in range(3)]
    return np.stack([wave + stripes for wave in waves], 2).astype(np.uint8)


def view(**parts: object) -> View:
    none = np.zeros((64, 64), np.int32)
    return View(**{"image": pattern(), "target": none, "instances": none, **parts})  # type: ignore[arg-type]


def sequence() -> View:
    """A pattern that moves by two pixels a frame."""
    return view(image=pattern(shift=2), earlier=(pattern(),), picture=pattern(shift=4))


def pictures(tensor: torch.Tensor) -> np.ndarray:
    return tensor.numpy().transpose(1, 2, 0)


def test_denoise_shows_the_night_and_wants_it_without_noise() -> None:
    task = make_task(config("denoise"))
    one, other = (task.encode(view(), np.random.default_rng(seed)) for seed in (0, 1))
    assert (one["image"] != other["image"]).any()  # anew each time
    noisy, clean = pictures(one["image"]).astype(int), pictures(one["picture"]).astype(int)
    assert clean.mean() < pattern().mean()
    ratio = clean / np.maximum(pattern(), 1)
    assert ratio.std() < 0.02  # darker by one factor: no noise in it
    assert (noisy - clean).std() > 1


def test_super_resolution_shows_half_the_size() -> None:
    batch = make_task(config("super-resolution")).encode(view(), np.random.default_rng(0))
    assert (pictures(batch["picture"]) == pattern()).all()
    assert (pictures(batch["image"]) == halved(pattern())).all()


def test_next_frame_shows_the_older_frame_first() -> None:
    batch = make_task(config("next-frame")).encode(sequence(), np.random.default_rng(0))
    shown = pictures(batch["image"])
    assert (shown[..., :3] == pattern()).all()
    assert (shown[..., 3:] == pattern(shift=2)).all()
    assert (pictures(batch["picture"]) == pattern(shift=4)).all()


def test_an_autoencoder_sees_noise_and_wants_none() -> None:
    batch = make_task(config("autoencoder")).encode(view(), np.random.default_rng(0))
    assert (pictures(batch["picture"]) == pattern()).all()
    assert 1 < (pictures(batch["image"]).astype(int) - pattern()).std() < 25


def test_what_cannot_be_trained() -> None:
    with pytest.raises(ConfigError, match="multiples of 64"):
        make_task(config("super-resolution", crop=(96, 64)))
    with pytest.raises(ConfigError, match="for validation"):
        make_task(config("super-resolution", "small:camvid:x"))
    with pytest.raises(ConfigError, match="photometric"):
        make_task(config("next-frame", photometric=True))
    with pytest.raises(DataError, match="follow one another"):
        make_task(config("next-frame")).encode(view(), np.random.default_rng(0))


@pytest.mark.parametrize("network", NETWORKS)
def test_steps_learn_one_picture(network: str) -> None:
    torch.manual_seed(0)
    task: Task = make_task(config(network, crop=(64, 64)))
    batch = {
        name: torch.stack([tensor, tensor])
        for name, tensor in task.encode(sequence(), np.random.default_rng(3)).items()
    }
    optimiser = torch.optim.Adam(task.network.parameters(), 2e-3)
    task.network.train()
    losses = []
    for _ in range(30):
        found = task.measure(task.losses, batch["image"].float(), batch, None)
        assert set(found) == {"l1", "mse", "ssim"}
        losses.append(found["l1"].item())
        optimiser.zero_grad()
        torch.autograd.backward(torch.stack(list(found.values())).sum())
        optimiser.step()
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize("name", ["denoise", "autoencoder", "super-resolution", "next-frame"])
def test_recipes_can_be_read(name: str, tmp_path: Path) -> None:
    recipe = load_config(RECIPES / f"train-{name}.yaml", tmp_path, {})
    task = make_task(recipe)
    assert set(recipe.losses) <= set(task.losses)


def test_a_run_scores_pictures_beside_the_input(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.png"), pattern(64, 96, shift=3 * i))
    recipe = config(
        "next-frame",
        f"next:{folder}",
        validate_on=(f"next:{folder}",),
        pixels=64 * 96,
        batch=2,
        steps=2,
        validate_every=2,
        workers=0,
    )
    (evaluation,) = Trainer(recipe, tmp_path / "run").train().values()
    assert isinstance(evaluation, Evaluation)
    rows = evaluation.figures()["pictures"]
    assert set(rows) == {"all", "the input"}
    copied = [pattern(64, 96, shift=3 * i).astype(int) - pattern(64, 96, shift=3 * i - 3) for i in (2, 3)]
    expected = 10 * np.log10(255**2 / np.mean(np.square(copied)))
    assert rows["the input"]["PSNR, dB"] == pytest.approx(expected)
    assert rows["all"]["PSNR, dB"] > expected - 1.5  # two steps leave it no worse than a copy
    assert not evaluation.confusion.counts
    assert next(iter(evaluation.values())) == "PSNR, dB"
