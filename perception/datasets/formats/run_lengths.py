"""COCO's run lengths, down the columns, the first of what is outside.

Not by pycocotools: its C code checks nothing.
"""

from typing import Any

import numpy as np
import numpy.typing as npt


def from_runs(counts: str | list[int], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The mask, bool (h, w), of run lengths or their compressed form.

    Raises:
        ValueError: they are none, or are of more or fewer pixels than an image of this size has.
    """
    runs = _expanded(counts) if isinstance(counts, str) else counts
    pixels = size[0] * size[1]
    if len(runs) > pixels + 2 or any(not 0 <= run <= pixels for run in runs) or sum(runs) != pixels:
        raise ValueError(f"its run lengths are not of the {pixels} pixels of the image")
    inside = np.arange(len(runs)) % 2 == 1
    mask: npt.NDArray[Any] = np.repeat(inside, np.array(runs, np.int64))
    return mask.reshape(size[1], size[0]).T


def _expanded(text: str) -> list[int]:
    """Of groups of 5 bits from 48 on, the lowest first; from the fourth on, without that two before."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            raise ValueError(f"{character!r} does not belong to run lengths")
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            if code & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("its run lengths are cut off")
    return runs
