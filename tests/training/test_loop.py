"""A whole training run, small: it learns, it resumes exactly, and it refuses what it cannot use."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from perception.classes import DRIVE
from perception.datasets.dataset import Sample, thinned
from perception.datasets.opening import open_dataset
from perception.errors import ConfigError, DataError
from perception.networks.drive_net import DriveNet
from perception.training import loop
from perception.training.augmentation import PASTED, View, random_view
from perception.training.checkpoint import load_weights, read_config, read_weights, start_from
from perception.training.config import DataConfig, TrainingConfig, load_config
from perception.training.loop import Trainer
from perception.training.sampling import Cached, Mix
from perception.training.tasks import Batch

TINY = TrainingConfig(
    train=(DataConfig(source="sim:?frames=2&size=128x96&time=day&weather=clear"),),
    validate_on=("sim:?frames=2&size=128x96&time=day&weather=clear",),
    crop=(64, 64),
    pixels=12288,
    batch=2,
    steps=4,
    validate_every=4,
    checkpoint_every=2,
    workers=0,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    trainer = Trainer(TINY, tmp_path_factory.mktemp("run"))
    trainer.train()
    return trainer


def test_leaves_curves_tables_and_the_recipe(finished: Trainer) -> None:
    folder = finished.folder
    assert json.loads((folder / "config.json").read_text())["steps"] == 4
    assert json.loads((folder / "validation.json").read_text())["step"] == 4
    assert (folder / "curves.png").stat().st_size > 1000
    assert (folder / "samples.png").stat().st_size > 1000
    assert read_config(finished.checkpoint) == TINY


def test_resuming_gives_the_same_weights_as_never_stopping(finished: Trainer, tmp_path: Path) -> None:
    class Interrupted(Trainer):
        def _update(self, batch: Batch, weights: torch.Tensor | None) -> dict[str, float]:
            if self.step == 3:
                raise KeyboardInterrupt
            return super()._update(batch, weights)

    with pytest.raises(KeyboardInterrupt):
        Interrupted(TINY, tmp_path).train()
    again = Trainer(TINY, tmp_path)
    again.resume()
    assert again.step == 2  # the last checkpoint before the interruption
    again.train()
    for name, weight in finished.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name]), name


@pytest.mark.parametrize("update", [{"network": "u-net", "width": 0.125}, {"network": "drive"}])
def test_a_run_that_began_with_weights_goes_on_without_them(
    tmp_path: Path, update: dict[str, object]
) -> None:
    """What had learnt before keeps its own rate."""
    config = TINY.model_copy(update={**update, "encoder_rate": 1e-5, "validate_on": ()})
    first = Trainer(config, tmp_path / "first")
    first.folder.mkdir()
    first._save()
    begun = Trainer(config, tmp_path / "run", initial=first.checkpoint)
    begun.folder.mkdir()
    begun._save()
    again = Trainer(config, tmp_path / "run")
    again.resume()
    assert [len(group["params"]) for group in again.optimiser.param_groups] == [
        len(group["params"]) for group in begun.optimiser.param_groups
    ]
    assert again.optimiser.param_groups[0]["lr"] == begun.optimiser.param_groups[0]["lr"]


def test_what_is_validated_is_the_average_that_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(TINY.model_copy(update={"average": 0.9}), tmp_path)
    assert trainer.average is not None
    own = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    for value in trainer.average.weights.values():
        value.zero_()
    shown = []
    scored = loop.score  # type: ignore[attr-defined]

    def score(*arguments: Any, **options: Any) -> Any:
        shown.append(sum(value.abs().sum().item() for value in trainer.network.state_dict().values()))
        return scored(*arguments, **options)

    monkeypatch.setattr(loop, "score", score)
    trainer.validate(1)
    assert shown == [0.0]
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(value, own[name]), name


def test_an_encoder_that_stays_as_it_is_keeps_its_statistics_too(tmp_path: Path) -> None:
    trainer = Trainer(TINY.model_copy(update={"encoder_rate": 0, "steps": 1, "validate_on": ()}), tmp_path)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.train()
    changed = {
        name for name, value in trainer.network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed and not [name for name in changed if name.startswith("encoder.")]


def test_a_line_of_the_log_that_was_cut_short_is_forgotten(finished: Trainer, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(finished.checkpoint.read_bytes())
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 2.0}\n{"step": 9, "loss": 1.0}\n{"step": 2, "lo')
    Trainer(TINY, tmp_path).resume()
    assert log.read_text() == '{"step": 1, "loss": 2.0}\n'


def test_learns_a_drive_by_heart(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"steps": 140, "validate_every": 140, "checkpoint_every": 140})
    trainer = Trainer(config, tmp_path)
    before = trainer.validate()
    after = trainer.train()
    (source,) = config.validate_on
    assert before[source].confusion.accuracy() < 0.5
    assert after[source].confusion.accuracy() > 0.6  # 0.64 to 0.7 by the processor


def test_validates_in_proportion_to_what_was_trained_on(tmp_path: Path) -> None:
    """Of twenty frames: the fewest after two steps of two frames, all but eight after six more steps."""
    many = "sim:?frames=20&size=128x96&time=day&weather=clear"
    config = TINY.model_copy(update={"validate_on": (many,), "steps": 2, "validate_every": 6})
    trainer = Trainer(config, tmp_path)
    trainer.train()
    assert json.loads((tmp_path / "validation.json").read_text())["frames"] == {many: 4}
    trainer.step += 6
    assert trainer._validation_frames() == 12


def test_a_thinned_set_has_its_first_and_last_frames() -> None:
    whole = open_dataset("sim:?frames=20&size=128x96")
    part = thinned(whole, 4)
    assert [part[i].name for i in range(len(part))] == [whole[i].name for i in (0, 6, 13, 19)]
    assert thinned(whole, 20) is whole and thinned(whole, None) is whole


def test_refuses_to_resume_another_recipe(finished: Trainer) -> None:
    other = Trainer(TINY.model_copy(update={"seed": 1}), finished.folder)
    with pytest.raises(DataError, match="another recipe"):
        other.resume()


def test_broken_checkpoints_are_named(finished: Trainer, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(finished.checkpoint.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read"):
        read_weights(path)
    torch.save({"weights": 1}, path)
    with pytest.raises(DataError, match="not a checkpoint"):
        read_weights(path)
    with pytest.raises(DataError, match="another architecture than Linear"):
        load_weights(torch.nn.Linear(2, 2), finished.checkpoint)


def test_starting_from_weights_of_another_kind_names_what_stays_new(
    finished: Trainer, tmp_path: Path
) -> None:
    older = torch.load(finished.checkpoint, weights_only=True)
    older["network"] = {k: v for k, v in older["network"].items() if not k.startswith("instances.")}
    path = tmp_path / "checkpoint.pt"
    torch.save(older, path)
    network = DriveNet()
    new = start_from(network, path)
    assert new
    assert all(name.startswith("instances.") for name in new)
    assert torch.equal(network.state_dict()["deep.0.weight"], older["network"]["deep.0.weight"])
    with pytest.raises(DataError, match="none of its weights fits Linear"):
        start_from(torch.nn.Linear(2, 2), path)


def test_the_mix_is_the_same_for_the_same_seed_and_pastes_road_users() -> None:
    config = TINY.model_copy(update={"paste": 1.0})
    dataset = Cached(open_dataset("sim:?frames=4&size=320x192&seed=3"), pixels=60_000)
    views = [[Mix([dataset], config).view(i) for i in range(8)] for _ in range(2)]
    for one, other in zip(*views, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.instances, other.instances)
    assert any((view.instances > PASTED).any() for view in views[0])


def test_views_in_bad_weather_and_with_bonnets_keep_what_is_true() -> None:
    """A corruption changes the picture alone; a bonnet hides what is under it, as no road user."""
    dataset = Cached(open_dataset("sim:?frames=4&size=320x192&seed=3"), pixels=60_000)
    plain = TINY.model_copy(update={"paste": 0.0, "photometric": False})
    no_things = (1 << len(DRIVE)) - 1 - DRIVE.bits(*DRIVE.things)
    changed = 0
    for number in range(6):
        clean = Mix([dataset], plain).view(number)
        corrupted = Mix([dataset], plain.model_copy(update={"corrupted": 1.0})).view(number)
        changed += not np.array_equal(clean.image, corrupted.image)
        assert np.array_equal(clean.target, corrupted.target)
        assert np.array_equal(clean.instances, corrupted.instances)
        bonnet = Mix([dataset], plain.model_copy(update={"bonnets": 1.0})).view(number)
        hidden = bonnet.target == no_things
        assert hidden.any()
        assert np.array_equal(bonnet.target[~hidden], clean.target[~hidden])
    assert changed >= 4  # the mildest blur leaves so small a picture as it is
    again = Mix([dataset], plain.model_copy(update={"corrupted": 1.0})).view(5)
    assert np.array_equal(again.image, corrupted.image)


def test_small_frames_are_not_enlarged_into_blur() -> None:
    """A frame of half the network's side is enlarged to its size and no further."""
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :, None], (96, 128, 3)).copy()
    sample = Sample("ramp", ramp, np.ones((96, 128), np.uint32), np.zeros((96, 128), np.uint16))
    rng = np.random.default_rng(0)
    sharp = [
        random_view(sample, rng, crop=(64, 64), scale=(0.9, 4.0), pixels=4 * 128 * 96) for _ in range(20)
    ]
    widths = [_run_length(view) for view in sharp]
    assert max(widths) <= 2.0 * 1.1 * 1.01  # it is stretched by up to a tenth


def _run_length(view: View) -> float:
    """By how much a view of a ramp is enlarged: 1 / its slope."""
    row = view.image[32, 8:-8, 0].astype(float)
    return float(1 / max(np.abs(np.diff(row)).mean(), 1e-9))


def test_recipe_mistakes_are_named(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    for text, message in (
        ("train: [{source: 'sim:'}]\nlearning: 1", "unknown key learning"),
        ("train: [{source: 'sim:'}]\nsteps: -5", "steps = -5"),
        ("train: []", r"train = \[\] is refused"),
        ("- 1", "give keys with values"),
        ("a: [", "not YAML"),
    ):
        recipe.write_text(text)
        with pytest.raises(ConfigError, match=message):
            load_config(recipe, tmp_path, {})


def test_recipe_finds_its_data_and_takes_overrides(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("train: [{source: 'camvid:{data}/camvid/train', weight: 2}]\nsteps: 10")
    config = load_config(recipe, tmp_path, {"steps": 7})
    assert config.train[0].source == f"camvid:{tmp_path}/camvid/train"
    moved = load_config(recipe, tmp_path / "elsewhere", {"steps": 7})
    assert config.same_run(moved)
    assert not config.same_run(load_config(recipe, tmp_path, {"steps": 8}))
    assert config.steps == 7
