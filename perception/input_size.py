"""The size at which a network sees a frame."""

import math


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
