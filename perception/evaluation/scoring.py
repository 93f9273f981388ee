"""The loop that scores a data set: scenes that a bundle finds, or those in files."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from rich.progress import track

from perception.classes import DRIVE, ClassSet
from perception.console import Console, heading
from perception.datasets.dataset import Dataset, Sample, nothing_known, teaches
from perception.datasets.drives import SimulatedDrive
from perception.errors import DataError
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.judged import Judged
from perception.evaluation.recording import RecordedScenes
from perception.frame import Frame
from perception.geometry.mounting import Locators, mount_transform
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.tracking.closing import ClosingTracker
from perception.tracking.labels import LabelTracker
from perception.tracking.lanes import LaneTracker
from perception.tracking.objects import Tracker


class Observer(Protocol):
    """Sees every frame of a data set in order."""

    def update(self, one: Judged) -> None: ...


@dataclass(frozen=True)
class Subject:
    """What is scored: the scenes that a bundle finds, or those in files.

    `labelled`: they hold classes or instances.
    `followers` are what goes over a drive's scenes in their order, after a `LabelTracker` and before they are
    put in metres; scenes in files went through all of it already, and have none.
    """

    model: str
    engine: str
    classes: ClassSet
    perceive: Callable[[Frame, Sequence[Frame]], Scene]
    followers: tuple[Callable[[], Tracker | LaneTracker | ClosingTracker], ...]
    labelled: bool = True


def subject_of(perceiver: Perceiver) -> Subject:
    name, engine = perceiver.info.name, perceiver.engine.name + (", CRF" if perceiver.crf else "")
    if perceiver.pixels is not None:
        engine += f", {perceiver.pixels} pixels"
    if perceiver.denoiser is not None:
        engine += f", after {perceiver.denoiser.model}"
    followers = (Tracker, lambda: LaneTracker(perceiver.classes), ClosingTracker)
    labelled = perceiver.info.labelled
    return Subject(name, engine, perceiver.classes, perceiver.perceive, followers, labelled)


def subject_of_files(folder: Path) -> Subject:
    scenes = RecordedScenes(folder)
    return Subject(folder.resolve().name, "files", DRIVE, lambda frame, _: scenes.perceive(frame), ())


def score(subject: Subject, dataset: Dataset, *observers: Observer, quiet: bool = False) -> Evaluation:
    """Every figure of a data set; observers see each frame, too.

    Raises:
        DataError: its labels leave nothing to score.
    """
    drive = isinstance(dataset, SimulatedDrive)
    evaluation = Evaluation(subject.classes, labelled=subject.labelled, drive=drive)
    labels = _Labels(dataset)
    walk(subject, dataset, [evaluation, labels, *observers], title="" if quiet else dataset.name)
    if not labels.known:
        raise nothing_known(dataset)
    if not evaluation.values():
        raise DataError(f"{dataset.name}: nothing that {subject.model} gives is in its labels; choose others")
    return evaluation


class _Labels:
    """Whether a data set's labels say anything."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.known = False

    def update(self, one: Judged) -> None:
        self.known = self.known or teaches(self.dataset, one.sample)


def walk(
    subject: Subject,
    dataset: Dataset | Sequence[Sample],
    observers: Sequence[Observer],
    *,
    title: str = "",
    pool: Executor | None = None,
) -> None:
    """The one loop over a data set: show the subject every frame, and the observers what it found, in order.

    Args:
        title: of the progress bar; without one there is none.
        pool: perceives frames at once, and holds all of them until the last is done.
    """
    drive = dataset if isinstance(dataset, SimulatedDrive) else None
    rate = drive.options.rate if drive else None
    followers = [make() for make in subject.followers] if rate else []
    locators = Locators(None, subject.classes) if followers else None
    labels = LabelTracker(subject.classes) if followers else None

    def perceive(index: int) -> tuple[Sample, Frame, Scene]:
        sample = dataset[index]
        frame = Frame(sample.image, round(1e9 * index / (rate or 1)), sequence=index, stem=sample.name)
        if drive is not None:
            transforms = (mount_transform(drive.mount, frame.optical_frame),)
            frame = replace(frame, camera_info=drive.camera_info, transforms=transforms)
        scene = subject.perceive(frame, [Frame(image, 0) for image in sample.earlier])
        return sample, frame, scene if labels else scene.evolve(logits=None)  # which observers would hold

    found = (pool.map if pool else map)(perceive, range(len(dataset)))
    if title:
        found = iter(track(found, heading(title), len(dataset), console=Console(stderr=True)))
    for sample, frame, scene in found:
        if labels is not None:
            scene = labels.update(scene, frame)  # noqa: PLW2901
        for follower in followers:
            scene = follower.update(scene)  # noqa: PLW2901 - each goes over what the one before it made
        locator = locators.of(frame).locator if locators else None
        if locator is not None:
            scene = locator.update(scene)  # noqa: PLW2901
        one = Judged(sample, frame, scene, subject.classes)
        for observer in observers:
            observer.update(one)
