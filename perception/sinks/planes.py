"""Pictures as encoders take them: planes of even sides, of one size."""

import av
import cv2
import numpy as np

from perception.pixels import BT601, UNSPECIFIED, Pixels, Yuv420
from perception.types import Image


def colours_of(shown: Pixels) -> tuple[int, bool]:
    """Matrix and range to encode it with."""
    if not isinstance(shown, Yuv420):
        return BT601, False
    return BT601 if shown.matrix == UNSPECIFIED else shown.matrix, shown.full_range


def picture_of(planes: Yuv420) -> av.VideoFrame:
    """What FFmpeg encodes."""
    # Without a copy, where PyAV can: it takes the height for a multiple of 4.
    make = av.VideoFrame.from_numpy_buffer if planes.height % 4 == 0 else av.VideoFrame.from_ndarray
    return make(planes.i420, format="yuv420p")


def fit(image: Image, width: int, height: int, widened: float = 1.0) -> Image:
    """uint8 (height, width, 3): an odd side's last row or column doubled; other sizes between borders.

    Args:
        widened: width of the image's pixels over that of the video's, where their heights are the same.
    """
    high, wide = image.shape[:2]
    border = cv2.BORDER_REPLICATE
    if (wide + wide % 2, high + high % 2, widened) != (width, height, 1.0):
        scale = min(width / (wide * widened), height / high)
        wide, high = max(1, round(wide * widened * scale)), max(1, round(high * scale))
        image = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        border = cv2.BORDER_CONSTANT
    if (wide, high) == (width, height):
        return image
    top, left = (height - high) // 2, (width - wide) // 2
    padded = cv2.copyMakeBorder(image, top, height - high - top, left, width - wide - left, border)
    return padded.astype(np.uint8, copy=False)
