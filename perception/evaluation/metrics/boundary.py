"""Accuracy of outlines: boundary F1."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet
from perception.evaluation.metrics.semantic import near
from perception.types import Bools

TOLERANCE = 0.0075  # of the image's diagonal, as Csurka et al. choose


@dataclass
class BoundaryScore:
    """Boundary F1: Csurka et al., "What is a good evaluation measure for semantic segmentation?", 2013.

    A boundary pixel of the truth is met where a predicted one of the same class lies within the tolerance,
    and the other way round. Pixels are counted over the whole set, as for IoU, not averaged over its frames.

    Attributes:
        counts: bits of a class (or of a set of few classes) → true boundary pixels met, all, predicted ones
            met, all.
    """

    classes: ClassSet = DRIVE
    counts: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict)

    def add(self, target: npt.NDArray[np.integer], predicted: npt.NDArray[np.uint8]) -> None:
        """Count one frame: target (h, w) class bits, predicted (h, w) class ids."""
        tolerance = TOLERANCE * float(np.hypot(*target.shape))
        known = target != 0
        sets = [int(bits) for bits in np.unique(target[known])]
        for bits in sets:
            if bits.bit_count() > len(self.classes) // 2:  # "not a pedestrian" has no outline of its own
                continue
            members = np.array([bits >> i & 1 > 0 for i in range(len(self.classes))] + [False])
            is_predicted = members[np.minimum(predicted, len(self.classes))]
            true, found = outline(target == bits, known), outline(is_predicted, known)
            row = [near(true, found, tolerance), true.sum(), near(found, true, tolerance), found.sum()]
            self.counts[bits] = self.counts.get(bits, np.zeros(4, np.int64)) + np.array(row, np.int64)

    def f1(self) -> dict[int, float]:
        """F1 of each set of classes that has outlines."""
        return {bits: _f1(*row.tolist()) for bits, row in sorted(self.counts.items()) if row[1]}

    def mean_f1(self) -> float:
        return float(np.mean(list(self.f1().values()))) if self.f1() else 0.0


def outline(mask: Bools, known: Bools) -> Bools:
    """Pixels of the mask next to a known pixel that is not of it."""
    other = (known & ~mask).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return mask & known & (cv2.dilate(other, cross) > 0)


def _f1(met: int, true: int, found_met: int, found: int) -> float:
    recall, precision = met / true, found_met / max(found, 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)
