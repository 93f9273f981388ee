"""Whether a camera still sits as its calibration says, from where lanes vanish over minutes."""

import math

import numpy as np

from perception.geometry.calibration_file import Calibration
from perception.geometry.lens import Lens
from perception.geometry.straight import StraightDriving
from perception.geometry.vanishing import find_vanishing
from perception.health.types import Finding, Level
from perception.scene import Scene
from perception.types import NS_PER_S

EVERY_NS = NS_PER_S // 5  # a scene is looked at: the others would say the same again
KEPT, LEAST = 24, 12  # segments of straight driving, of five seconds each; in less, a single bend would count
FAR = math.radians(0.5)  # and three deviations
BACK = 0.8  # of that: below, it sits as it should again
ASIDE = math.radians(45)  # of yaw: what is farther from the axis is not looked for, see `find_vanishing`


class MountWatch:
    """Watches one camera's scenes, in the order of their stamps; one thread uses it.

    Another `Scene.recording` is another drive: a short one in a loop says no more than once.

    Args:
        calibration: without a mount that looks ahead in it, nothing is ever found.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._lens: Lens | None = None
        self._recording = 0
        self._begin()

    def _begin(self) -> None:
        self._driving = StraightDriving(KEPT)
        self._looked_ns: int | None = None
        self._judged = 0  # segments
        self._finding: Finding | None = None

    def update(self, scene: Scene) -> Finding | None:
        """What is found by now: that the camera was moved, or nothing.

        Raises:
            ConfigError: the calibration is for pictures of another aspect.
        """
        if scene.recording != self._recording:
            self._recording = scene.recording
            self._begin()
        if self._looked_ns is not None and 0 <= scene.stamp_ns - self._looked_ns < EVERY_NS:
            return self._finding
        self._looked_ns = scene.stamp_ns
        height, width = scene.size
        info = None if self._lens is None else self._lens.info
        if info is None or (info.width, info.height) != (width, height):
            self._lens = Lens(self._calibration.of_size(width, height).info)
        assert self._lens is not None
        self._driving.add(scene.stamp_ns, find_vanishing(scene.lanes, self._lens))
        if self._driving.complete != self._judged:
            self._judged = self._driving.complete
            self._finding = self._judge()
        return self._finding

    def _judge(self) -> Finding | None:
        mount, average, medians = self._calibration.mount, self._driving.average(), self._driving.medians
        if mount is None or abs(mount.yaw) > ASIDE or average is None or len(medians) < LEAST:
            return None
        off = np.median(medians, 0)[:2] - (mount.pitch, mount.yaw)
        # A median of normal deviates strays by 1.25 as much as their mean.
        sds = np.hypot(1.25 * average.sds[:2], (mount.pitch_sd, mount.yaw_sd))
        limits = np.maximum(FAR, 3 * sds) * (BACK if self._finding else 1.0)
        moved = [
            f"{name} {math.degrees(angle):+.1f}° from the calibration's"
            for name, angle, limit in zip(("pitch", "yaw"), off, limits, strict=True)
            if abs(angle) > limit
        ]
        if not moved:
            return None
        seconds = f"{average.seconds:.0f} s of straight driving"
        reason = f"the camera sits otherwise than calibrated: {', '.join(moved)} in the last {seconds}"
        return Finding("remounted", Level.WARN, reason)
