"""What a stream did to the picture: missing blocks, or so few bits that little but blocks is left."""

from collections.abc import Iterator

import cv2
import numpy as np

from perception.health.types import Finding, Level
from perception.pixels import Pixels, grey, size_of
from perception.types import Image

BLOCK = 16  # px, of a macroblock; inside it, blocks of 8 are coded
EVERY = 2  # rows of macroblocks: the others are alike
ROWS = 4, 11  # of each macroblock, which stand for all of it
DARK, WHITE = 8, 247  # grey levels: darker and brighter pictures are flat without a stream's doing
# Share of the macroblocks that are one and the same grey, WARN, ERROR. In H.264 of few bits: 0.07.
LOST = 0.12, 0.25
# Too few bits: so many macroblocks are flat, and steps between blocks so much larger than those within them.
# JPEG of quality 50 has 0.11 and 2.3, H.264 at CRF 30 0.27 and 2.5; the network bears that.
COARSE_FLAT, COARSE_STEPS = (0.22, 0.3), (2.2, 3.5)  # WARN, ERROR


def damage(pixels: Pixels) -> Iterator[Finding]:
    """What is wrong with a picture as it was decoded: resized, it would show no blocks."""
    down, across = (side // BLOCK for side in size_of(pixels))
    if not down or not across:
        return
    rows = [grey(pixels, slice(row, down * BLOCK, EVERY * BLOCK))[:, : across * BLOCK] for row in ROWS]
    looked = np.concatenate(rows)
    levels, blocks = _flat_levels(looked), looked.size / (len(ROWS) * BLOCK)
    flat, same = len(levels) / blocks, int(np.bincount(levels).max(initial=0)) / blocks
    steps = _steps_between_blocks(looked)
    for level, flat_limit, step_limit, lost_limit in zip(
        (Level.ERROR, Level.WARN), COARSE_FLAT[::-1], COARSE_STEPS[::-1], LOST[::-1], strict=True
    ):
        if flat > flat_limit and steps > step_limit:
            reason = (
                f"the stream has too few bits: {100 * flat:.0f} % of the blocks show nothing, at most "
                f"{100 * COARSE_FLAT[0]:.0f} %, and steps between them are {steps:.1f} times those within"
            )
            yield Finding("coarse", level, reason)
            return
        if same > lost_limit and steps <= COARSE_STEPS[0]:
            reason = (
                f"blocks are missing: {100 * same:.0f} % are the same grey, at most {100 * LOST[0]:.0f} %"
            )
            yield Finding("blocks_lost", level, reason)
            return


def _flat_levels(looked: Image) -> Image:
    """The level of each macroblock that is one grey, neither dark nor white."""
    # The pixels of a macroblock one below another: numpy compares whole rows a fifth as long as short ones.
    segments = np.ascontiguousarray(looked.reshape(len(ROWS), -1, BLOCK).transpose(0, 2, 1))
    level, brightest = segments.min(axis=(0, 1)), segments.max(axis=(0, 1))
    flat = (level == brightest) & (level > DARK) & (level < WHITE)
    return np.asarray(level[flat], np.uint8)


def _steps_between_blocks(looked: Image) -> float:
    """Mean step across the borders of blocks of 8, over that between other columns."""
    difference = cv2.absdiff(looked[:, 1:], looked[:, :-1])
    steps = cv2.reduce(difference, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[0]
    borders = np.arange(1, len(steps) + 1) % (BLOCK // 2) == 0
    return float(steps[borders].mean() / max(steps[~borders].mean(), 0.1))
