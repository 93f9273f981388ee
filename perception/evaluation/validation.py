"""The yardstick: every figure by which weights are chosen, on the recordings that a fold holds out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rich.progress import track

from perception.classes import ClassSet
from perception.console import Console, heading
from perception.datasets.dataset import Dataset, Sample
from perception.evaluation.gallery import Gallery
from perception.evaluation.metrics.calibration import Calibration
from perception.evaluation.metrics.flicker import Flicker, FlickerCounts
from perception.evaluation.metrics.instances import MaskPrecision, Overlaps, without_specks
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.scoring import Subject
from perception.frame import Drop, Frame
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.sources.registry import open_source
from perception.tracking.labels import LabelTracker
from perception.types import NS_PER_S, Image

RATE = 25.0  # of the frames of a data set, which have no times: labels are steadied by them
KNOWN_FREE = (
    0.25  # of a frame must be known to be no road user, before what is found there can be called false
)


class Validation:
    """The figures of one data set.

    Attributes:
        confusion: of all labelled pixels.
        calibration: thing class id → scores of what was found, with whether it is there.
        free_frames: frames that are known to show no road user, as far as they are labelled.
        free_false: road users published on them.
        least: class id → score from which what is found is published.
        flicker: of labels as a node publishes them; None where the frames do not follow one another.
    """

    def __init__(
        self, classes: ClassSet, *, drive: bool = False, least: Mapping[int, float] | None = None
    ) -> None:
        self.classes = classes
        self.least = dict.fromkeys(classes.thing_ids, 0.0) | dict(least or {})
        self.frames = 0
        self.confusion = Confusion(classes)
        self.calibration = {class_id: Calibration() for class_id in classes.thing_ids}
        self.free_frames = self.free_false = 0
        self._masks = MaskPrecision(classes)
        self._things = classes.bits(*classes.things)
        self._flicker = Flicker() if drive else None
        self._tracker = LabelTracker(classes)

    def add(self, sample: Sample, scene: Scene, published: Scene | None = None) -> float:
        """Count one frame; its accuracy.

        Args:
            scene: with whatever is found.
            published: of the same frame, as a node publishes it: its labels count; None: it is all of that.
        """
        published = published or scene
        self.frames += 1
        if self._flicker is not None:
            self._flicker.add(sample.image, self._tracker.update(published, sample.image).labels)
        if sample.truth is not None:
            sample = without_specks(sample)
        frame = Confusion(self.classes)
        frame.add(sample.target, published.labels)
        self.confusion += frame
        self._masks.add(sample, scene)
        overlaps = Overlaps(sample, scene, self.classes)
        counts = overlaps.panoptic()
        for class_id, calibration in self.calibration.items():
            calibration.true += int(counts.matches[class_id] + counts.misses[class_id])
        verdicts = overlaps.verdicts(scene)
        for one in scene.instances:
            if one.id in verdicts:
                self.calibration[one.class_id].add(one.score, verdicts[one.id])
        if self._is_free(sample):
            self.free_frames += 1
            self.free_false += sum(
                one.id in verdicts and one.score >= self.least[one.class_id] for one in scene.instances
            )
        return frame.accuracy()

    @property
    def flicker(self) -> FlickerCounts | None:
        return None if self._flicker is None else self._flicker.counts

    def road_users(self) -> dict[str, dict[str, float]]:
        """Class → AP, AP50 and AP by size of all that is found, and how good what is published of it is."""
        result, by_size = self._masks.result(), self._masks.by_size()
        rows = {}
        for name, (ap, ap50) in result.items():
            i = self.classes.id(name)
            published = self.calibration[i].precision(self.least[i])
            rows[name] = {"AP": ap, "AP50": ap50}
            rows[name] |= {f"AP {size}": value for size, value in by_size[name].items()}
            rows[name] |= {"true": self.calibration[i].true, "recall": published.recall}
            rows[name] |= {"published": published.published, "F1": published.f1}
            if published.precision is not None:
                rows[name]["precision"] = published.precision
        return rows

    def _is_free(self, sample: Sample) -> bool:
        """No pixel is surely a road user's, and enough of the frame is known to be none's."""
        labelled = sample.target != 0
        user = labelled & (sample.target & ~np.uint32(self._things) == 0)
        free = labelled & (sample.target & np.uint32(self._things) == 0)
        return not sample.instances.any() and not user.any() and bool(free.mean() >= KNOWN_FREE)


def validate_set(
    perceiver: Perceiver, dataset: Dataset, *, drive: bool, drawn: bool, every: int = 1
) -> tuple[Validation, list[Image]]:
    """Score every so many-th frame of a data set, in order; with `drawn`, also show the extremes."""
    validation = Validation(perceiver.classes, drive=drive and every == 1, least=perceiver.least)
    gallery = Gallery("accuracy", perceiver.classes)
    everything = replace(perceiver, least=None)
    for index in track(
        range(0, len(dataset), every), heading(dataset.name[:60]), console=Console(stderr=True)
    ):
        sample = dataset[index]
        frame = Frame(sample.image, round(index * NS_PER_S / RATE), sequence=index, stem=sample.name)
        maps = perceiver.infer(perceiver.prepare(frame))
        published = perceiver.decode(frame, maps)
        accuracy = validation.add(sample, everything.decode(frame, maps), published)
        if drawn:
            gallery.offer(accuracy, frame, published, sample)
    return validation, [gallery.picture()] if gallery else []


def flicker_of(subject: Subject, source: str, frames: int) -> FlickerCounts:
    """Flicker on the first frames of a drive without labels, as a node publishes it."""
    flicker, tracker = Flicker(), LabelTracker(subject.classes)
    opened = open_source(source)
    try:
        for number, frame in enumerate(opened):
            if number == frames:
                break
            if not isinstance(frame, Drop):
                flicker.add(frame.image, tracker.update(subject.perceive(frame, ()), frame).labels)
    finally:
        opened.close()
    return flicker.counts


def pooled(validations: Sequence[Validation], class_id: int) -> Calibration:
    """The calibration of a class over all data sets."""
    return sum((one.calibration[class_id] for one in validations), Calibration())
