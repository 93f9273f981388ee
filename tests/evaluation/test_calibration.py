"""Scores fitted to what is there, kept in a bundle, and shown."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.bundle.bundle import Bundle, write_scores
from perception.bundle.manifest import ClassScores, ScoresInfo
from perception.classes import DRIVE
from perception.decode.scores import logit, sigmoid
from perception.errors import ConfigError, DataError
from perception.evaluation.metrics.calibration import FEWEST, Calibration
from perception.evaluation.reliability import draw_reliability
from perception.evaluation.score_calibration import asked_scores, calibrate_bundle, uncalibrated
from perception.evaluation.validation import Validation
from perception.frame import Frame
from perception.perceiver import Perceiver
from tests.conftest import COLOURS_BGR

SLOPE, OFFSET = 3.0, 1.5


def sampled(count: int, seed: int = 0) -> Calibration:
    """Scores of which the sigmoid is known; a tenth of what is there is not found."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, count)
    hits = rng.random(count) < sigmoid(SLOPE * logit(scores) + OFFSET)
    return Calibration(scores.tolist(), hits.tolist(), round(hits.sum() / 0.9))


def test_the_sigmoid_is_found_again_and_holds_on_other_data() -> None:
    fitted = sampled(20_000).fit()
    assert fitted is not None
    assert fitted.slope == pytest.approx(SLOPE, rel=0.05)
    assert fitted.offset == pytest.approx(OFFSET, rel=0.05)
    other = sampled(20_000, seed=1)
    other.scores = sigmoid(fitted.slope * logit(np.array(other.scores)) + fitted.offset).tolist()
    assert sampled(20_000, seed=1).error() > 0.1
    assert other.error() < 0.02
    (near,) = [one for one in other.bins() if one.low == 0.8]
    assert near.right == pytest.approx(near.score, abs=0.05)  # 0.85 is right in 0.85 of cases


def test_half_of_the_best_f1_is_the_best_least_score() -> None:
    fitted = sampled(50_000).fit()
    assert fitted is not None
    other = sampled(50_000, seed=2)
    other.scores = sigmoid(SLOPE * logit(np.array(other.scores)) + OFFSET).tolist()
    f1 = {least: other.precision(least).f1 for least in np.arange(0.05, 0.95, 0.05)}
    assert max(f1.values()) - other.precision(fitted.least).f1 < 0.002
    assert max(f1, key=lambda least: f1[least]) == pytest.approx(fitted.least, abs=0.06)
    assert fitted.f1 == pytest.approx(other.precision(fitted.least).f1, abs=0.01)


def test_precision_by_hand() -> None:
    found = Calibration([0.9, 0.6, 0.5, 0.2], [True, False, True, True], true=5)
    half, none = found.precision(0.5), found.precision(0.95)
    assert (half.published, half.precision, half.recall, half.f1) == (3, 2 / 3, 2 / 5, 4 / 8)
    assert (none.published, none.precision, none.recall, none.f1) == (0, None, 0, 0)
    assert found.best_f1() == pytest.approx(6 / 9)
    assert Calibration().best_f1() == 0


@pytest.mark.parametrize("hits", [FEWEST - 1, 100 - FEWEST + 1])
def test_too_few_make_no_sigmoid(hits: int) -> None:
    scores = np.linspace(0.1, 0.9, 100).tolist()
    assert Calibration(scores, [True] * hits + [False] * (100 - hits), 100).fit() is None


@pytest.fixture
def bundle(colour_bundle: Bundle, tmp_path: Path) -> Bundle:
    """One that may be changed."""
    return Bundle.load(shutil.copytree(colour_bundle.folder, tmp_path / "colour"))


def found_in(**hits: Calibration) -> dict[str, Validation]:
    validation = Validation(DRIVE)
    for name, one in hits.items():
        validation.calibration[DRIVE.id(name)] = one
    return {"a": validation}


def test_a_bundle_keeps_its_calibration(bundle: Bundle) -> None:
    lines = calibrate_bundle(bundle, found_in(vehicle=sampled(500)))
    assert "vehicle: 500 found" in lines[0] and "scores stay as they are" in lines[1]
    scores = Bundle.load(bundle.folder).info.scores
    assert scores is not None and (scores.way, scores.sets, list(scores.classes)) == (
        "components", ("a",), ["vehicle"],
    )  # fmt: skip
    assert json.loads((bundle.folder / "bundle.json").read_text())["files"] == bundle.info.files
    with pytest.raises(DataError, match="no class is found 20 times"):
        calibrate_bundle(bundle, found_in())


def test_a_perceiver_publishes_by_the_bundle_or_by_what_is_asked(bundle: Bundle) -> None:
    """Four vehicles, the larger the surer."""
    labels = np.full((352, 640), DRIVE.id("road"), np.uint8)
    for k, side in enumerate((8, 20, 50, 140)):
        labels[100 : 100 + side, 150 * k : 150 * k + side] = DRIVE.id("vehicle")
    frame = Frame(COLOURS_BGR[labels], 0)
    one = ClassScores(slope=1.0, offset=-2.0, least=0.2, f1=0.5)
    write_scores(
        bundle,
        ScoresInfo(
            way="components", graph=bundle.info.files["model.onnx"], sets=("a",), classes={"vehicle": one}
        ),
    )

    def scores(**how: object) -> list[float]:
        perceiver = Perceiver.load(bundle.folder, "onnx-cpu", **how)  # type: ignore[arg-type]
        scene = perceiver.perceive(frame)
        assert set(np.unique(scene.instance_map)) - {0} == {one.id for one in scene.instances}
        return sorted(one.score for one in scene.instances)

    everything = scores(min_score=0)
    perceiver = uncalibrated(Perceiver.load(bundle.folder, "onnx-cpu", min_score=0))
    raw = sorted(one.score for one in perceiver.perceive(frame).instances)
    assert everything == pytest.approx(sigmoid(logit(np.array(raw)) - 2).tolist()) and len(raw) == 4
    assert scores() == [score for score in everything if score >= 0.2]
    middle = sum(everything) / len(everything)
    assert scores(min_score={"vehicle": middle}) == [score for score in everything if score >= middle]
    assert 0 < len(scores(min_score=middle)) < len(everything)


def test_what_is_asked_for_is_read() -> None:
    assert asked_scores([]) is None
    assert asked_scores(["0.4", "vehicle=0.5"]) == {"all": 0.4, "vehicle": 0.5}
    with pytest.raises(ConfigError, match="--min-score: give a number, or CLASS=NUMBER"):
        asked_scores(["vehicle"])


def test_the_diagram_shows_a_point_a_bin(tmp_path: Path) -> None:
    path = tmp_path / "scores.png"
    draw_reliability(path, {"vehicle": sampled(400), "pedestrian": Calibration()}, {"vehicle": 0.3}, "x")
    image = cv2.imread(str(path))
    assert image is not None and image.shape[1] > image.shape[0]
    blue_of, green, red_of = np.moveaxis(image.astype(int), -1, 0)
    blue, red = blue_of - red_of > 80, red_of - green > 60
    assert blue.sum() > 2000 and red.sum() > 300  # bars and points; the line from which is published
    assert blue[:, image.shape[1] * 11 // 20 :].sum() == 0  # of pedestrians there is none
