"""The semantic map: what every pixel is."""

from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Id = TypeVar("Id", np.uint8, np.uint16)


def resize_ids(ids: npt.NDArray[Id], height: int, width: int) -> npt.NDArray[Id]:
    """A map of ids at another size: every pixel takes the id under its centre, so that none is made up.

    Args:
        ids: uint8 or uint16 (h, w).

    Returns:
        The same dtype, (height, width). Enlarging keeps every pixel of `ids`.
    """
    if ids.shape == (height, width):
        return ids
    # Rows are enlarged alone and then repeated, which takes two thirds of the time of both sides at once.
    # Same dtype in and out; cv2's annotations only know integers and floats at large.
    wide: npt.NDArray[Id] = cv2.resize(ids, (width, len(ids)), interpolation=cv2.INTER_NEAREST_EXACT)  # type: ignore[assignment]
    return wide[source_pixels(len(ids), height)]


@lru_cache
def source_pixels(size: int, enlarged: int) -> npt.NDArray[np.intp]:
    """From which pixel of a side `resize_ids` takes each one of the new side: (enlarged,), rising."""
    side = np.arange(size, dtype=np.float32)[None]
    resized = cv2.resize(side, (enlarged, 1), interpolation=cv2.INTER_NEAREST_EXACT)
    pixels = np.array(resized[0], np.intp)
    pixels.flags.writeable = False  # all share it
    return pixels
