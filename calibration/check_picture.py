"""A grid of metres on the road, as a calibrated camera sees it, with the horizon and where lanes vanish."""

import cv2
import numpy as np

from perception.geometry.ground import Ground
from perception.geometry.vanishing import direction
from perception.overlay.style import (
    AMBER,
    BLACK,
    GREEN,
    RED,
    WHITE,
    Colour,
    line_width,
    text_height,
    text_width,
    write,
)
from perception.types import Doubles, Image

AHEAD = np.arange(5.0, 61.0, 5.0)  # metres
SIDEWAYS = np.arange(-5.0, 6.0)  # 1 m apart
NEAREST = 2.0
FINE = 60  # points of a line, which the lens bends
SHIFT = 4  # bits of a pixel's fraction in OpenCV's fixed point


def draw_check(picture: Image, ground: Ground, lanes: tuple[float, float] | None) -> None:
    """Draw in place what the calibration says, and where lanes vanish.

    Args:
        picture: uint8 (height, width, 3), BGR.
        lanes: pitch and yaw that they say; None where they say nothing.
    """
    for x in AHEAD:
        _line(picture, ground.to_pixels(np.column_stack([np.full(FINE, x), np.linspace(-5, 5, FINE)])), WHITE)
    far = np.geomspace(NEAREST, AHEAD[-1], FINE)
    for y in SIDEWAYS:
        colour = AMBER if y == 0 else WHITE
        _line(picture, ground.to_pixels(np.column_stack([far, np.full(FINE, y)])), colour)
    _line(picture, _horizon(ground), GREEN)
    free = float(picture.shape[0])
    for x, place in zip(AHEAD, ground.to_pixels(np.column_stack([AHEAD, 0 * AHEAD - 5])), strict=True):
        if place[1] <= free:  # far ones would lie on each other
            _label(picture, f"{x:.0f} m", place, WHITE)
            free = place[1] - text_height(picture)
    mount = ground.mount
    _mark(picture, ground, direction(mount.pitch, mount.yaw), "file", GREEN, cv2.MARKER_CROSS)
    if lanes is not None:
        _mark(picture, ground, direction(*lanes), "lanes", RED, cv2.MARKER_TILTED_CROSS)


def _horizon(ground: Ground) -> Doubles:
    """Far away on the ground, up to 80° to both sides."""
    angles = np.radians(np.linspace(-80, 80, 4 * FINE))
    return ground.to_pixels(1e7 * np.column_stack([np.cos(angles), np.sin(angles)]))


def _line(picture: Image, pixels: Doubles, colour: Colour) -> None:
    """Through points, those left out that are not seen or far outside."""
    height, width = picture.shape[:2]
    near = (np.abs(pixels) < 4 * max(height, width)).all(1)  # NaN is not; fixed point has an end
    starts = np.flatnonzero(np.diff(near, prepend=False, append=False))
    for first, end in zip(starts[::2], starts[1::2], strict=True):
        points = np.rint(pixels[first:end] * (1 << SHIFT)).astype(np.int32)
        cv2.polylines(picture, [points], False, colour, round(line_width(picture)), cv2.LINE_AA, SHIFT)


def _label(picture: Image, text: str, at: Doubles, colour: Colour) -> None:
    """Text on black, with the end of its lower edge at x, y, moved into the picture."""
    height, (rows, columns) = text_height(picture), picture.shape[:2]
    width = text_width(text, height)
    if not (np.isfinite(at).all() and height <= at[1] <= rows):
        return
    left = int(np.clip(at[0] - width, 0, max(columns - width, 0)))
    top = int(at[1]) - height
    cv2.rectangle(picture, (left, top), (left + width, top + height), BLACK, cv2.FILLED)
    write(picture, text, (left, top), height, colour)


def _mark(picture: Image, ground: Ground, ray: Doubles, text: str, colour: Colour, kind: int) -> None:
    """A cross where a ray is seen, with a word."""
    place = ground.lens.to_pixels(ray[None])[0]
    if not np.isfinite(place).all():
        return
    x, y = np.rint(place).astype(int).tolist()
    size = 2 * text_height(picture)
    cv2.drawMarker(picture, (x, y), colour, kind, size, round(line_width(picture)), cv2.LINE_AA)
    below = size / 2 if kind == cv2.MARKER_TILTED_CROSS else -size / 4
    _label(picture, text, place + np.array([-size / 2, below]), colour)
