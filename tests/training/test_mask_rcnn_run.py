"""A training run of Mask R-CNN by a recipe, small."""

from pathlib import Path

import pytest
import torch

from perception.errors import ConfigError
from perception.training.config import DataConfig, TrainingConfig, load_config
from perception.training.loop import Trainer
from perception.training.losses.detection import LOSS_NAMES

TINY = TrainingConfig(
    network="mask-rcnn",
    train=(DataConfig(source="sim:?frames=2&size=128x96&time=day&weather=clear"),),
    validate_on=("sim:?frames=1&size=128x96&time=day&weather=clear",),
    losses={"objectness": 1.0, "proposals": 1.0, "classes": 1.0, "boxes": 1.0, "masks": 1.0},
    class_balance=False,
    crop=(64, 64),
    pixels=12288,
    batch=2,
    steps=2,
    encoder_rate=0,
    workers=0,
)


def test_a_run_leaves_the_encoder_as_it_was(tmp_path: Path) -> None:
    trainer = Trainer(TINY, tmp_path)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    (evaluation,) = trainer.train().values()
    assert evaluation.confusion.counts
    after = trainer.network.state_dict()
    changed = {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"pyramid", "proposals", "box_head", "mask_head"}
    again = Trainer(TINY, tmp_path)
    again.resume()
    assert again.step == 2
    assert all(torch.equal(value, after[name]) for name, value in again.network.state_dict().items())


def test_refuses_losses_of_another_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mask-rcnn has no lovasz; it is trained by objectness"):
        Trainer(TINY.model_copy(update={"losses": {"lovasz": 1.0, "masks": 1.0}}), tmp_path)


def test_recipe_is_of_this_network(tmp_path: Path) -> None:
    recipe = Path(__file__).parents[2] / "launch" / "train-mask-rcnn.yaml"
    config = load_config(recipe, tmp_path, {})
    assert config.network == "mask-rcnn"
    assert set(config.losses) == set(LOSS_NAMES)
    held_out = {source.partition(":")[2] for source in config.validate_on}
    assert not held_out & {entry.source.partition(":")[2] for entry in config.train}
