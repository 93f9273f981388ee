import subprocess
import sys
from importlib import metadata
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from perception.app import cli, plugins
from perception.bundle.bundle import Bundle
from perception.classes import DRIVE
from perception.datasets.label_maps import COMMA10K, LABEL_MAPS
from perception.errors import ConfigError, SinkError

RUNNER = CliRunner(env={"COLUMNS": "200"})


def test_version_is_the_installed_one() -> None:
    assert (
        RUNNER.invoke(cli.app, ["--version"]).output.strip()
        == f"perception {metadata.version('front-camera-perception')}"
    )


def test_classes_and_every_map_are_shown() -> None:
    result = RUNNER.invoke(cli.app, ["classes"])
    assert result.exit_code == 0
    for number, (name, colour) in enumerate(zip(DRIVE.names, DRIVE.colours, strict=True)):
        code = "#" + bytes(colour).hex()
        assert any(
            line.split()[1:2] == [str(number)] and name in line and code in line
            for line in result.output.splitlines()
        )
    for name in {*LABEL_MAPS, "comma10k"} - {"drive"}:
        assert f"{name} in drive" in result.output
    for colour in COMMA10K:
        assert "#" + bytes(colour).hex() in result.output
    words = result.output.replace("│", " ").replace(",", " ").split()
    assert {"pedestrian", "motorbike", "van", "cyclist", "lorry"} <= set(words)  # names of categories
    assert "sidewalk or vegetation" in result.output  # IDD-Lite's 1 is a partial label


def test_doctor_finds_the_bundle_good(colour_bundle: Bundle) -> None:
    result = RUNNER.invoke(cli.app, ["doctor", "--model", str(colour_bundle.folder), "--json"])
    assert '"onnxruntime' in result.output and "golden run: 100.00%" in result.output
    assert result.exit_code == int('"broken": true' in result.output)


def test_commands_of_other_packages_come_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = metadata.EntryPoint("greet", f"{__name__}:greet", plugins.GROUP)
    monkeypatch.setattr(plugins, "late_commands", lambda: {"greet": entry})
    assert "Say hello." in RUNNER.invoke(cli.app, ["--help"]).output
    assert RUNNER.invoke(cli.app, ["greet", "--name", "road"]).output == "hello road\n"


def greet(name: Annotated[str, typer.Option()]) -> None:
    """Say hello."""
    typer.echo(f"hello {name}")


@pytest.mark.parametrize("module", ["torch.nn", "onnxscript", "pycocotools.mask"])
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    def load(entry: metadata.EntryPoint) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(metadata.EntryPoint, "load", load)
    entry = metadata.EntryPoint("train", "perception.training.command:train", plugins.GROUP)
    monkeypatch.setattr(plugins, "late_commands", lambda: {"train": entry})
    monkeypatch.setattr(sys, "argv", ["perception", "train", "--data", "camvid", "extra"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert f"perception train needs {module.partition('.')[0]}" in told
    assert "its extra [train]: pip install -e '.[train]'" in told
    # and the list of commands still shows
    assert "perception train needs" in RUNNER.invoke(cli.app, ["--help"]).output


def test_a_missing_module_of_nobody_is_a_bug_and_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(entry: metadata.EntryPoint) -> None:
        raise ModuleNotFoundError("No module named 'perception.gone'", name="perception.gone")

    monkeypatch.setattr(metadata.EntryPoint, "load", load)
    with pytest.raises(ModuleNotFoundError):
        plugins._load(metadata.EntryPoint("train", "perception.gone:train", plugins.GROUP))


def test_errors_on_the_way_out_do_not_hide_the_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk fails the labels, and then the end of the video."""

    def fail() -> None:
        try:
            raise SinkError("sink labels: full")
        finally:
            try:
                raise OSError("full")  # noqa: TRY301
            except OSError as error:
                raise SinkError("sink out.mp4: full") from error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "perception: sink labels: full",
        "perception: sink out.mp4: full",
    ]


def test_ctrl_c_before_the_run_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("perception.app.build.open_source", interrupt)
    monkeypatch.setattr(sys, "argv", ["perception", "run", "drive", "labels"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_an_error_made_from_another_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        try:
            raise SinkError("inner")  # noqa: TRY301
        except SinkError as error:
            raise ConfigError("outer: inner") from error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "perception: outer: inner\n"


def test_the_running_node_imports_no_torch() -> None:
    code = "import perception.app.cli, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
