"""The size at which a network sees a frame, and the frame at that size."""

import math
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Value = TypeVar("Value", np.uint8, np.float32)


def input_size(height: int, width: int, pixels: int, multiple: int) -> tuple[int, int]:
    """The network's input size for a frame: both sides multiples of `multiple`, area at most `pixels`.

    Of the sizes whose longer side is rounded to the nearest multiple, so that the aspect is off by at most
    half a multiple in the longer side, the largest. A frame too long for any of them gets the longest strip.
    """
    aspect = max(height, width) / min(height, width)
    short, long = multiple, pixels // multiple**2 * multiple
    for tiles in range(1, math.isqrt(pixels) // multiple + 1):
        nearest = round(tiles * aspect) * multiple
        if tiles * multiple * nearest <= pixels:
            short, long = tiles * multiple, nearest
    return (short, long) if height <= width else (long, short)


def fit_image(image: npt.NDArray[np.uint8], pixels: int, multiple: int) -> npt.NDArray[np.uint8]:
    """An image uint8 (h, w, 3) at the size that `input_size` gives."""
    return fit(image, *input_size(image.shape[0], image.shape[1], pixels, multiple))


def fit(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """An image uint8 (h, w, 3) at that size, contiguous."""
    # Bilinear sampling sees two pixels a side, so a far larger image is halved until that is enough.
    while image.shape[0] > 2.5 * height and image.shape[1] > 2.5 * width:
        image = resize(image, image.shape[0] // 2, image.shape[1] // 2)
    return np.ascontiguousarray(resize(image, height, width))


def resize(image: npt.NDArray[Value], height: int, width: int) -> npt.NDArray[Value]:
    """An image or a map (h, w, …) at another size, bilinear."""
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
