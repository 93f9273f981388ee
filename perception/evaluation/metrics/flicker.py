"""How often classes change from frame to frame although what is seen does not.

Labels of the frame before are moved along by optical flow (Kroeger et al., "Fast optical flow using dense
inverse search", 2016), and compared where the flow can be trusted: it leads back to where it came from, and
the picture looks the same there.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

WIDTH = 640  # px; larger frames are compared at this width
CLOSED = 1.0  # px; the most by which the flow there and back may miss
ALIKE = 20  # grey levels; the most by which the pictures may differ


@dataclass(frozen=True)
class FlickerCounts:
    """Pixels followed from one frame to the next, and those among them with another class."""

    followed: int = 0
    changed: int = 0

    def __add__(self, other: "FlickerCounts") -> "FlickerCounts":
        return FlickerCounts(self.followed + other.followed, self.changed + other.changed)

    @property
    def share(self) -> float:
        """Changed per followed, 0 where nothing was followed."""
        return self.changed / max(self.followed, 1)


class Flicker:
    """Takes in the frames of one drive in their order, and counts."""

    def __init__(self) -> None:
        self.counts = FlickerCounts()
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None

    def add(self, image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> None:
        """A frame uint8 (h, w, 3) BGR and its class ids uint8 (h, w); another size begins another drive."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        if grey.shape[1] > WIDTH:
            size = (WIDTH, round(WIDTH * grey.shape[0] / grey.shape[1]))
            grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
            labels = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        if self._before is not None and self._before[0].shape == grey.shape:
            self.counts += self._compare(*self._before, grey, labels)
        self._before = grey, labels

    def _compare(
        self,
        grey_before: npt.NDArray[np.uint8],
        labels_before: npt.NDArray[np.uint8],
        grey: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.uint8],
    ) -> FlickerCounts:
        height, width = grey.shape
        flow = np.zeros((height, width, 2), np.float32)  # where the search begins
        back = np.asarray(self._flow.calc(grey, grey_before, flow.copy()))
        forth = np.asarray(self._flow.calc(grey_before, grey, flow.copy()))
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        x, y = columns + back[..., 0], rows + back[..., 1]
        missed = back + cv2.remap(forth, x, y, cv2.INTER_LINEAR)
        seen = cv2.remap(grey_before, x, y, cv2.INTER_LINEAR)
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        alike = np.abs(grey.astype(np.int16) - seen.astype(np.int16)) <= ALIKE
        followed = inside & alike & (np.hypot(missed[..., 0], missed[..., 1]) <= CLOSED)
        # A border may be a pixel off: a class that was next to the pixel is no change.
        near = np.pad(labels_before, 1, mode="edge")
        left = np.clip(np.rint(x), 0, width - 1).astype(int)
        top = np.clip(np.rint(y), 0, height - 1).astype(int)
        same = np.zeros(labels.shape, bool)
        for row in range(3):
            for column in range(3):
                same |= near[top + row, left + column] == labels
        return FlickerCounts(int(followed.sum()), int((followed & ~same).sum()))
