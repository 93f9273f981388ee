"""What the colours mean."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from perception.classes import UNKNOWN, ClassSet
from perception.overlay.style import AMBER, GREEN, WHITE, Colour, text_height, text_width, write
from perception.pixels import Pixels, Yuv420, size_of
from perception.scene import Scene
from perception.types import Image

LARGEST_SHARE = 1 / 8  # of the picture's height; a legend that needs more is left out
GROUND = (24, 24, 24)


@dataclass(frozen=True)
class Legend:
    """A bar at the bottom with each class in its colour, and the lanes' where paint is known.

    All that there may be, whatever is in sight, so that it stays the same from frame to frame.
    """

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        height, width = size_of(picture)
        bar = _bar(classes, width - width % 2, text_height(picture))
        if bar is None or len(bar) > LARGEST_SHARE * height or scene.labels.min() == UNKNOWN:
            return
        high, wide = bar.shape[:2]
        if not isinstance(picture, Yuv420):
            picture[height - high :, :wide] = bar
            return
        drawn = _planes(classes, width, text_height(picture), picture.matrix, picture.full_range)
        for plane, part, shrink in zip(picture.planes, drawn.planes, (1, 2, 2), strict=True):
            plane[-(high // shrink) :, : wide // shrink] = part


@lru_cache(8)
def _planes(classes: ClassSet, width: int, line: int, matrix: int, full_range: bool) -> Yuv420:
    bar = _bar(classes, width, line)
    assert bar is not None
    return Yuv420.of(bar, matrix, full_range)


@lru_cache(8)
def _bar(classes: ClassSet, width: int, line: int) -> Image | None:
    """uint8 (h, w, 3), BGR, of even sides, in as few rows as fit the width; None: a name does not fit.

    Args:
        line: height of a row, in px.
    """
    entries = [
        (name, (blue, green, red))
        for name, (red, green, blue) in zip(classes.names, classes.colours, strict=True)
    ]
    if "lane_marking" in classes.names:
        entries += [("ego lane", GREEN), ("lane", AMBER)]
    places: list[tuple[int, int, str, Colour]] = []
    x = y = right = 0
    for name, colour in entries:
        text = name.replace("_", " ")
        wide = line + text_width(text, line)
        if x and x + wide > width:
            x, y = 0, y + line
        places.append((x, y, text, colour))
        x += wide
        right = max(right, x)
    if not entries or right > width:
        return None
    bar = np.full((y + line + line % 2, right + right % 2, 3), GROUND, np.uint8)
    margin = max(2, line // 5)
    for x, y, text, colour in places:
        cv2.rectangle(
            bar, (x + margin, y + margin), (x + line - margin, y + line - margin), colour, cv2.FILLED
        )
        write(bar, text, (x + line - margin, y), line, WHITE)
    return bar
