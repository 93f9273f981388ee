"""Recordings that a fold holds out are scored, all others train, and none does both."""

from pathlib import Path

import pytest

from perception.datasets.folds import load_folds
from perception.errors import ConfigError
from perception.training.config import load_config

FOLDS = """
sets:
  clips:
    source: "cityscapes:{data}/clips"
    held_out: {A: ["x_*", "y_*"], B: []}
    excluded: ["*_9"]
  check:
    source: "camvid:{data}/val"
    held_out: {A: ["*"], B: ["*"]}
"""


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    path = tmp_path / "folds.yaml"
    path.write_text(FOLDS)
    return path


def test_what_trains_and_what_is_held_out(folds: Path) -> None:
    read = load_folds(folds, Path("d"))
    assert read.names == ("A", "B")
    assert read.train_source("clips", "A", folds) == "cityscapes:d/clips?without=x_*,y_*,*_9"
    assert read.train_source("clips", "B", folds) == "cityscapes:d/clips?without=*_9"
    assert read.held_out("A", folds) == {
        "clips": "cityscapes:d/clips?only=x_*,y_*&without=*_9",
        "check": "camvid:d/val",
    }
    assert read.held_out("B", folds) == {"check": "camvid:d/val"}


def test_mistakes_are_named(folds: Path) -> None:
    read = load_folds(folds, Path("d"))
    with pytest.raises(ConfigError, match="fold 'C' is not known to every set; known: A, B"):
        read.held_out("C", folds)
    with pytest.raises(ConfigError, match="no set 'clip'; known: clips, check"):
        read.train_source("clip", "A", folds)
    with pytest.raises(ConfigError, match="fold A holds out all of check; leave it out of the recipe"):
        read.train_source("check", "A", folds)
    folds.write_text(FOLDS.replace("excluded", "left_out"))
    with pytest.raises(ConfigError, match=r"sets\.clips\.left_out"):
        load_folds(folds, Path("d"))


def test_a_recipe_names_sets(folds: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("folds: folds.yaml\nfold: A\ntrain: [{set: clips, weight: 2}, {source: 'sim:?seed=1'}]")
    sources = [(one.source, one.weight) for one in load_config(recipe, Path("d"), {}).train]
    assert sources == [("cityscapes:d/clips?without=x_*,y_*,*_9", 2.0), ("sim:?seed=1", 1.0)]
    recipe.write_text("train: [{set: clips}]")
    with pytest.raises(ConfigError, match="needs both `folds: FILE` and `fold: NAME`"):
        load_config(recipe, Path("d"), {})


@pytest.mark.parametrize("name", ["train-drive-campaign", "train-drive-dense"])
def test_recipes_train_on_what_their_fold_leaves(name: str) -> None:
    """Every set of the shipped folds is in the recipe, without what the fold holds out."""
    launch = Path(__file__).parents[2] / "launch"
    folds = load_folds(launch / "folds.yaml", Path("d"))
    assert folds.names == ("A", "A1", "A2", "B")
    sources = {entry.source for entry in load_config(launch / f"{name}.yaml", Path("d"), {}).train}
    left = {one.train_source("A") for one in folds.sets.values()} - {None}
    assert left == {source for source in sources if not source.startswith("sim:")}
