"""`perception evaluate` on a bundle whose answers are known: it labels a pixel by its colour."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.bundle import Bundle
from perception.classes import DRIVE
from perception.errors import ConfigError, DataError
from perception.training.commands import evaluate
from perception.training.report import EvaluationReport


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Two frames in the class colours; in the second, a quarter of the truth is another class."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for name, share in (("right", 0), ("wrong", 32)):
        labels = np.full((64, 128), DRIVE.id("road"), np.uint8)
        labels[:32] = DRIVE.id("sky")
        image = cv2.applyColorMap(labels, DRIVE.palette_bgr())
        labels[:32, :share] = DRIVE.id("building")
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image)
        cv2.imwrite(str(tmp_path / "labels" / f"{name}.png"), labels)
    return tmp_path


def test_scores_a_bundle_on_an_engine(
    colour_bundle: Bundle, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_path, picture = tmp_path / "report.json", tmp_path / "frames.png"
    evaluate(
        [f"folder:{drive}"],
        model=str(colour_bundle.folder),
        engine="onnx-cpu",
        output=report_path,
        picture=picture,
    )
    report = EvaluationReport.model_validate_json(report_path.read_text())
    figures = {m.metric: m.value for m in report.metrics}
    assert figures["IoU road"] == 1
    assert figures["IoU building"] == 0
    assert figures["IoU sky"] == pytest.approx(1 - 32 / 256)
    assert figures["accuracy"] == pytest.approx(1 - 32 * 32 / (2 * 64 * 128))
    counts = next(iter(report.confusion.values()))
    assert counts["building"]["sky"] == 32 * 32
    assert json.loads(report_path.read_text())["engine"] == "onnx-cpu"
    rows = cv2.imread(str(picture))
    assert rows is not None
    worst = rows[: rows.shape[0] // 2]
    truth = worst[10, 2 * worst.shape[1] // 3 + 10, ::-1]
    assert tuple(truth) == DRIVE.colours[DRIVE.id("building")]
    assert "mean IoU" in capsys.readouterr().out


def test_refuses_what_it_cannot_read_or_write(colour_bundle: Bundle, drive: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        evaluate([f"folder:{tmp_path / 'none'}"], model=str(colour_bundle.folder), engine="onnx-cpu")
    for bad in (
        {"output": tmp_path / "no" / "r.json"},
        {"output": tmp_path},
        {"picture": tmp_path / "p.xyz"},
    ):
        with pytest.raises(ConfigError, match=r"cannot be written|written as \.png"):
            evaluate([f"folder:{drive}"], model=str(colour_bundle.folder), engine="onnx-cpu", **bad)
