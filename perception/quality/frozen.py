"""Whether the very same picture comes again and again."""

import math
from collections import deque
from collections.abc import Iterator

import cv2

from perception.health.types import Finding, Level
from perception.types import NS_PER_S, Image

FROZEN_NS, FROZEN_FRAMES = NS_PER_S // 2, 3  # the noise of a sensor changes some pixel in every frame,
STANDING_NS = 10 * NS_PER_S  # but an encoder with few bits leaves nothing of it where nothing moves
MOTION = 1.5  # mean difference of two frames, of 255: between those of the calmest drive it is 2.3
LATELY = 25  # frames, of which most tell whether the car moves; some change where it stands: key frames


class FrozenPicture:
    """Looks at the frames of one camera, in their order.

    A picture that stops at once while the car moves is frozen; where nothing moved before, nor is known to
    have moved, it may be a standing car's, and has to stay much longer.
    """

    def __init__(self) -> None:
        self._same: Image | None = None
        self._since_ns, self._frames = 0, 0
        self._motion: deque[bool] = deque(maxlen=LATELY)
        self._moved = self._found = False

    def check(self, levels: Image, stamp_ns: int) -> Iterator[Finding]:
        """levels: uint8 (h, w), a subsample of the picture."""
        change = self._change(levels, stamp_ns)
        if change:
            self._same, self._since_ns, self._frames = levels, stamp_ns, 1
            self._learn()
            return
        self._frames += 1
        lasted_ns, most_ns = stamp_ns - self._since_ns, FROZEN_NS if self._moved else STANDING_NS
        if lasted_ns >= most_ns and self._frames >= FROZEN_FRAMES:
            self._found = True
            lasted, most = lasted_ns / NS_PER_S, most_ns / NS_PER_S
            reason = f"the picture is frozen: the very same pixels for {lasted:.1f} s, at most {most:.1f} s"
            yield Finding("frozen", Level.ERROR, reason)

    def _change(self, levels: Image, stamp_ns: int) -> float:
        """From the last frame to this one, in grey levels; infinite where there is none before it."""
        last = self._same
        if last is None or levels.shape != last.shape or stamp_ns < self._since_ns:
            return math.inf
        change = cv2.norm(levels, last, cv2.NORM_L1) / levels.size
        self._motion.append(change > MOTION)
        return change

    def _learn(self) -> None:
        """Whether the car moves. A key frame changes a frozen picture, too: it stays a moving car's."""
        moves = 2 * sum(self._motion) > len(self._motion)
        if moves or not self._found:
            self._moved = moves
        self._found &= not moves
