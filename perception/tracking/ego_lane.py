"""Which boundaries bound the ego lane, settled over time.

In a single frame the nearest boundary on each side is the likeliest. But the edge of a shadow that is taken
for paint now and then lies within the lane, and of a double line, whose inner boundary counts, often only the
outer one is found. So it is settled among the boundaries that are followed: by how surely each is there, less
what lies within, and by how wide the lane was, as that of a road seldom changes.
"""

import numpy as np

from perception.scene_items import EGO_WIDTHS
from perception.types import Doubles

ASIDE = 1.0  # camera heights: a boundary further aside than that is of the next lane, not of this one's
WIDTH_SD = 0.08  # share, by which its width varies
LEARNT_S, FORGOTTEN_S = 5.0, 20.0  # in which the width is known, and no longer
GAP_S = 0.5  # a frame after a longer gap teaches no more than after that
OTHER_WIDTH = 0.4  # sureness that outweighs a width that is known
STAYS = 0.1  # sureness by which a boundary must be outdone
ON_IT = 0.02  # widths of the frame: a boundary so near the middle has not been crossed yet


class EgoLane:
    """The ego lane of one camera, from frame to frame."""

    def __init__(self) -> None:
        self._log_width = self._known = 0.0  # of its width in the nearest row; and how well, from 0 to 1

    def choose(self, near: Doubles, slope: Doubles, sure: Doubles, sides: Doubles, seconds: float) -> Doubles:
        """(n,) which boundary is the left (-1) or the right one (1), or neither (0).

        Args:
            near: (n,) widths of the frame from its middle at which boundaries reach its nearest row; NaN
                where that is not known.
            slope: (n,) px to the right for each one down; those of two boundaries are apart by their distance
                in camera heights.
            sure: (n,) from 0 to 1, how surely each is there.
            sides: what was returned for them in the frame before; 0 for new ones.
            seconds: since then.
        """
        self._known *= np.exp(-seconds / FORGOTTEN_S)
        side = np.where(near < 0, -1.0, 1.0)
        side = np.where((np.abs(near) < ON_IT) & (sides != 0), sides, side)
        side[np.isnan(near)] = 0
        left, right = np.flatnonzero(side < 0), np.flatnonzero(side > 0)
        stays = (sides == side) & (side != 0)
        nearer = (side[:, None] == side) & (side * near < (side * near)[:, None])
        gain = sure - nearer @ sure + STAYS * stays
        aside = np.where(nearer, np.abs(slope - slope[:, None]), 0).max(1, initial=0) > ASIDE
        log_width = np.log(np.maximum(near[right] - near[left, None], 1e-3))
        heights = slope[right] - slope[left, None]
        off = np.minimum(((log_width - self._log_width) / WIDTH_SD) ** 2 / 2, 1)
        score = gain[left, None] + gain[right] - OTHER_WIDTH * self._known * off
        impossible = (heights < EGO_WIDTHS[0]) | (heights > EGO_WIDTHS[1]) | aside[left, None] | aside[right]
        score[impossible] = -np.inf
        chosen = np.zeros(len(near))
        if impossible.all():
            # One alone goes on to be what it was.
            kept = np.flatnonzero(stays & ~nearer.any(1))
            chosen[kept] = side[kept] if len(kept) == 1 else 0
            return chosen
        i, j = np.unravel_index(int(score.argmax()), score.shape)
        pair = [left[i], right[j]]
        chosen[pair] = -1, 1
        learnt = float(sure[pair].min()) * -np.expm1(-min(seconds, GAP_S) / LEARNT_S)
        self._known += learnt * (1 - self._known)
        if self._known:
            self._log_width += learnt / self._known * (float(log_width[i, j]) - self._log_width)
        return chosen
