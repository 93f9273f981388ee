"""`perception evaluate` on a bundle whose answers are known: it labels a pixel by its colour."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception.app.cli import shown
from perception.bundle.bundle import Bundle
from perception.classes import DRIVE
from perception.errors import ConfigError, DataError
from perception.evaluation.command import evaluate
from perception.evaluation.gallery import BAR, WIDTH
from perception.evaluation.robustness import RobustnessReport
from perception.evaluation.tables import EvaluationReport
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.sinks.folder import FolderSink
from perception.sources.registry import open_source
from perception.tracking.labels import LabelTracker
from perception.tracking.lanes import LaneTracker
from perception.tracking.objects import Tracker
from perception.training.command import train


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
    worst = rows[BAR : rows.shape[0] // 2].astype(float)
    found, true = worst[10, WIDTH + 10], worst[10, 2 * WIDTH + 10]
    building, sky = (np.array(DRIVE.colours[DRIVE.id(name)][::-1], float) for name in ("building", "sky"))
    assert (true - found) @ (building - sky) > 0  # tints
    told = capsys.readouterr().out
    assert "mean IoU" in told
    assert "mask AP" not in told  # nobody told road users apart


def test_refuses_what_it_cannot_read_or_write(colour_bundle: Bundle, drive: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        evaluate([f"folder:{tmp_path / 'none'}"], model=str(colour_bundle.folder), engine="onnx-cpu")
    wrong: tuple[dict[str, Any], ...] = (
        {"output": tmp_path / "no" / "r.json"},
        {"output": tmp_path},
        {"picture": tmp_path / "p.xyz"},
        {"predictions": tmp_path},
    )
    for bad in wrong:
        with pytest.raises(ConfigError, match=r"cannot be written|written as \.png|leave out what says"):
            evaluate([f"folder:{drive}"], model=str(colour_bundle.folder), engine="onnx-cpu", **bad)


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A frame with two vehicles that touch, which the bundle takes for one, one apart, and one of nobody."""
    folder = tmp_path / "street"
    labels = np.full((128, 256), DRIVE.id("building"), np.uint8)
    instances = np.zeros(labels.shape, np.uint16)
    for k, (x0, x1) in enumerate([(0, 40), (40, 60), (100, 140), (200, 240)], start=1):
        labels[40:80, x0:x1] = DRIVE.id("vehicle")
        instances[40:80, x0:x1] = 8000 + k if k < 4 else 65535
    image = cv2.applyColorMap(labels, DRIVE.palette_bgr())
    for kind, picture in {"": image, "annot": labels, "instances": instances}.items():
        (folder / f"val{kind}").mkdir(parents=True)
        cv2.imwrite(str(folder / f"val{kind}" / "a.png"), picture)
    return folder


def record(source: str, bundle: Bundle, folder: Path) -> None:
    """What `perception run SOURCE FOLDER` does."""
    perceiver = Perceiver.load(bundle.folder, "onnx-cpu")
    label_tracker, tracker = LabelTracker(perceiver.classes), Tracker()
    lane_tracker = LaneTracker(perceiver.classes)
    sink = FolderSink(folder, perceiver.classes)
    for frame in open_source(source):
        assert isinstance(frame, Frame)
        scene = label_tracker.update(perceiver.perceive(frame), frame)
        scene = lane_tracker.update(tracker.update(scene))
        sink.write(frame, scene, frame.image)
    sink.close()


def figures_of(report: Path) -> dict[str, float]:
    return {m.metric: m.value for m in EvaluationReport.model_validate_json(report.read_text()).metrics}


def test_scores_instances_of_a_bundle_and_of_the_files_of_its_run_alike(
    colour_bundle: Bundle, street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, report = [f"camvid+instances:{street / 'val'}"], tmp_path / "report.json"
    evaluate(data, model=str(colour_bundle.folder), engine="onnx-cpu", output=report)
    figures = figures_of(report)
    # The larger of the two that touch is 40 of 60 columns: it matches at IoU 0.50 to 0.65. Of three vehicles,
    # two are found there, and one above, after a false alarm.
    assert figures["AP50 vehicle"] == pytest.approx(67 / 101)
    assert figures["AP vehicle"] == pytest.approx((4 * 67 + 6 * 34 / 2) / 10 / 101)
    assert figures["AP"] == figures["AP vehicle"]
    assert figures["SQ vehicle"] == pytest.approx((2 / 3 + 1) / 2, abs=0.01)
    assert figures["RQ vehicle"] == pytest.approx(2 / 2.5)
    assert figures["PQ building"] == pytest.approx(1, abs=0.01)
    assert "panoptic quality" in capsys.readouterr().out

    record(str(street / "val"), colour_bundle, tmp_path / "found")
    from_files = tmp_path / "files.json"
    evaluate(data, predictions=tmp_path / "found", output=from_files)
    assert figures_of(from_files) == pytest.approx(figures, abs=1e-4)  # scores have four digits in files
    assert json.loads(from_files.read_text())["engine"] == "files"


def test_scores_tracks_of_a_simulated_drive_and_of_the_files_of_its_run_alike(
    colour_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, report = "sim:?seed=2&size=480x270&scene=town&frames=3&rate=10", tmp_path / "report.json"
    evaluate([f"drive:{source}"], model=str(colour_bundle.folder), engine="onnx-cpu", output=report)
    figures = figures_of(report)
    assert {"MOTA", "IDF1", "id switches", "lane F1", "AP", "PQ"} <= set(figures)
    assert figures["true boxes"] > 10
    assert "tracks" in capsys.readouterr().out

    record(source, colour_bundle, tmp_path / "found")
    evaluate([f"drive:{source}"], predictions=tmp_path / "found", output=report)
    assert figures_of(report) == pytest.approx(
        figures, rel=5e-3
    )  # files hold lanes to a hundredth of a pixel


def test_scattered_frames_have_no_tracks(colour_bundle: Bundle, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    evaluate(
        ["sim:?seed=2&size=480x270&frames=2"],
        model=str(colour_bundle.folder),
        engine="onnx-cpu",
        output=report,
    )
    assert "lane F1" in figures_of(report)
    assert "MOTA" not in figures_of(report)


def test_reads_reports_of_earlier_versions() -> None:
    earlier = {
        "model": "drive",
        "engine": "onnx-cpu",
        "metrics": [
            {"set": "camvid: camvid/val", "metric": "mean IoU", "value": 0.7, "how": "perception evaluate"}
        ],
        "confusion": {"camvid:val": {"sky": {"sky": 1}}},
    }
    assert EvaluationReport.model_validate_json(json.dumps(earlier)).metrics[0].value == 0.7


def test_tells_what_is_kept_of_corrupted_frames(
    colour_bundle: Bundle, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_path, picture = tmp_path / "report.json", tmp_path / "frames.png"
    evaluate(
        [f"folder:{drive}"],
        model=str(colour_bundle.folder),
        engine="onnx-cpu",
        output=report_path,
        picture=picture,
        corruptions="low_contrast,colour_swap",
        every=2,  # the first frame alone, all of which is found
    )
    report = RobustnessReport.model_validate_json(report_path.read_text())
    (found,) = report.sets
    assert (report.model, report.engine, found.frames, found.mean_iou) == ("colour", "onnx-cpu", 1, 1.0)
    kept = {(cell.corruption, cell.severity): cell.retained for cell in found.cells}
    assert len(kept) == 10
    assert kept["low_contrast", 5] < 1  # nearly one grey, of which no colour is nearest twice
    flagged = {(cell.corruption, cell.severity) for cell in found.cells if "low_contrast" in cell.findings}
    assert ("low_contrast", 5) in flagged
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    assert drawn.shape[1] == 5 * WIDTH
    told = capsys.readouterr().out
    assert "colour_swap" in told
    assert "of 10 cells" in told


def test_refuses_corruptions_that_cannot_be(colour_bundle: Bundle, drive: Path, tmp_path: Path) -> None:
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("only with --corruptions", {"every": 2}),
        ("leave out --suite and --predictions", {"corruptions": "all", "predictions": tmp_path}),
        ("leave out --suite and --predictions", {"corruptions": "all", "suite": tmp_path}),
        ("'mist': not known", {"corruptions": "mist", "model": str(colour_bundle.folder)}),
    )
    for message, options in wrong:
        with pytest.raises(ConfigError, match=message):
            evaluate([f"folder:{drive}"], **options)


def test_all_paths_that_are_missing_are_named_at_once(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before torch is imported or anything is read."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "train: [{source: 'camvid:{data}/camvid/train'}, {source: 'folder:" + str(drive) + "'},"
        " {source: 'next:{data}/drive.mp4'}, {source: 'sim:?frames=2'}]\n"
        "validate_on: ['noisy:camvid:{data}/camvid/val', 'camvid:{data}/camvid/train']\n"
    )
    monkeypatch.setattr("perception.training.loop.Trainer", None)
    with pytest.raises(ConfigError) as refused:
        train(recipe, tmp_path / "run", data=tmp_path / "data", initial=tmp_path / "model")
    first, *lines = shown(refused.value).splitlines()
    assert first.startswith("4 paths cannot be used; docs/data.md says")
    named = ("--initial", "camvid:", "next:", "camvid:")
    assert all(line.strip().startswith(name) for line, name in zip(lines, named, strict=True))
    assert "camvid/val" in lines[3]


def test_a_run_is_not_trained_over_another(drive: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"train: [{{source: 'folder:{drive}'}}]\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"checkpoint\.pt exists; give --resume"):
        train(recipe, tmp_path / "run")
