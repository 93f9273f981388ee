"""Words that every room uses: arrays, units of time, and what gives way when frames come too fast."""

from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]  # (height, width, 3), BGR, where nothing else is said
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.intp]
Rng: TypeAlias = "np.random.Generator"  # which NumPy imports once it is used

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Policy(StrEnum):
    """How frames are handed on, from the source to the network and from there to each sink."""

    FRESHEST = "freshest"  # the newest one counts: older ones that wait are dropped, and counted
    EVERY_FRAME = "every-frame"  # none is dropped: who gives them waits for who takes them
