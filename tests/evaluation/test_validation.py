"""The yardstick's figures, on scenes with answers that can be counted by hand."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.datasets.dataset import Sample
from perception.errors import ConfigError
from perception.evaluation.metrics.calibration import Calibration
from perception.evaluation.validate import validate
from perception.evaluation.validation import Validation, pooled
from perception.frame import Frame
from perception.scene import Instance, Scene

VEHICLE, ROAD = DRIVE.id("vehicle"), DRIVE.id("road")
Box = tuple[int, int, int, int]  # x0, y0, x1, y1


def sample(*cars: Box, unknown: Box | None = None) -> Sample:
    """Road, 200 x 200, with cars."""
    target = np.full((200, 200), 1 << ROAD, np.uint32)
    instances = np.zeros((200, 200), np.uint16)
    for k, (x0, y0, x1, y1) in enumerate(cars):
        target[y0:y1, x0:x1] = 1 << VEHICLE
        instances[y0:y1, x0:x1] = 1000 * VEHICLE + 1 + k
    if unknown is not None:
        x0, y0, x1, y1 = unknown
        target[y0:y1, x0:x1] = 0
    return Sample("a", np.zeros((200, 200, 3), np.uint8), target, instances)


def scene(*cars: tuple[Box, float]) -> Scene:
    labels = np.full((200, 200), ROAD, np.uint8)
    instance_map = np.zeros((200, 200), np.uint16)
    found = []
    for k, ((x0, y0, x1, y1), score) in enumerate(cars):
        labels[y0:y1, x0:x1] = VEHICLE
        instance_map[y0:y1, x0:x1] = 1000 * VEHICLE + 1 + k
        found.append(Instance(1000 * VEHICLE + 1 + k, VEHICLE, score, (x0, y0, x1, y1)))
    frame = Frame(np.zeros((200, 200, 3), np.uint8), 0)
    return Scene.of(frame, labels, instance_map, instances=tuple(found))


SMALL, MEDIUM, LARGE = (0, 0, 20, 20), (30, 30, 80, 80), (90, 90, 195, 195)


def test_precision_recall_and_ap_by_size() -> None:
    """Of three cars the medium and the large one are found, and one too many."""
    validation = Validation(DRIVE)
    validation.add(sample(SMALL, MEDIUM, LARGE), scene((MEDIUM, 0.9), (LARGE, 0.8), ((150, 0, 170, 20), 0.4)))
    assert validation.road_users() == {
        "vehicle": {
            "AP": pytest.approx(67 / 101),  # of COCO's 101 recalls, 0 to 0.66 are reached, at precision 1
            "AP50": pytest.approx(67 / 101),
            "AP small": 0.0,
            "AP medium": pytest.approx(1),
            "AP large": pytest.approx(1),
            "true": 3,
            "recall": 2 / 3,
            "published": 3,
            "precision": 2 / 3,
            "F1": 2 / 3,
        }
    }


def test_what_lies_on_unknown_pixels_is_neither_right_nor_wrong() -> None:
    validation = Validation(DRIVE)
    validation.add(sample(MEDIUM, unknown=(100, 100, 200, 200)), scene((MEDIUM, 0.7), (LARGE, 0.9)))
    users = validation.road_users()["vehicle"]
    assert (users["published"], users["precision"], users["recall"]) == (1, 1.0, 1.0)
    assert (validation.calibration[VEHICLE].scores, validation.calibration[VEHICLE].hits) == ([0.7], [True])


def test_false_road_users_count_on_frames_without_any() -> None:
    validation = Validation(DRIVE)
    validation.add(sample(), scene((SMALL, 0.3), (LARGE, 0.5)))
    validation.add(sample(), scene())
    validation.add(sample(MEDIUM), scene((SMALL, 0.3)))  # has one: does not count
    validation.add(sample(unknown=(0, 0, 200, 190)), scene((LARGE, 0.5)))  # little of it is known
    assert (validation.free_frames, validation.free_false) == (2, 2)


def test_calibration_error_is_exact() -> None:
    calibration = Calibration()
    for score, hit in ((0.85, True), (0.85, True), (0.85, False), (0.85, True), (0.25, False), (1.0, True)):
        calibration.add(score, hit)
    rows = [(one.low, one.count, one.score, one.right) for one in calibration.bins()]
    assert rows == [
        (0.2, 1, 0.25, 0.0),
        (0.8, 4, pytest.approx(0.85), 0.75),
        (0.9, 1, 1.0, 1.0),
    ]
    assert calibration.error() == pytest.approx((1 * 0.25 + 4 * 0.10 + 1 * 0.0) / 6)
    assert Calibration().error() == 0
    validation = Validation(DRIVE)
    validation.calibration[VEHICLE] = calibration
    assert len(pooled([validation, validation], VEHICLE).scores) == 12


def test_labels_are_those_that_are_published_and_ap_is_of_all_that_is_found() -> None:
    """A car that is too unsure to be published leaves the road as it is."""
    validation = Validation(DRIVE, least={VEHICLE: 0.5})
    everything = scene((MEDIUM, 0.9), (LARGE, 0.2))
    validation.add(sample(MEDIUM, LARGE), everything, scene((MEDIUM, 0.9)))
    x0, y0, x1, y1 = LARGE
    assert validation.confusion.counts[1 << VEHICLE][ROAD] == (x1 - x0) * (y1 - y0)
    assert validation.road_users()["vehicle"]["AP"] == pytest.approx(1)
    assert validation.road_users()["vehicle"]["recall"] == 0.5


def test_flicker_is_measured_on_drives_alone() -> None:
    still = replace(sample(), image=np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))
    for drive, changed in ((True, 100), (False, None)):
        validation = Validation(DRIVE, drive=drive)
        validation.add(still, scene())
        validation.add(still, scene(((50, 50, 60, 60), 0.9)))
        counts = validation.flicker
        assert changed == (counts and counts.changed)


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    for name in ("a_1", "a_2", "b_1"):
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{name}.png"), np.full((64, 96, 3), 90, np.uint8))
        cv2.imwrite(str(tmp_path / "set" / "labels" / f"{name}.png"), np.full((64, 96), ROAD, np.uint8))
    path = tmp_path / "folds.yaml"
    path.write_text('sets: {set: {source: "folder:{data}/set", held_out: {A: ["a_*"]}, drive: true}}')
    return path


def test_the_command_scores_what_is_held_out(folds: Path) -> None:
    report, picture = folds.with_name("report.json"), folds.with_name("worst.png")
    validate(folds, "A", folds.parent, "drive", "onnx-cpu", 64 * 96, None, 1, 0, report, picture)
    found = json.loads(report.read_text())
    assert (found["fold"], found["pixels"], found["frames"]) == ("A", 64 * 96, {"set": 2})
    assert set(found["iou"]["set"]) >= {"mean IoU", "road"}
    assert set(found["flicker"]) == {"set"}
    assert cv2.imread(str(picture)) is not None


def test_the_command_names_what_is_wrong(folds: Path) -> None:
    with pytest.raises(ConfigError, match="--only other: fold A holds out set"):
        validate(folds, "A", folds.parent, "drive", "onnx-cpu", None, "other", 1, 0, None, None)
    with pytest.raises(ConfigError, match="--calibrate: what scores will mean is not known"):
        output = folds.with_name("report.json")
        validate(
            folds, "A", folds.parent, "drive", "onnx-cpu", None, None, 1, 0, output, None, None, None, True
        )
    with pytest.raises(ConfigError, match="fold 'Z' is not known"):
        validate(folds, "Z", folds.parent, "drive", "onnx-cpu", None, None, 1, 0, None, None)
