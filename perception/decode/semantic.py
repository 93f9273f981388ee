"""The semantic map: what every pixel is."""

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
    # Same dtype in and out; cv2's annotations only know integers and floats at large.
    return cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)  # type: ignore[return-value]
