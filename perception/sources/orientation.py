"""Video pictures upright: turned and mirrored as the display matrix of each picture says."""

import math

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type

from perception.image_file import UPRIGHT, Turn
from perception.types import Image

_SNAP_DEGREES = 1.0  # FFmpeg's own tolerance for a quarter turn


def upright(picture: av.VideoFrame, image: Image) -> tuple[Image, bool]:
    """The picture's image as a player shows it, and whether its sides were swapped.

    The decoder attaches the matrix of the container, of a message in the stream (H.264, H.265: display
    orientation) or of EXIF (MJPEG) to each picture, so that it may change within a stream.
    """
    matrix = picture.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return image, False
    # A pixel x, y is shown at a·x + c·y, b·x + d·y: rows of three, 16.16 fixed point.
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(float)
    degrees = math.degrees(math.atan2(b, a if a or b else 1.0))
    off = degrees - 90 * round(degrees / 90)
    if abs(off) >= _SNAP_DEGREES:
        return _rotated(image, degrees), False
    turn = Turn(True, c < 0, b < 0) if abs(b) > abs(a) else Turn(False, a < 0, d < 0)
    return (image if turn == UPRIGHT else turn(image)), turn.transpose


def _rotated(image: Image, degrees: float) -> Image:
    """Clockwise about its centre, at its own size with black corners, as FFmpeg's filter `rotate` does."""
    height, width = image.shape[:2]
    about = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    return cv2.warpAffine(image, about, (width, height)).astype(np.uint8, copy=False)
