"""A restored, enlarged or predicted picture, side by side with the frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.overlay.strokes import in_bgr
from perception.overlay.style import BLACK, WHITE, Colour, line_width, text_height, text_width, write
from perception.pixels import Pixels
from perception.scene import Scene
from perception.types import Image


@dataclass(frozen=True)
class Comparison:
    """The left half stays as it is, the right half is the network's picture; both say so, at the top.

    Where that is larger than the frame, the middle of both is shown as large as the network makes it.
    """

    colour: Colour = WHITE

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        if scene.picture is not None:
            with in_bgr(picture) as image:
                self._draw(image, scene.picture)

    def _draw(self, picture: Image, other: Image) -> None:
        height, width = picture.shape[:2]
        zoom = max(1.0, other.shape[0] / height)
        if zoom > 1:
            picture[:] = _middle(picture, zoom, height, width)
        half = width // 2
        picture[:, half:] = _middle(other, zoom, height, width)[:, half:]
        cv2.line(picture, (half, 0), (half, height), self.colour, round(line_width(picture)))
        line = text_height(picture)
        for words, left in (("camera", 0), ("network", half)):
            right = left + text_width(words, line)
            if right <= width:
                cv2.rectangle(picture, (left, line), (right - 1, 2 * line - 1), BLACK, cv2.FILLED)
                write(picture, words, (left, line), line, WHITE)  # below the status line


def _middle(image: Image, zoom: float, height: int, width: int) -> Image:
    """1 / zoom of each side, at that height and width."""
    rows, columns = (max(1, round(side / zoom)) for side in image.shape[:2])
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    part = image[top : top + rows, left : left + columns]
    return cv2.resize(part, (width, height)).astype(np.uint8, copy=False)
