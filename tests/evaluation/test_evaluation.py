"""What an evaluation makes of scenes that are as true as can be, and of some wrong in a known way."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from perception.classes import DRIVE
from perception.datasets.dataset import Sample
from perception.datasets.drives import open_set
from perception.datasets.opening import open_dataset
from perception.errors import ConfigError
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.judged import Judged
from perception.evaluation.metrics.instances import without_specks
from perception.evaluation.truth import true_scene
from perception.frame import Frame
from perception.scene import Instance, Scene

DRIVE_SPEC = "drive:sim:?seed=2&size=480x270&scene=town&frames=4&rate=10&weather=clear&time=day"


@pytest.fixture(scope="module")
def drive() -> list[Sample]:
    frames = open_set(DRIVE_SPEC)
    return [frames[index] for index in range(len(frames))]


def true_scenes(drive: list[Sample]) -> list[Scene]:
    return [true_scene(without_specks(sample)) for sample in drive]


def judged(sample: Sample, scene: Scene) -> Judged:
    return Judged(sample, Frame(sample.image, 0, stem=sample.name), scene)


def evaluated(drive: list[Sample], scenes: list[Scene]) -> Evaluation:
    evaluation = Evaluation(drive=True)
    for sample, scene in zip(drive, scenes, strict=True):
        evaluation.update(judged(sample, scene))
    return evaluation


def test_the_truth_of_a_drive_is_right_in_every_figure(drive: list[Sample]) -> None:
    figures = evaluated(drive, true_scenes(drive)).figures()
    assert list(figures) == ["mask AP", "panoptic quality", "scores", "lane boundaries", "tracks"]
    for kind in ("mask AP", "panoptic quality"):
        values = [value for row in figures[kind].values() for value in row.values()]
        assert values == pytest.approx([1.0] * len(values))
    assert {"vehicle", "pedestrian", "all"} <= set(figures["mask AP"])
    assert {"road", "vehicle", "things", "stuff", "all"} <= set(figures["panoptic quality"])
    lanes, tracks = figures["lane boundaries"]["all"], figures["tracks"]["all"]
    assert (lanes["lane F1"], lanes["lateral error, px"]) == pytest.approx((1.0, 0.0), abs=1e-4)
    assert (tracks["MOTA"], tracks["IDF1"], tracks["id switches"]) == (1.0, 1.0, 0)
    assert tracks["true boxes"] > 20


def test_other_ids_in_the_last_frame_are_switches(drive: list[Sample]) -> None:
    *scenes, last = true_scenes(drive)
    stays = {one.track for one in last.instances} & {one.track for s in scenes for one in s.instances}
    renamed = tuple(replace(one, track=one.id + 10**6) for one in last.instances)
    tracks = evaluated(drive, [*scenes, replace(last, instances=renamed)]).figures()["tracks"]["all"]
    assert tracks["id switches"] == len(stays) > 0
    assert tracks["MOTA"] == pytest.approx(1 - len(stays) / tracks["true boxes"])
    assert tracks["IDF1"] < 1


def test_nothing_found_is_all_missed(drive: list[Sample]) -> None:
    blind = [
        replace(scene, instances=(), lanes=(), instance_map=np.zeros_like(scene.instance_map))
        for scene in true_scenes(drive)
    ]
    figures = evaluated(drive, blind).figures()
    assert figures["mask AP"]["all"] == {"AP": 0.0, "AP50": 0.0}
    assert figures["panoptic quality"]["things"]["PQ"] == 0.0
    assert figures["panoptic quality"]["stuff"]["PQ"] == pytest.approx(1.0)
    assert figures["lane boundaries"]["all"]["lane recall"] == 0.0
    assert "lateral error, px" not in figures["lane boundaries"]["all"]
    assert figures["tracks"]["all"]["MOTA"] == 0.0


def test_what_is_found_on_specks_is_no_false_alarm(drive: list[Sample]) -> None:
    """The simulation knows cars of a few pixels; finding them does no harm."""
    every = [true_scene(sample) for sample in drive]
    assert sum(len(s.instances) for s in every) > sum(len(s.instances) for s in true_scenes(drive))
    assert evaluated(drive, every).figures()["tracks"]["all"]["false alarms"] == 0


def test_a_set_without_the_truth_has_no_figure() -> None:
    vehicle, either = DRIVE.bits("vehicle"), DRIVE.bits("road", "lane_marking")
    target = np.full((8, 16), either, np.uint32)
    target[:4, :8] = vehicle
    sample = Sample("a", np.zeros((8, 16, 3), np.uint8), target, np.zeros((8, 16), np.uint16))
    instances = np.where(target == vehicle, 8001, 0).astype(np.uint16)
    scene = replace(
        true_scene(sample), instance_map=instances, instances=(Instance(8001, 8, 1.0, (0, 0, 8, 4)),)
    )
    evaluation = Evaluation()
    one = judged(sample, scene)
    evaluation.update(one)
    assert (one.confusion.accuracy(), one.pq) == (1.0, None)
    assert evaluation.figures() == {}


def test_the_true_scene_says_no_more_than_the_labels() -> None:
    target = np.array([[DRIVE.bits("road", "lane_marking"), DRIVE.bits("sky"), 0, 0x0FFF & ~1]], np.uint32)
    sample = Sample("a", np.zeros((1, 4, 3), np.uint8), target, np.zeros((1, 4), np.uint16))
    assert true_scene(sample).labels.tolist() == [[DRIVE.id("road"), DRIVE.id("sky"), 255, 255]]


def test_a_drive_shows_what_the_source_shows(drive: list[Sample]) -> None:
    assert [sample.name for sample in drive] == ["000000", "000001", "000002", "000003"]
    shared = set(np.unique(drive[0].instances)) & set(np.unique(drive[-1].instances)) - {0}
    assert len(shared) > 3  # at 10 Hz, most road users are still there
    with pytest.raises(ConfigError, match="give drive:sim:"):
        open_set("drive:camvid:data")
    with pytest.raises(ConfigError, match="unknown option 'speed'"):
        open_set("drive:sim:?speed=3")


def test_evaluation_runs_without_torch() -> None:
    commands = "perception.training.command, perception.evaluation.command"
    code = f"import sys, {commands}; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "False\n"


def test_a_network_without_classes_is_scored_by_what_it_gives() -> None:
    sample = open_dataset("sim+depth+key_points:?frames=1&size=320x192&scene=town&weather=clear&seed=5")[0]
    evaluation = Evaluation(labelled=False)
    evaluation.update(judged(sample, true_scene(sample)))
    assert not evaluation.confusion.counts
    figures = evaluation.figures()
    assert list(figures) == ["depth", "key points"]
    assert figures["depth"]["all"] == {"abs rel": 0.0, "δ < 1.25": 1.0, "RMSE, m": 0.0}
    assert (figures["key points"]["all"]["PCK@0.2"], figures["key points"]["all"]["precision"]) == (1.0, 1.0)
