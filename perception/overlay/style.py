"""What a style is, and what all styles share: their sizes, and text."""

import re
from functools import lru_cache
from typing import Protocol

import cv2

from perception.classes import ClassSet
from perception.pixels import Pixels, size_of
from perception.scene import Scene
from perception.types import Image

Colour = tuple[int, int, int]  # BGR
Ink = float | tuple[float, ...]  # of a plane, or BGR

BLACK, WHITE, GREY = (0, 0, 0), (255, 255, 255), (110, 110, 110)
GREEN, AMBER, RED = (90, 220, 60), (70, 200, 255), (40, 40, 220)
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Style(Protocol):
    """One way to draw one thing. Its constructor takes its looks; it keeps nothing from frame to frame."""

    def draw(self, picture: Image, scene: Scene, classes: ClassSet) -> None:
        """Draw on a picture of the scene's size, uint8 (h, w, 3) BGR, in place."""


class PlaneStyle(Protocol):
    """A style that also draws on planes: see `perception.overlay.strokes`."""

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        """Draw on a picture of the scene's size in place."""


def line_width(picture: Pixels) -> float:
    """The width of a fine line in px: the same share of every picture, and never less than one."""
    return float(max(1, min(size_of(picture)) / 360))


def text_height(picture: Pixels) -> int:
    """The height of a bar with a line of text in px: never so low that the text cannot be read."""
    return int(max(14, min(size_of(picture)) // 36))


def text_width(text: str, height: int) -> int:
    """The width of a bar that holds the text, in px; its digits may change, as all are equally wide."""
    return _width(re.sub(r"\d", "0", text), height)


@lru_cache(1024)
def _width(text: str, height: int) -> int:
    scale, thickness, _ = _font(height)
    return cv2.getTextSize(text, FONT, scale, thickness)[0][0] + height // 2


def write(plane: Image, text: str, corner: tuple[int, int], height: int, ink: Ink) -> None:
    """Text in a bar of that height, with its upper left corner at x, y."""
    scale, thickness, ascent = _font(height)
    start = corner[0] + height // 4, corner[1] + ascent
    cv2.putText(plane, text, start, FONT, scale, ink, thickness, cv2.LINE_AA)


@lru_cache
def _font(height: int) -> tuple[float, int, int]:
    """Scale, thickness and ascent of text that fills a bar."""
    thickness = 1 + height // 40
    (_, ascent), descent = cv2.getTextSize("Ag", FONT, 1, thickness)
    scale = height / (ascent + descent)
    return scale, thickness, round(scale * ascent)
