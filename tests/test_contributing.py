"""The examples of CONTRIBUTING.md, run as they stand there: as files of a distribution with entry points."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from perception.app import cli
from perception.bundle.bundle import Bundle
from perception.datasets.class_file import load_classes
from perception.engines.registry import open_engine
from perception.extras import registered
from perception.networks.zoo.table import MODEL_ZOO
from perception.training.config import DataConfig, TrainingConfig
from perception.training.tasks.semantic import SemanticTask

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|yaml|toml)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the installed examples, which is the working directory."""
    info = tmp_path / "examples-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: examples\nVersion: 1\n")
    for kind, text in BLOCKS:
        if kind == "toml":
            groups = tomllib.loads(text)["project"]["entry-points"]
            lines = [
                f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in groups[group].items()) for group in groups
            ]
            (info / "entry_points.txt").write_text("\n".join(lines))
        else:
            name = Path(text.splitlines()[0].removeprefix("# ")).name
            (tmp_path / name).write_text(text)
            monkeypatch.delitem(sys.modules, Path(name).stem, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    registered.cache_clear()  # a process reads what is installed once
    yield tmp_path
    registered.cache_clear()


def test_the_source_and_the_sink_make_a_run(examples: Path, colour_bundle: Bundle) -> None:
    arguments = ["run", "grey:?rate=10", "road.csv", "--frames", "3", "--model", str(colour_bundle.folder)]
    result = CliRunner().invoke(cli.app, [*arguments, "--quiet"], catch_exceptions=False)
    assert result.exit_code == 0
    # A picture without contrast misleads; grey is the sky's colour, which this network goes by.
    rows = [f"{sequence},unreliable,0.000" for sequence in range(3)]
    assert (examples / "road.csv").read_text().splitlines() == rows


@pytest.mark.usefixtures("examples")
def test_the_engine_answers_as_onnx_runtime_does(colour_bundle: Bundle) -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    found, truth = (open_engine(colour_bundle, name).run(image) for name in ("onnx-reference", "onnx-cpu"))
    np.testing.assert_array_equal(found["labels"], truth["labels"])


@pytest.mark.usefixtures("examples")
def test_the_network_is_trained_by_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODEL_ZOO, "tiny", import_module("tiny").TinyNet)
    network = SemanticTask(TrainingConfig(network="tiny", train=(DataConfig(source="sim:"),))).network
    logits = network(torch.zeros(1, 3, 32, 64))
    assert logits.shape == (1, 12, 32, 64)
    logits.sum().backward()
    assert all(one.grad is not None for one in network.parameters())


def test_the_class_file_is_read(examples: Path) -> None:
    found = load_classes(examples / "farm.yaml")
    assert found.class_set.names == ("track", "animal")
    assert found.class_set.things == ("animal",)
