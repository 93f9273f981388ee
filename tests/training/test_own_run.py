"""One's own data from the first step to a running bundle, by the installed commands."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from perception.bundle.bundle import Bundle
from perception.datasets.opening import open_dataset
from perception.training.augmentation import random_view
from perception.training.config import load_config
from perception.training.loop import Trainer

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("perception")
COLOURS = {1: (90, 60, 90), 3: (30, 160, 60), 4: (30, 30, 200)}  # BGR of track, crop and cow
CLASSES = """
name: farm
classes:
  - {name: track, colour: [128, 64, 128], labels: [1]}
  - {name: crop, colour: [0, 200, 0], labels: [3]}
  - {name: cow, colour: [240, 0, 0], labels: [4], thing: THING}
"""
RECIPE = """
name: farm
train: [{source: "folder:{data}"}]
validate_on: ["folder:{data}"]
crop: [64, 64]
pixels: 6144
batch: 2
steps: 3
workers: 0
"""


def write_data(folder: Path, *, things: bool) -> None:
    """Three frames: crop over track, and a cow between."""
    for kind in ("images", "labels", "instances"):
        (folder / kind).mkdir(parents=True)
    (folder / "classes.yaml").write_text(CLASSES.replace("THING", str(things).lower()))
    for k in range(3):
        label = np.full((64, 96), 3, np.uint8)
        label[32:] = 1
        label[20:44, 20 + 10 * k : 40 + 10 * k] = 4
        image = np.zeros((64, 96, 3), np.uint8)
        for value, colour in COLOURS.items():
            image[label == value] = colour
        cv2.imwrite(str(folder / "images" / f"{k}.png"), image)
        cv2.imwrite(str(folder / "labels" / f"{k}.png"), label)
        cv2.imwrite(str(folder / "instances" / f"{k}.png"), np.where(label == 4, 7, 0).astype(np.uint16))


def perception(*arguments: object) -> str:
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_from_own_labels_to_a_running_bundle(tmp_path: Path) -> None:
    data, run, bundle, out = (tmp_path / name for name in ("data", "run", "bundle", "out"))
    write_data(data, things=False)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    initial = ROOT / "perception" / "models" / "drive"
    said = perception("train", tmp_path / "recipe.yaml", run, "--data", data, "--initial", initial)
    assert "does not fit, and trained from nothing" in said
    assert all(part in said for part in ("track", "crop", "cow", "waiting for data"))
    assert cv2.imread(str(run / "survey.png")) is not None
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert set(log[-1]["shares"]) >= {"forward", "backward", "optimiser", "validation", "saving"}
    perception("export", run / "checkpoint.pt", bundle, "--name", "farm")
    info = Bundle.load(bundle).info
    assert info.classes.names == ("track", "crop", "cow")
    assert set(info.outputs) == {"labels", "logits"}  # of classes none of which are told apart
    perception("run", data / "images", f"{out}/", "--model", bundle, "--quiet")
    for k in range(3):
        labels = cv2.imread(str(out / f"{k}.labels.png"), cv2.IMREAD_UNCHANGED)
        assert labels is not None
        assert labels.shape == (64, 96)
        assert set(np.unique(labels).tolist()) <= {0, 1, 2}


def test_own_things_are_told_apart(tmp_path: Path) -> None:
    write_data(tmp_path / "data", things=True)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("folder:", "folder+instances:"))
    config = load_config(recipe, tmp_path / "data", {"steps": 1})
    trainer = Trainer(config, tmp_path / "run", initial=ROOT / "perception" / "models" / "drive")
    assert trainer.task.deployed.outputs["centres"].layout == "NCHW"
    batch = trainer.task.encode(
        random_view(
            open_dataset(config.train[0].source)[0],
            np.random.default_rng(0),
            crop=config.crop,
            scale=(1, 1),
            pixels=config.pixels,
        ),
        np.random.default_rng(0),
    )
    assert batch["centres"].shape == (1, 32, 32)
    assert batch["centres"].max() == 1  # the cow's
    assert batch["bits"].max() == 0b100


def test_labels_that_mean_other_classes_are_not_scored(tmp_path: Path) -> None:
    write_data(tmp_path, things=False)
    done = subprocess.run(
        [COMMAND, "evaluate", f"folder:{tmp_path}"], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 2
    assert "its labels mean track, crop, cow, but drive finds sky, building" in " ".join(done.stderr.split())


def test_the_example_reads_as_it_says(tmp_path: Path) -> None:
    config = load_config(ROOT / "launch" / "own-data.yaml", tmp_path, {})
    assert config.class_set().names == ("track", "crop", "animal")
    assert config.class_set().things == ("animal",)
    for kind, value in (("images", 90), ("labels", 4), ("instances", 7)):
        (tmp_path / "train" / kind).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "train" / kind / "a.png"), np.full((4, 6), value, np.uint8))
    sample = open_dataset(config.train[0].source, config.own_classes())[0]
    assert np.unique(sample.target).tolist() == [0b100]
    assert np.unique(sample.instances).tolist() == [2001]
    assert type(config).model_validate_json(config.model_dump_json()) == config
