"""Where the road ends on both sides, from the label map: alongside its lanes, also where none is painted."""

import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.scene import Scene
from perception.types import Bools, Doubles, Ints

GROUND = "road", "lane_marking"
VERGES = "sidewalk", "vegetation"  # anything else stands on the road, or hides where it ends
STEP = 1 / 90  # of the height, between the rows that are looked at
BROAD = 0.006  # of half the width, by which a verge is more than a speck
LEAST = 8  # rows, fewer show no course


class VergeFinder:
    """Finds the two ends of the road that the camera looks along, in scenes of one class set."""

    def __init__(self, classes: ClassSet) -> None:
        known = classes.names
        self._ground, self._verge = (
            np.isin(np.arange(256), [classes.id(one) for one in names if one in known])
            for names in (GROUND, VERGES)
        )

    def find(self, scene: Scene) -> list[Doubles]:
        """(n, 2) x, y in the frame of the left and the right end, nearest first; n is 0, or from `LEAST`."""
        height, width = scene.size
        middle = width // 2
        rows = np.arange(height - 1, -1, -max(round(STEP * height), 1))
        labels = scene.labels[rows]
        ground = self._ground[labels]
        ahead = ground[:, middle]
        first = int(ahead.argmax())  # above the bonnet
        last = first + int(np.append(ahead[first:], False).argmin())
        ends = []
        for step in (-1, 1):
            side = slice(middle, None, step)
            ends.append(self._ends(ground[first:last, side], labels[first:last, side], rows[first:last]))
            ends[-1][:, 0] = middle + step * (ends[-1][:, 0] - 0.5)
        return ends

    def _ends(self, ground: Bools, labels: npt.NDArray[np.uint8], rows: Ints) -> Doubles:
        """Columns, counted from the middle, at which the ground ends, and their rows."""
        columns = ground.argmin(1)
        behind = columns + max(round(BROAD * labels.shape[1]), 1)
        inside = behind < labels.shape[1]
        each = np.flatnonzero(inside & (columns > 0))
        edge, beyond = (self._verge[labels[each, at[each]]] for at in (columns, behind))
        seen = each[edge & beyond]
        found = np.stack([columns[seen], rows[seen]], 1).astype(np.float64)
        return found if len(found) >= LEAST else found[:0]
