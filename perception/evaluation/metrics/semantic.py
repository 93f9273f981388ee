"""Accuracy of label maps against labels that may be partial."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet

LANE_TOLERANCE = 4.0 / 960.0  # of the image width, as lane-marking benchmarks allow


@dataclass
class Confusion:
    """Pixels counted by what they are (a set of classes) and what was predicted (one class).

    Attributes:
        classes: the class set of the predictions.
        counts: bits of the truth → int64 (256,) pixels for each predicted id (255 unknown).
        lane_hits: paint within tolerance of predicted paint, paint, predicted paint within tolerance of
            paint, predicted paint (for F1 with tolerance; only sets that label paint fully).
    """

    classes: ClassSet = DRIVE
    counts: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict)
    lane_hits: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(4, np.int64))

    def add(self, target: npt.NDArray[np.uint32], predicted: npt.NDArray[np.uint8]) -> None:
        """Count one frame: target (h, w) class bits, predicted (h, w) class ids."""
        for bits in np.unique(target[target != 0]):
            found = np.bincount(predicted[target == bits], minlength=256)
            self.counts[int(bits)] = self.counts.get(int(bits), np.zeros(256, np.int64)) + found
        self._add_lanes(target, predicted)

    def __add__(self, other: "Confusion") -> "Confusion":
        zero = np.zeros(256, np.int64)
        counts = {
            bits: self.counts.get(bits, zero) + other.counts.get(bits, zero)
            for bits in self.counts.keys() | other.counts.keys()
        }
        return Confusion(other.classes, counts, self.lane_hits + other.lane_hits)

    def iou(self) -> dict[int, float]:
        """Intersection over union of each set of classes in the truth.

        A prediction is right where its class is in the pixel's set. A prediction counts against a set where
        its class is in that set but not in the pixel's own.
        """
        result = {}
        for bits, row in sorted(self.counts.items()):
            inside = self._members(bits)
            right = row[inside].sum()
            wrong = sum(
                other[inside & ~self._members(theirs)].sum()
                for theirs, other in self.counts.items()
                if theirs != bits
            )
            result[bits] = float(right / max(row.sum() + wrong, 1))
        return result

    def mean_iou(self) -> float:
        return float(np.mean(list(self.iou().values()))) if self.counts else 0.0

    def accuracy(self) -> float:
        """Share of labelled pixels whose predicted class is in their set."""
        right = sum(row[self._members(bits)].sum() for bits, row in self.counts.items())
        return float(right / max(sum(row.sum() for row in self.counts.values()), 1))

    def mean_accuracy(self) -> float:
        """Mean over the sets of classes of the share of their pixels that were found."""
        shares = [row[self._members(bits)].sum() / row.sum() for bits, row in self.counts.items()]
        return float(np.mean(shares)) if shares else 0.0

    def weighted_iou(self) -> float:
        """Mean IoU in which each set of classes weighs as much as it has pixels."""
        pixels = {bits: row.sum() for bits, row in self.counts.items()}
        total = sum(iou * pixels[bits] for bits, iou in self.iou().items())
        return float(total / max(sum(pixels.values()), 1))

    def figures(self) -> dict[str, float]:
        """Every figure by its name, mean IoU first."""
        values = {
            "mean IoU": self.mean_iou(),
            "accuracy": self.accuracy(),
            "mean accuracy": self.mean_accuracy(),
            "frequency-weighted IoU": self.weighted_iou(),
        }
        values |= {f"IoU {self.describe(bits)}": iou for bits, iou in self.iou().items()}
        if (f1 := self.lane_f1()) is not None:
            values["paint F1, 4 px at 960"] = f1
        return values

    def lane_f1(self) -> float | None:
        """F1 of paint with a tolerance of 4 px at 960 px width; None where the set does not label paint."""
        paint_hit, paint, found_hit, found = self.lane_hits
        if not paint:
            return None
        recall, precision = paint_hit / paint, found_hit / max(found, 1)
        return float(2 * precision * recall / max(precision + recall, 1e-9))

    def describe(self, bits: int) -> str:
        """The names of the classes in a set, short: "not X" where many are in it, and all but a few."""
        names = [name for i, name in enumerate(self.classes.names) if bits >> i & 1]
        others = [name for name in self.classes.names if name not in names]
        return "not " + "/".join(others) if 0 < len(others) <= 3 < len(names) else "/".join(names)

    def _members(self, bits: int) -> npt.NDArray[np.bool_]:
        return np.array([i < len(self.classes) and bool(bits >> i & 1) for i in range(256)])

    def _add_lanes(self, target: npt.NDArray[np.uint32], predicted: npt.NDArray[np.uint8]) -> None:
        if "lane_marking" not in self.classes.names:
            return
        lane_bit = self.classes.bits("lane_marking")
        paint = target == lane_bit
        unsure = (target == 0) | ((target & lane_bit > 0) & ~paint)
        found = (predicted == self.classes.id("lane_marking")) & ~unsure
        radius = max(1.0, LANE_TOLERANCE * target.shape[1])
        self.lane_hits += [
            near(paint, found, radius),
            int(paint.sum()),
            near(found, paint, radius),
            int(found.sum()),
        ]


def near(points: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_], radius: float) -> int:
    """How many `points` lie within `radius` pixels of one of `others`."""
    if not others.any():
        return 0
    distance = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return int((points & (distance <= radius)).sum())
