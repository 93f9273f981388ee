"""Video pictures upright: turned and mirrored as the display matrix of each picture says."""

import math
from collections.abc import Mapping
from typing import Any

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type

from perception.types import Image


def _unnamed(cls: Any, value: object) -> Any:
    kind = object.__new__(cls)
    kind._name_, kind._value_ = f"TYPE_{value}", value
    return kind


# PyAV 18 raises on a picture with any side data that it has no name for, such as EXIF (MJPEG, 31).
Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment]

_SideData: Any = SideDataContainer  # the stubs do not know that it is made of a picture
_SNAP_DEGREES = 1.0  # FFmpeg's own tolerance for a quarter turn


class Orientation:
    """How a track's pictures are turned; it may change within the track.

    The decoder attaches the container's matrix, or EXIF's (MJPEG), to each picture; that of a message in the
    stream (H.264, H.265: display orientation) to the picture that it comes with, and it holds up to the next
    key frame.
    """

    def __init__(self) -> None:
        self._matrix: tuple[int, ...] = ()

    def matrix(self, picture: av.VideoFrame) -> tuple[int, ...]:
        """How the picture is turned and mirrored: see `turned`; empty: it is upright."""
        # `picture.side_data` and the picture would hold each other: its memory would wait for the garbage
        # collector, which after minutes of 1280×720 leaves hundreds of MB.
        side_data: Mapping[Any, Any] = _SideData(picture)
        given = side_data.get(Type.DISPLAYMATRIX)
        if given is not None or picture.key_frame:
            self._matrix = () if given is None else tuple(np.frombuffer(given, np.int32).tolist())
        return self._matrix


def turned(image: Image, matrix: tuple[int, ...]) -> tuple[Image, bool]:
    """An image as a player shows it by a display matrix, and whether its sides were swapped."""
    # A pixel x, y is shown at a·x + c·y, b·x + d·y: rows of three, 16.16 fixed point.
    a, b, _, c, d, *_ = matrix
    degrees = math.degrees(math.atan2(b, a if a or b else 1.0))
    off = degrees - 90 * round(degrees / 90)
    if abs(off) >= _SNAP_DEGREES:
        return _rotated(image, degrees), False
    transposed = abs(b) > abs(a)
    left_right, upside_down = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    turned = image.swapaxes(0, 1) if transposed else image
    return np.ascontiguousarray(turned[:: -1 if upside_down else 1, :: -1 if left_right else 1]), transposed


def _rotated(image: Image, degrees: float) -> Image:
    """Clockwise about its centre, at its own size with black corners, as FFmpeg's filter `rotate` does."""
    height, width = image.shape[:2]
    about = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    return cv2.warpAffine(image, about, (width, height)).astype(np.uint8, copy=False)
