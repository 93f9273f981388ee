"""Which key points are found: PCK, the share of correct key points (Yang & Ramanan, 2013).

One is correct that lies within a fifth of the person's height of a true one of its kind; each true one is
found once, by the surest.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, KEY_POINTS
from perception.scene import KeyPoint
from perception.types import Floats

NEAR = 0.2  # of the person's height


class KeyPointScore:
    """Counts over many frames, by kind."""

    def __init__(self) -> None:
        none = np.zeros(len(KEY_POINTS), np.int64)
        self.true, self.found, self.correct = none, none.copy(), none.copy()

    def add(self, truth: Floats, found: Sequence[KeyPoint], instances: npt.NDArray[np.uint16]) -> None:
        """Count one frame: `truth` as in `Sample.key_points`.

        What is found on people none of whose key points are known counts for nothing.
        """
        unknown = people_without(truth, instances, instances // 1000 == DRIVE.id("pedestrian"))
        height, width = instances.shape
        self.true += np.bincount(truth[:, 0].astype(int), minlength=len(KEY_POINTS))
        free = np.ones(len(truth), bool)
        for point in sorted(found, key=lambda one: -one.score):
            kind = KEY_POINTS.index(point.name)
            distance = np.hypot(truth[:, 1] - point.x, truth[:, 2] - point.y) / truth[:, 3]
            distance[~free | (truth[:, 0] != kind)] = np.inf
            if len(truth) and distance.min() <= NEAR:
                free[distance.argmin()] = False
                self.correct[kind] += 1
                self.found[kind] += 1
                continue
            row, column = np.clip((round(point.y), round(point.x)), 0, (height - 1, width - 1))
            self.found[kind] += not unknown[row, column]

    def figures(self) -> dict[str, dict[str, float]]:
        """By kind and for "all": PCK, the share of those found that are correct, and how many there are."""
        rows = {name: np.array([kind]) for kind, name in enumerate(KEY_POINTS)}
        rows["all"] = np.arange(len(KEY_POINTS))
        counts = {
            row: [int(n[of].sum()) for n in (self.true, self.found, self.correct)] for row, of in rows.items()
        }
        return {
            row: {
                f"PCK@{NEAR:g}": correct / true,
                "precision": correct / found if found else 0.0,
                "true points": float(true),
            }
            for row, (true, found, correct) in counts.items()
            if true
        }


def people_without(
    points: Floats, instances: npt.NDArray[np.integer], people: npt.NDArray[np.bool_], stride: int = 1
) -> npt.NDArray[np.bool_]:
    """Where people are none of whose key points are known: too small, or too much hidden.

    Args:
        points: (n, 4) kind, x, y, height.
        instances: (h, w) ids of a sample or, at a stride, of a view.
        people: (h, w), which of them are people.
    """
    columns, rows = (np.floor((points[:, 1:3] + 0.5) / stride).astype(int)).T
    height, width = instances.shape
    of_points = instances[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return np.asarray(people & ~np.isin(instances, of_points))
