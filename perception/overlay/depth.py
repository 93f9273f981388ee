"""Distances as colours: what is near is warm."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.overlay.strokes import in_bgr
from perception.overlay.style import BLACK, WHITE, text_height, text_width, write
from perception.pixels import Pixels
from perception.scene import Scene
from perception.types import Floats, Image

BAND = 1 << 15  # pixels tinted at a time, so that what they pass through stays in the cache
STEPS_PER_M = 20  # distances that have colours of their own
MARKS_M = (5, 10, 20, 50, 100)  # in the legend


@dataclass(frozen=True)
class DepthTint:
    """Every pixel tinted with the colour of its distance, red at `near` m to blue at `far` m, black at 0.

    Colours go with the logarithm of the distance: near ones, which matter most, differ most. A legend is
    at the bottom. `share` is that of the colour in the blend.
    """

    share: float = 0.7
    near: float = 3.0
    far: float = 120.0

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        if scene.depth is not None:
            with in_bgr(picture) as image:
                self._draw(image, scene.depth)

    def _draw(self, picture: Image, depth: Floats) -> None:
        levels = self._levels(np.arange(self.far * STEPS_PER_M + 1) / STEPS_PER_M)
        palette = _palette()
        rows = max(1, BAND // picture.shape[1])
        for top in range(0, len(picture), rows):
            band = picture[top : top + rows]
            metres = np.fmin(np.fmax(depth[top : top + rows], 0), self.far)  # what is not a number: 0
            tints = cv2.applyColorMap(levels[(STEPS_PER_M * metres).astype(np.uint16)], palette)
            cv2.addWeighted(band, 1 - self.share, tints, self.share, 0, dst=band)
        self._write_legend(picture)

    def _levels(self, metres: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        """The place of each distance in the palette."""
        nearness = np.log(self.far / metres.clip(self.near, self.far)) / np.log(self.far / self.near)
        return np.where(metres == 0, 0, 1 + np.rint(254 * nearness)).astype(np.uint8)

    def _write_legend(self, picture: Image) -> None:
        """Marks on their colours, from the lower left corner."""
        height = text_height(picture)
        x, y = 0, picture.shape[0] - height
        colours = _palette()[self._levels(np.array(MARKS_M, np.float64)), 0].tolist()
        for metres, colour in zip(MARKS_M, colours, strict=True):
            text = f"{metres} m"
            width = text_width(text, height)
            cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), colour, cv2.FILLED)
            write(picture, text, (x, y), height, BLACK if 5 < metres < 100 else WHITE)
            x += width


def _palette() -> Image:
    """uint8 (256, 1, 3) BGR: black, then far to near."""
    turbo = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)
    turbo[0] = BLACK
    return turbo.astype(np.uint8, copy=False)
