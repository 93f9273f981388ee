"""What every metric sees of a frame, and gives in the end."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from perception.classes import DRIVE, ClassSet
from perception.datasets.dataset import Sample
from perception.evaluation.metrics.instances import Overlaps, PanopticCounts, without_specks
from perception.evaluation.metrics.semantic import Confusion
from perception.frame import Frame
from perception.scene import Scene

# What figures are of ("all", or the name of a class or of a point) → figure → value.
Rows = dict[str, dict[str, float]]
# Kinds of figures → their rows.
Figures = dict[str, Rows]

ALL = "all"


@dataclass(frozen=True)
class Judged:
    """One frame: its labels, and the scene that was found; what several metrics need is computed once."""

    sample: Sample
    frame: Frame
    scene: Scene
    classes: ClassSet = DRIVE

    @cached_property
    def labels(self) -> Sample:
        """The sample, without the smallest road users of a simulation."""
        return self.sample if self.sample.truth is None else without_specks(self.sample)

    @cached_property
    def confusion(self) -> Confusion:
        confusion = Confusion(self.classes)
        confusion.add(self.labels.target, self.scene.labels)
        return confusion

    @cached_property
    def overlaps(self) -> Overlaps:
        return Overlaps(self.labels, self.scene, self.classes)

    @cached_property
    def panoptic(self) -> PanopticCounts:
        return self.overlaps.panoptic()

    @property
    def pq(self) -> float | None:
        """Mean PQ over the classes that are there or were found; None where no instance is labelled."""
        if not self.labels.instances.any():
            return None
        return float(np.mean([quality.pq for quality in self.panoptic.quality().values()]))


class Metric(Protocol):
    """One kind of figures. `result` is empty where the labels say nothing about it."""

    kind: str

    def update(self, one: Judged) -> None: ...

    def result(self) -> Rows: ...
