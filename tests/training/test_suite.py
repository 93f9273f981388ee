"""A suite of tiny networks: one command trains, exports, runs and compares them, and goes on if stopped."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from perception.app.cli import app
from perception.bundle.bundle import Bundle
from perception.errors import ConfigError, DataError
from perception.evaluation.suite import FLAGSHIP, MODEL_ZOO
from perception.networks.drive_net import DriveNet
from perception.networks.zoo import table as networks
from perception.training.suite import load_suite, run_suite

VIEWS = "sim:?frames=2&size=128x96&time=day&weather=clear"
RECIPE = {
    "train": [{"source": VIEWS}],
    "validate_on": [VIEWS],
    "crop": [64, 64],
    "pixels": 12288,
    "batch": 2,
    "steps": 2,
    "validate_every": 2,
    "workers": 0,
    "width": 0.125,
}


def suite_file(folder: Path, networks: Mapping[str, Mapping[str, object]]) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({"recipe": RECIPE, "networks": dict(networks)}))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    suite = suite_file(folder, {"u-net": {"seed": 3}})
    result = CliRunner().invoke(app, ["train", "--suite", str(suite), str(folder / "runs")])
    assert result.exit_code == 0, result.output
    return folder / "runs"


def test_every_network_has_a_row_with_what_it_is_and_what_it_reached(finished: Path) -> None:
    rows = {row["name"]: row for row in json.loads((finished / "suite.json").read_text())}
    assert len(rows) == 2  # and the shipped one
    row = rows["u-net"]
    assert row["file"] == "unet.py"
    assert 10 < row["lines"] < 300
    bundle = Bundle.load(finished / "u-net" / "bundle").info
    assert bundle.network is not None
    assert row["parameters"] == bundle.network.parameters > 1000
    assert row["gmacs"] > 0
    assert row["ms"] > 0
    assert 0 <= row["figures"][VIEWS]["mean IoU"] <= 1
    assert any(tool.startswith("onnxruntime") for tool in row["checks"])
    means = [row["figures"][VIEWS]["mean IoU"] for row in rows.values()]
    assert means == sorted(means)
    table = (finished / "suite.md").read_text()
    assert "| u-net |" in table
    assert (finished / "suite.png").stat().st_size > 10_000


def test_every_network_ran_in_the_node(finished: Path) -> None:
    assert (finished / "u-net" / "overlay.mp4").stat().st_size > 1000


def test_goes_on_where_it_stopped(finished: Path) -> None:
    suite = finished.parent / "tiny.yaml"
    said: list[str] = []
    members = load_suite(str(suite), finished, Path("data"), {})
    run_suite(members, said.append)
    assert not said  # nothing was left to do
    members[0].overlay.unlink()
    run_suite(members, said.append)
    assert said == ["1 of 1, u-net: running"]


def test_what_fails_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    suite = suite_file(tmp_path, {"nonsense": {}, "fcn-32s": {}})
    members = load_suite(str(suite), tmp_path / "runs", Path("data"), {}, ["nonsense"])
    with pytest.raises(DataError, match=r"1 of 1 networks failed: nonsense \(.*log.txt\)"):
        run_suite(members, lambda _: None)
    assert "'nonsense' is not known" in (tmp_path / "runs/nonsense/log.txt").read_text()


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such suite or file; there are: canon"):
        load_suite("cannon", tmp_path, Path("data"), {})
    with pytest.raises(ConfigError, match="--only: v-net is not in"):
        load_suite("canon", tmp_path, Path("data"), {}, ["v-net"])
    path = tmp_path / "odd.yaml"
    path.write_text("networks: {}")
    with pytest.raises(ConfigError, match=r"odd\.yaml: the key .* is missing"):
        load_suite(str(path), tmp_path, Path("data"), {})


def test_canon_has_every_network_of_the_model_zoo(tmp_path: Path) -> None:
    members = load_suite("canon", tmp_path, Path("data"), {"steps": 7})
    assert {member.name for member in members} == {*MODEL_ZOO, "drive"}
    budgets = {(m.config.steps, m.config.batch, m.config.crop, m.config.train) for m in members}
    assert len(budgets) == 1
    assert members[0].config.steps == 7


@pytest.mark.parametrize("name", MODEL_ZOO)
def test_the_comparison_names_the_file_of_each_network(name: str) -> None:
    """It is listed without torch, next to the idea; here torch says where the network is written."""
    written = Path(inspect.getfile(type(networks.MODEL_ZOO[name](2, 0.1))))
    assert written.parts[-2:] == ("zoo", Path(MODEL_ZOO[name].file).name)
    assert MODEL_ZOO[name].idea
    assert MODEL_ZOO.keys() == networks.MODEL_ZOO.keys()


def test_the_comparison_names_the_file_of_the_flagship() -> None:
    assert Path(inspect.getfile(DriveNet)).name == FLAGSHIP.file
