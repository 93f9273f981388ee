"""What is scored of a drive are the labels that a node publishes, steadied from frame to frame."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.datasets.dataset import Sample
from perception.datasets.drives import SimulatedDrive
from perception.evaluation.judged import Judged
from perception.evaluation.scoring import Subject, walk
from perception.evaluation.validation import Validation, flicker_of
from perception.frame import Frame
from perception.scene import Scene
from perception.tracking.objects import Tracker

ROAD, SIDEWALK = DRIVE.id("road"), DRIVE.id("sidewalk")
QUERY = "sim:?seed=5&frames=4&size=160x96&rate=30"


def wavering(frame: Frame, _: Sequence[Frame]) -> Scene:
    """Road in every other frame, and sidewalk in between, by very little."""
    logits = np.zeros((len(DRIVE), 48, 80), np.float32)
    logits[ROAD], logits[SIDEWALK] = (1.1, 1.0) if frame.sequence % 2 == 0 else (1.0, 1.1)
    size = frame.height, frame.width
    labels = np.full(size, logits[:, 0, 0].argmax(), np.uint8)
    return Scene.of(frame, labels, np.zeros(size, np.uint16), logits=logits)


SUBJECT = Subject("wavering", "none", DRIVE, wavering, (Tracker,))


class Seen:
    """Keeps what a walk shows."""

    def __init__(self) -> None:
        self.scenes: list[Scene] = []

    def update(self, one: Judged) -> None:
        self.scenes.append(one.scene)

    @property
    def labels(self) -> list[list[int]]:
        return [np.unique(scene.labels).tolist() for scene in self.scenes]


def seen_of(subject: Subject, dataset: SimulatedDrive | list[Sample]) -> Seen:
    seen = Seen()
    walk(subject, dataset, [seen])
    assert [scene.logits for scene in seen.scenes] == [None] * len(dataset)
    return seen


def test_a_drive_is_walked_over_with_steady_labels() -> None:
    scenes = seen_of(SUBJECT, SimulatedDrive("drive:" + QUERY)).scenes
    held = [(scene.labels == ROAD).mean() for scene in scenes]
    assert held[0] == 1
    assert min(held) > 0.7  # but for what comes into view, and what moves too quickly


def test_pictures_and_files_are_scored_as_they_are() -> None:
    image: npt.NDArray[np.uint8] = np.full((96, 160, 3), 90, np.uint8)
    samples = [Sample("a", image, np.ones((96, 160), np.uint32), np.zeros((96, 160), np.uint16))] * 2
    assert seen_of(SUBJECT, samples).labels == [[ROAD], [SIDEWALK]]
    files = Subject("files", "files", DRIVE, wavering, ())
    assert seen_of(files, SimulatedDrive("drive:" + QUERY)).labels == [[ROAD], [SIDEWALK]] * 2


def test_flicker_is_that_of_what_a_node_publishes() -> None:
    counts = flicker_of(SUBJECT, QUERY, 4)
    assert counts.followed > 0
    assert counts.share < 0.2  # without a tracker all of it changes


def test_accuracy_of_a_recording_is_that_of_single_frames() -> None:
    """So that it does not depend on how far apart frames are: only its flicker is that of steady labels."""
    image = np.random.default_rng(0).integers(60, 200, (96, 160, 3), np.uint8)
    truth = np.full((96, 160), 1 << SIDEWALK, np.uint32)
    sample = Sample("a", image, truth, np.zeros((96, 160), np.uint16))
    validation = Validation(DRIVE, drive=True)
    accuracy = [validation.add(sample, wavering(Frame(image, 0, sequence=k), ())) for k in range(2)]
    assert accuracy == [0.0, 1.0]
    assert validation.flicker is not None
    assert validation.flicker.followed > 0
    assert validation.flicker.changed == 0
