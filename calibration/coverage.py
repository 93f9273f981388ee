"""Which parts of the picture the corners covered."""

import numpy as np

from perception.types import Doubles, Ints

COLUMNS, ROWS = 12, 9  # cells of the picture
ENOUGH = 0.5  # of the cells of a zone
ZONES = (
    *("the upper left corner", "the upper edge", "the upper right corner"),
    *("the left edge", "the middle", "the right edge"),
    *("the lower left corner", "the lower edge", "the lower right corner"),
)


def count_corners(pixels: Doubles, size: tuple[int, int]) -> Ints:
    """In each cell, (ROWS, COLUMNS); the pixels are (n, 2)."""
    cells = ((pixels + 0.5) / size * (COLUMNS, ROWS)).astype(int).clip(0, (COLUMNS - 1, ROWS - 1))
    counts = np.zeros((ROWS, COLUMNS), np.intp)
    np.add.at(counts, (cells[:, 1], cells[:, 0]), 1)
    return counts


def lacking(counts: Ints) -> list[str]:
    """The zones of which less than `ENOUGH` holds corners.

    Of the picture's own corners, which bend most, the outermost four cells count alone.
    """
    seen = counts > 0
    shares = seen.reshape(3, ROWS // 3, 3, COLUMNS // 3).mean(axis=(1, 3))
    shares[::2, ::2] = [
        [seen[:2, :2].mean(), seen[:2, -2:].mean()],
        [seen[-2:, :2].mean(), seen[-2:, -2:].mean()],
    ]
    return [zone for zone, share in zip(ZONES, shares.ravel(), strict=True) if share < ENOUGH]


def zone_of(pixel: Doubles, size: tuple[int, int]) -> str:
    column, row = ((np.asarray(pixel) + 0.5) / size * 3).astype(int).clip(0, 2)
    return ZONES[3 * row + column]
