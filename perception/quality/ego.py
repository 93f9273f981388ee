"""The own car found in a recording: what stands still at the bottom of the picture while all else moves."""

from collections.abc import Iterable

import cv2
import numpy as np

from perception.types import Bools, Floats, Image, Ints

WIDTH = 320  # px, at which pictures are looked at
FEWEST = 10  # pictures: of fewer, chance lets edges agree
HIGHEST_GRADIENT = 8.0  # grey levels a pixel that count: a lamp must not outweigh the other pictures
AGREES = 0.7  # see `_agreement`; a bonnet's rim: 0.7 to 0.95; what moves: to 0.35; lane lines: to 0.8
DISAGREES = 0.5  # no rim goes through such pixels
STEEPEST = 4  # px that a rim rises or falls from one column to the next
ROUGH = 0.03  # what each of these costs of the agreement
OUTER = 0.1  # of two rims the upper one is the car's: what half of the picture's height adds to agreement
SEARCHED = 0.6  # of the picture, from the bottom: with the horizon, to which lane lines lead
# A rim is the own car's when it passes so much of the width, no higher, four fifths of it agree so well
# (cars: 0.72 and more), and it is one hill: above its feet, where mirrors and wipers are, it has no deeper
# valley (cars: none; with a guard rail at its side 0.04).
LEAST_WIDTH, HIGHEST, SURE = 0.5, 0.4, 0.65
FEET, VALLEY = 0.1, 0.03
MOVING = 0.45  # agreement that half of the picture's upper half stays below: else the car stood still


def find_ego_mask(images: Iterable[Image]) -> tuple[Bools | None, str]:
    """Where the own car is in view, or None where that is not sure, and why, for people.

    Args:
        images: uint8 (h, w, 3) BGR of one camera, all of a size, spread over a drive.

    Returns:
        bool (h, 320); the same aspect as the images.
    """
    agreement, count = _agreement(images)
    if count < FEWEST:
        return None, f"{count} pictures are too few, at least {FEWEST}"
    height = len(agreement)
    if (still := float(np.median(agreement[: height // 2]))) > MOVING:
        agree = f"edges agree by {still:.2f}, at most {MOVING:.2f}"
        return None, f"too much stands still: {agree}; the car must drive"
    rim = _rim(agreement)
    there = rim < height
    if there.mean() < LEAST_WIDTH:
        return None, "nothing at the bottom of the picture stands still"
    high = 1 - rim.min() / height
    agrees = float(np.percentile(agreement[rim[there], np.flatnonzero(there)], 20))
    sides = np.maximum(np.minimum.accumulate(rim), np.minimum.accumulate(rim[::-1])[::-1])
    valley = float((rim - sides)[rim < (1 - FEET) * height].max(initial=0)) / height
    if high > HIGHEST or agrees < SURE or valley > VALLEY:
        return None, (
            f"not sure: what stands still reaches up to {100 * high:.0f} % of the height, at most "
            f"{100 * HIGHEST:.0f} %, agrees by {agrees:.2f}, at least {SURE:.2f}, and has valleys of "
            f"{100 * valley:.0f} %, at most {100 * VALLEY:.0f} %"
        )
    mask = np.arange(height)[:, None] >= rim - 1  # the rim itself is a pixel's width of the car, too
    return mask, f"found: the own car is {100 * mask.mean():.0f} % of the picture"


def _agreement(images: Iterable[Image]) -> tuple[Floats, int]:
    """float32 (h, 320), 0 to 1, and of how many pictures: how far the gradients at each pixel agree.

    |Σ g| / Σ |g|: 1 where the same edge is in every picture, about 1/√n where n pictures have different ones.
    """
    count, sums = 0, np.zeros((3, 1, 1), np.float32)
    for image in images:
        size = WIDTH, max(2, round(image.shape[0] * WIDTH / image.shape[1]))
        grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1)
        across, down = (cv2.Sobel(soft, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
        length = np.hypot(across, down)
        sums = sums + np.stack([across, down, length]) * np.minimum(1, HIGHEST_GRADIENT / (length + 1e-6))
        count += 1
    across, down, length = (cv2.blur(one / max(count, 1), (5, 3)) for one in sums)
    return np.asarray(np.hypot(across, down) / (length + 0.5), np.float32), count


def _rim(agreement: Floats) -> Ints:
    """int (w,): the row of the rim in each column, the height where there is none; by dynamic programming."""
    height, width = agreement.shape
    top = round((1 - SEARCHED) * height)
    part = agreement[top:]
    gain = part - AGREES + OUTER * np.linspace(2 * SEARCHED, 0, len(part), dtype=np.float32)[:, None]
    gain[part < DISAGREES] = -AGREES
    gain = np.vstack([gain, np.zeros((1, width), np.float32)])  # below the picture: no rim in this column
    rows, steps = np.arange(len(gain)), np.arange(-STEEPEST, STEEPEST + 1)
    from_ = rows + steps[:, None]
    outside = (from_ < 0) | (from_ >= len(gain))
    best, back = gain[:, 0], np.zeros((width, len(gain)), np.intp)
    for x in range(1, width):
        reached = best[from_.clip(0, len(gain) - 1)] - ROUGH * np.abs(steps)[:, None]
        reached[outside] = -np.inf
        chosen = reached.argmax(axis=0)
        back[x] = rows + steps[chosen]
        best = reached[chosen, rows] + gain[:, x]
    rim = np.zeros(width, np.intp)
    rim[-1] = best.argmax()
    for x in range(width - 1, 0, -1):
        rim[x - 1] = back[x, rim[x]]
    return np.asarray(top + rim, np.intp)
