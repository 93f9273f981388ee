"""Key points as dots, a colour for each name."""

import colorsys
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import cv2

from perception.classes import ClassSet
from perception.overlay.strokes import in_bgr
from perception.overlay.style import BLACK, Colour, line_width
from perception.pixels import Pixels
from perception.scene import Scene


@dataclass(frozen=True)
class KeyPointDots:
    """A dot at each key point, with a dark rim; `radius` is in fine lines."""

    radius: float = 2.5

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        if not scene.key_points:
            return
        radius = round(self.radius * line_width(picture))
        with in_bgr(picture) as image:
            for point in scene.key_points:
                at = round(point.x), round(point.y)
                cv2.circle(image, at, radius + 1, BLACK, cv2.FILLED, cv2.LINE_AA)
                cv2.circle(image, at, radius, colour_of(point.name), cv2.FILLED, cv2.LINE_AA)


@lru_cache
def colour_of(name: str) -> Colour:
    """A bright colour that goes with the name, whatever other names there are."""
    red, green, blue = colorsys.hsv_to_rgb(crc32(name.encode()) / 2**32, 0.75, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)
