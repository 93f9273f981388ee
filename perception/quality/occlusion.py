"""Mud, a finger or tape on the lens: a part of the picture that shows nothing and never changes."""

from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.health.types import Finding, Level
from perception.types import NS_PER_S

GRID = 16, 9  # blocks across and down
# The middle third, around the horizon. Above, clear sky shows nothing either, and below smooth asphalt.
BAND = slice(3, 6)
FLAT = 8.0  # grey levels that a block without texture spans; noise at dusk and a vignette take 6
STILL = 3.0  # grey levels that a block changes by within the window where nothing moves in it
MOVES = 3.0  # the same of all other blocks on average, where the camera moves
DAYLIGHT = 60.0  # mean grey level of the other blocks: by night the country next to the road is flat
WINDOW_NS, EVERY_NS = NS_PER_S // 2, NS_PER_S // 10
# WARN, ERROR: on drives at most 0.12; the rear of a lorry right ahead covers a third.
BAND_SHARES = 0.35, 0.45
# The network finds something under mud, too. Of these, nothing is plain and still, as mud is.
NEVER_PLAIN = "building", "vegetation", "fence", "traffic_sign", "pedestrian", "two_wheeler"
DIRTY_SHARE = 0.05  # of all blocks: on drives by day at most 0.014
WHOLE_SHARE = 0.9  # of all blocks: no road looks like that


class BlockedLens:
    """Looks at frames in their order; what it found stays found as long as nothing moves.

    Args:
        classes: what the labels mean.
    """

    def __init__(self, classes: ClassSet) -> None:
        self._never_plain = np.array([name in NEVER_PLAIN for name in classes.names] + [False] * 256)[:256]
        self._past: deque[tuple[int, npt.NDArray[np.float32]]] = deque()  # stamps, means of the blocks
        self._share = self._dirty = 0.0
        self._found: list[Finding] = []

    def check(
        self,
        grey: npt.NDArray[np.uint8],
        stamp_ns: int,
        labels: npt.NDArray[np.uint8] | None = None,
        ego_mask: npt.NDArray[np.bool_] | None = None,
    ) -> list[Finding]:
        """grey: uint8 (height, width), a part of the picture. labels: uint8, ego_mask: bool: of any size."""
        past = self._past
        if past and not 0 <= stamp_ns - past[-1][0] <= WINDOW_NS:  # another scene
            past.clear()
            self._share, self._dirty, self._found = 0.0, 0.0, []
        if not past or stamp_ns - past[-1][0] >= EVERY_NS:
            blocks = _blocks(grey)
            past.append((stamp_ns, blocks.mean(axis=2, dtype=np.float32)))
            while len(past) > 2 and stamp_ns - past[1][0] >= WINDOW_NS:
                past.popleft()
            if stamp_ns - past[0][0] >= WINDOW_NS:
                flat = np.ptp(blocks, axis=2) < FLAT
                self._found = list(self._judge(flat, labels, _covered(ego_mask)))
        return self._found

    def _judge(
        self, flat: npt.NDArray[np.bool_], labels: npt.NDArray[np.uint8] | None, own: npt.NDArray[np.bool_]
    ) -> Iterator[Finding]:
        """flat: bool (down, across), the blocks that show nothing now; own: those of the own car."""
        if (whole := flat[~own].mean()) >= WHOLE_SHARE:
            reason = f"the lens is blocked: {100 * whole:.0f} % of the picture shows nothing"
            yield Finding("blocked", Level.ERROR, f"{reason}, at most {100 * WHOLE_SHARE:.0f} %")
            return
        means = np.stack([mean for _, mean in self._past])
        change = np.ptp(means, axis=0)
        dead = flat & (change < STILL) & ~own
        others = ~dead & ~own
        if change[others].mean() >= MOVES:
            daylight = means[-1][others].mean() >= DAYLIGHT
            self._share = float(dead[BAND].mean()) if daylight else 0.0
            if labels is not None:
                self._dirty = float((dead & self._should_show(labels)).mean()) if daylight else 0.0
        warn, error = BAND_SHARES
        if self._share > warn:
            level, share = Level.ERROR if self._share > error else Level.WARN, f"{100 * self._share:.0f} %"
            reason = f"the lens is blocked: {share} of the picture's middle shows nothing and never changes"
            yield Finding("blocked", level, f"{reason}, at most {100 * warn:.0f} %")
        elif self._dirty > DIRTY_SHARE:
            reason = (
                f"the lens is dirty: {100 * self._dirty:.0f} % of the picture shows nothing and never changes"
            )
            where = f"where the network says houses, trees or people, at most {100 * DIRTY_SHARE:.0f} %"
            yield Finding("dirty", Level.WARN, f"{reason} {where}")

    def _should_show(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """bool (down, across): the blocks of which most is of classes that are never plain."""
        across, down = GRID
        parts = cv2.resize(labels, (4 * across, 4 * down), interpolation=cv2.INTER_NEAREST)
        shares = self._never_plain[parts].reshape(down, 4, across, 4).mean(axis=(1, 3))
        return np.asarray(shares > 0.5)


def _blocks(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """uint8 (down, across, 16): each block as its 4×4 parts, means of some 30 pixels: without noise."""
    across, down = GRID
    parts = cv2.resize(grey, (4 * across, 4 * down), interpolation=cv2.INTER_AREA)
    return parts.reshape(down, 4, across, 4).transpose(0, 2, 1, 3).reshape(down, across, 16)  # type: ignore[return-value]


def _covered(mask: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
    """bool (down, across): the blocks that a mask covers in part; none without one, or if it covers all."""
    across, down = GRID
    if mask is None:
        return np.zeros((down, across), bool)
    shares = cv2.resize(mask.astype(np.float32), GRID, interpolation=cv2.INTER_AREA)
    return np.asarray((shares > 0.1) & (shares.min() <= 0.1), np.bool_)
