"""Pictures that carry a number in their top row, as sixteen black or white fields, which codecs spare."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

BITS = 16


@lru_cache(maxsize=4)
def _scene(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Twice as wide as a picture: a frame is a window that slides over it."""
    y, x = np.mgrid[:height, : 2 * width]
    edges = 190 * (x // 24 % 2)  # as strong as the number's, or the picture would count as blurred
    planes = (x * 55 // width % 56 + edges, y * 55 // height + edges, edges)
    return np.ascontiguousarray(np.stack(planes, axis=2).astype(np.uint8))


def numbered(number: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 (height, width, 3), BGR: a moving picture of which `number_of` says `number` modulo 65536."""
    start = 4 * number % width
    image = _scene(height, width)[:, start : start + width].copy()
    bits = number >> np.arange(BITS) & 1
    image[: height // 8] = (255 * bits[np.arange(width) * BITS // width]).astype(np.uint8)[None, :, None]
    return image


def number_of(image: npt.NDArray[np.uint8]) -> int:
    """The number that a picture carries."""
    height, width = image.shape[:2]
    fields = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    return int(((image[height // 16, fields].mean(axis=1) > 127) << np.arange(BITS)).sum())
