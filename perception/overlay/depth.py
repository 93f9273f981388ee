"""Distances as colours: what is near is warm."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.overlay.style import BLACK, WHITE, Image, text_height, text_width, write
from perception.scene import Scene

STEPS_PER_M = 20  # distances that a colour is kept for
MARKS_M = (5, 10, 20, 50, 100)  # in the legend


@dataclass(frozen=True)
class DepthTint:
    """Every pixel tinted with the colour of its distance, red at `near` m to blue at `far` m, black at 0.

    Colours go with the logarithm of the distance: near ones, which matter most, are told apart best. A legend
    stands at the bottom. `share` is that of the colour in the blend.
    """

    share: float = 0.7
    near: float = 3.0
    far: float = 120.0

    def draw(self, picture: Image, scene: Scene, classes: ClassSet) -> None:
        if scene.depth is None:
            return
        steps = (np.nan_to_num(scene.depth).clip(0, self.far) * STEPS_PER_M).astype(np.uint16)
        tints = self._colours(np.arange(steps.max() + 1) / STEPS_PER_M)[steps]
        cv2.addWeighted(picture, 1 - self.share, tints, self.share, 0, dst=picture)
        self._write_legend(picture)

    def _colours(self, distance: npt.NDArray[np.float64]) -> Image:
        """uint8 (n, 3) BGR, of distances in m."""
        nearness = np.log(self.far / distance.clip(self.near, self.far)) / np.log(self.far / self.near)
        levels = np.rint(255 * nearness[None]).astype(np.uint8)
        colours: Image = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[0].astype(np.uint8, copy=False)
        colours[distance == 0] = BLACK
        return colours

    def _write_legend(self, picture: Image) -> None:
        """Marks on their colours, from the lower left corner."""
        height = text_height(picture)
        x, y = 0, picture.shape[0] - height
        for metres, colour in zip(MARKS_M, self._colours(np.array(MARKS_M, float)).tolist(), strict=True):
            text = f"{metres} m"
            width = text_width(text, height)
            cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), colour, cv2.FILLED)
            write(picture, text, (x, y), height, BLACK if 5 < metres < 100 else WHITE)
            x += width
