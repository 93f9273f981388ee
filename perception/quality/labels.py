"""What the labels say of the picture: that its colours are swapped, or that the network is lost."""

from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import UNKNOWN, ClassSet
from perception.health.types import Finding, Level
from perception.pixels import Pixels, as_bgr, size_of
from perception.types import NS_PER_S

EVERY_NS = NS_PER_S // 5  # what is judged over seconds need not be looked at in every frame
# Sky is bluer than red, and leaves redder than blue. At sunset the sky turns red, but no leaf turns blue.
SWAPPED_SKY, SWAPPED_LEAVES = 15.0, 2.0  # grey levels that red is above blue, and blue above red
FEWEST = 0.01  # of the picture: as much sky and as many leaves there must be
WINDOW_NS = 2 * NS_PER_S  # colours are means over so long: one frame's may lie
FORGET_NS = 10 * NS_PER_S  # without sky or leaves in view
MOST_OF_ONE = 0.95  # of the labels in one class: even an empty road leaves sky and verges,
ROAD_SCENE = {"road", "sky"}  # where the network tells these; another one's rest may be nearly everything


class LabelChecks:
    """Looks at frames with the latest labels, in the order of the frames."""

    def __init__(self, classes: ClassSet) -> None:
        self._names = classes.names
        known = "sky" in classes.names and "vegetation" in classes.names
        self._sky_and_leaves = (classes.id("sky"), classes.id("vegetation")) if known else None
        self._looked_ns: int | None = None
        self._redness: deque[tuple[int, float, float]] = deque()  # of sky and leaves, with stamps
        self._found: list[Finding] = []

    def check(self, small: Pixels, labels: npt.NDArray[np.uint8], stamp_ns: int) -> list[Finding]:
        """small: a subsample of the picture. labels: uint8, of any size."""
        if self._looked_ns is None or not 0 <= stamp_ns - self._looked_ns < EVERY_NS:
            self._looked_ns = stamp_ns
            size = size_of(small)[::-1]
            near = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
            self._found = [*self._swapped(as_bgr(small), near, stamp_ns), *self._one_class(near)]
        return self._found

    def _swapped(
        self, small: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], stamp_ns: int
    ) -> Iterator[Finding]:
        if self._sky_and_leaves is None:
            return
        seen = [(labels == wanted).view(np.uint8) for wanted in self._sky_and_leaves]
        if min(map(cv2.countNonZero, seen)) >= FEWEST * labels.size:
            (sky_blue, _, sky_red, _), (leaf_blue, _, leaf_red, _) = (cv2.mean(small, mask) for mask in seen)
            self._redness.append((stamp_ns, sky_red - sky_blue, leaf_red - leaf_blue))
        past = self._redness
        if past and not 0 <= stamp_ns - past[0][0] <= FORGET_NS:
            past.clear()
        if not past or past[-1][0] - past[0][0] < WINDOW_NS:
            return
        while past[-1][0] - past[1][0] >= WINDOW_NS:
            past.popleft()
        _, sky, leaves = np.mean(past, axis=0)
        if sky > SWAPPED_SKY and leaves < -SWAPPED_LEAVES:
            yield Finding(
                "colours_swapped",
                Level.WARN,
                f"red and blue are swapped: the sky is {sky:.0f} grey levels redder than blue, at most "
                f"{SWAPPED_SKY:.0f}, and leaves {-leaves:.0f} bluer than red, at most {SWAPPED_LEAVES:.0f}",
            )

    def _one_class(self, labels: npt.NDArray[np.uint8]) -> Iterator[Finding]:
        counts = np.bincount(labels.ravel(), minlength=256)
        most = int(counts.argmax())
        share = counts[most] / labels.size
        if set(self._names) >= ROAD_SCENE and most != UNKNOWN and share > MOST_OF_ONE:
            name = self._names[most] if most < len(self._names) else f"class {most}"
            yield Finding(
                "one_class",
                Level.WARN,
                f"the network says {name} nearly everywhere: {100 * share:.0f} %, at most "
                f"{100 * MOST_OF_ONE:.0f} %",
            )
