"""`perception run --calibration`, as a user gives it."""

import json
from pathlib import Path
from typing import Any

import pytest

from perception.app import cli
from perception.camera_info import Mount
from perception.geometry.calibration_file import Calibration, write_calibration
from tests.conftest import write_colour_bundle
from tests.geometry.roads import camera, mount

SIM = "sim:?seed=5023&size=640x360&scene=highway&weather=clear&time=day"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["perception", "run", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def model(tmp_path: Path) -> list[Any]:
    """The colour bundle, on the simulated camera's picture: what it finds is no matter here."""
    return ["--model", write_colour_bundle(tmp_path / "bundle").folder, "--engine", "onnx-cpu", "--frames", 2]


def stages(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return list(json.loads(capsys.readouterr().out)["stages"])


def test_the_simulated_camera_is_calibrated(
    tmp_path: Path, model: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, SIM, tmp_path / "out/", *model, "--json") == 0
    assert "locate" in stages(capsys)


def test_a_log_brings_its_calibration(
    tmp_path: Path, model: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mcap")
    assert run(monkeypatch, SIM, tmp_path / "drive.mcap", *model, "--quiet") == 0
    assert run(monkeypatch, tmp_path / "drive.mcap", tmp_path / "out/", *model, "--json") == 0
    assert "locate" in stages(capsys)


def test_a_calibration_is_scaled_to_the_pictures(
    tmp_path: Path, model: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_calibration(tmp_path / "car.yaml", Calibration(camera(), mount()))  # of 1280×720
    assert run(monkeypatch, SIM, tmp_path / "out/", *model, "--calibration", tmp_path / "car.yaml") == 0
    captured = capsys.readouterr()
    assert captured.err.count("1280×720 is scaled to 640×360") == 1


def test_a_lens_alone_gives_no_metres(
    tmp_path: Path, model: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_calibration(tmp_path / "car.yaml", Calibration(camera()).of_size(640, 360))
    assert (
        run(monkeypatch, SIM, tmp_path / "out/", *model, "--calibration", tmp_path / "car.yaml", "--json")
        == 0
    )
    captured = capsys.readouterr()
    assert "locate" not in json.loads(captured.out)["stages"]
    assert captured.err.count("has no mount: no metres on the road") == 1


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ("640x480", "holds for 1280×720, and the pictures are 640×480, of another aspect"),
        (None, "missing.yaml"),
    ],
)
def test_a_calibration_that_cannot_hold_is_refused_before_anything_is_written(
    size: str | None,
    why: str,
    tmp_path: Path,
    model: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / ("car.yaml" if size else "missing.yaml")
    if size:
        write_calibration(file, Calibration(camera(), mount()))
    source = SIM.replace("640x360", size or "640x360")
    for dry in ([], ["--dry-run"]):
        assert run(monkeypatch, source, tmp_path / "out/", *model, "--calibration", file, *dry) == 2
        error = capsys.readouterr().err
        assert why in error
        assert error.count("perception:") == 1
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("where", "said"), [(mount(), "lens and mount"), (None, "a lens alone: no metres")])
def test_a_dry_run_says_what_is_known_of_the_camera(
    where: Mount | None,
    said: str,
    tmp_path: Path,
    model: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_calibration(tmp_path / "car.yaml", Calibration(camera(), where))
    given = *model, "--calibration", tmp_path / "car.yaml"
    assert run(monkeypatch, SIM, tmp_path / "out/", *given, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["calibration front"] == [f"{tmp_path / 'car.yaml'}: {said}"]
