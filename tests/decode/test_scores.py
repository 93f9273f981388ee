"""What scores mean, and from which on road users are published."""

import numpy as np
import pytest

from perception.bundle.manifest import ClassScores, ScoresInfo
from perception.classes import DRIVE
from perception.decode.grouping import Groups, make_instances
from perception.decode.scores import LEAST, calibrate, least_scores, read_scores
from perception.errors import ConfigError

VEHICLE, PEDESTRIAN, TWO_WHEELER = DRIVE.thing_ids
SCORES = ScoresInfo(
    graph="0" * 64,
    way="centres",
    sets=("a",),
    classes={
        "vehicle": ClassScores(slope=2.0, offset=1.0, least=0.33, f1=0.6),
        "pedestrian": ClassScores(slope=1.0, offset=-np.log(3), least=0.25, f1=0.5),
    },
)


def groups(*found: tuple[int, float]) -> Groups:
    """Side by side, 10 x 10 pixels each."""
    numbers = np.repeat(np.arange(1, len(found) + 1), 10)[None].repeat(10, axis=0).astype(np.uint16)
    class_ids, scores = zip(*found, strict=True)
    return Groups(numbers, np.array(class_ids), np.array(scores, np.float64))


def test_a_score_becomes_the_share_that_is_there() -> None:
    """Even odds become e to 1, or 1 to 3; a class that is not calibrated keeps its own."""
    found = groups((VEHICLE, 0.5), (VEHICLE, 0.8), (PEDESTRIAN, 0.5), (TWO_WHEELER, 0.5), (VEHICLE, 1.0))
    scores = calibrate(found, SCORES, DRIVE).scores
    odds = scores / (1 - scores)
    assert odds[:4] == pytest.approx([np.e, 16 * np.e, 1 / 3, 1])
    assert 0.999 < scores[4] < 1


@pytest.mark.parametrize(
    ("scores", "asked", "wanted"),
    [
        (None, None, (LEAST, LEAST, LEAST)),
        (SCORES, None, (0.33, 0.25, LEAST)),
        (SCORES, 0.4, (0.4, 0.4, 0.4)),
        (SCORES, np.float32(0.5), (0.5, 0.5, 0.5)),
        (SCORES, {"all": 0.4, "pedestrian": 0.5}, (0.4, 0.5, 0.4)),
        (SCORES, {"two_wheeler": 0.0}, (0.33, 0.25, 0.0)),
    ],
)
def test_least_scores(scores: ScoresInfo | None, asked: object, wanted: tuple[float, ...]) -> None:
    assert least_scores(scores, DRIVE, asked) == dict(zip(DRIVE.thing_ids, wanted, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"road": 0.5}, "'road' has no instances; those are of vehicle, pedestrian, two_wheeler"),
        ({"vehicle": 1.2}, r"vehicle = 1\.2 is refused; allowed are numbers from 0 to 1"),
        (True, "all = True is refused; allowed are numbers"),
        ("0.5", "all = '0.5' is refused; allowed are numbers"),
        ({"vehicle": None}, "vehicle = None is refused"),
        (-0.1, r"all = -0\.1 is refused"),
        (float("nan"), "all = nan is refused"),
    ],
)
def test_what_is_no_least_score_is_refused(asked: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        least_scores(SCORES, DRIVE, asked)  # type: ignore[arg-type]


def test_texts_of_the_command_line() -> None:
    assert read_scores(["0.4", "pedestrian=0.5"]) == {"all": "0.4", "pedestrian": "0.5"}


def test_what_scores_less_has_no_pixels() -> None:
    found = groups((VEHICLE, 0.33), (VEHICLE, 0.3299), (PEDESTRIAN, 0.3), (TWO_WHEELER, 0.01))
    instance_map, instances = make_instances(found, 10, 40, {VEHICLE: 0.33, PEDESTRIAN: 0.31})
    assert [one.id for one in instances] == [1000 * VEHICLE + 1, 1000 * TWO_WHEELER + 1]
    assert (
        np.unique(instance_map[:, 10:30]).tolist() == [0] and (instance_map[:, :10] == instances[0].id).all()
    )
