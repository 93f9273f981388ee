"""Scenes scored on data sets: those that a bundle finds, or those in files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from perception.classes import DRIVE, ClassSet
from perception.datasets.dataset import Dataset
from perception.datasets.drives import SimulatedDrive
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.gallery import Gallery
from perception.evaluation.recording import RecordedScenes
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.tracking.lanes import LaneTracker
from perception.tracking.objects import Tracker
from perception.types import Image


@dataclass(frozen=True)
class Subject:
    """What is scored: the scenes that a bundle finds, or those in files.

    `labelled` says whether they tell classes or instances.
    `followers` are what goes over a drive's scenes in their order; scenes in files went through it already.
    """

    model: str
    engine: str
    classes: ClassSet
    perceive: Callable[[Frame, Sequence[Frame]], Scene]
    followers: tuple[Callable[[], Tracker | LaneTracker], ...]
    labelled: bool = True


def subject_of(perceiver: Perceiver) -> Subject:
    name, engine = perceiver.info.name, perceiver.engine.name + (", CRF" if perceiver.crf else "")
    if perceiver.denoiser is not None:
        engine += f", after {perceiver.denoiser.model}"
    followers = (Tracker, lambda: LaneTracker(perceiver.classes))
    labelled = perceiver.info.labelled
    return Subject(name, engine, perceiver.classes, perceiver.perceive, followers, labelled)


def subject_of_files(folder: Path) -> Subject:
    scenes = RecordedScenes(folder)
    return Subject(folder.resolve().name, "files", DRIVE, lambda frame, _: scenes.perceive(frame), ())


def score(subject: Subject, dataset: Dataset, *, drawn: bool) -> tuple[Evaluation, list[Image]]:
    """Score every frame, in order; with `drawn`, also show the extremes.

    Those are by PQ where the set knows instances, else by accuracy.
    """
    rate = dataset.options.rate if isinstance(dataset, SimulatedDrive) else None
    followers = [make() for make in subject.followers] if rate else []
    evaluation = Evaluation(subject.classes, labelled=subject.labelled, drive=rate is not None)
    by_pq, by_accuracy = Gallery("PQ", subject.classes), Gallery("accuracy", subject.classes)
    for index in track(range(len(dataset)), dataset.name, console=Console(stderr=True)):
        sample = dataset[index]
        frame = Frame(sample.image, round(1e9 * index / (rate or 1)), sequence=index, stem=sample.name)
        scene = subject.perceive(frame, [Frame(image, 0) for image in sample.earlier])
        for follower in followers:
            scene = follower.update(scene)
        accuracy, pq = evaluation.add(sample, scene)
        if drawn and pq is not None:
            by_pq.offer(pq, frame, scene, sample)
        if drawn:
            by_accuracy.offer(accuracy, frame, scene, sample)
    return evaluation, [(by_pq or by_accuracy).picture()] if drawn else []
