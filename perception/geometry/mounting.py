"""Which calibration holds for a frame: the one that was given, or what its source knows."""

import logging
import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from perception.camera_info import Mount, Transform
from perception.classes import ClassSet
from perception.errors import ConfigError
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.ground import FROM_OPTICAL, rotation
from perception.geometry.locator import Locator
from perception.geometry.remount import MountWatch
from perception.health.types import Finding, Level
from perception.types import Doubles

LOG = logging.getLogger("perception.geometry")
# REP 120: the vehicle's frame on the ground; base_link may be anywhere in it (REP 105).
ROAD = "base_footprint"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the camera of a frame.

    Attributes:
        calibration: for frames of its size; None: there is none.
        locator: None: there are no metres.
        watch: whether the camera still sits so; None: there is no locator.
        finding: that the calibration which was given is not for such frames.
    """

    calibration: Calibration | None = None
    locator: Locator | None = None
    watch: MountWatch | None = None
    finding: Finding | None = None


class Locators:
    """Finds what is known of the camera of each frame, and says once why there are no metres.

    Args:
        calibration: holds for all frames; None: what each frame knows of its camera.
    """

    def __init__(self, calibration: Calibration | None, classes: ClassSet) -> None:
        self._given, self._classes = calibration, classes
        self._key: object = None
        self._known = Known()

    def of(self, frame: Frame) -> Known:
        """The same as for the last frame, as long as nothing changes.

        A calibration that was given and holds for another aspect is a finding, no error: a live camera that
        changes its size goes on without metres.
        """
        size = frame.width, frame.height
        if self._given is not None:
            key: object = size
        elif frame.camera_info is None:
            return Known()
        else:
            # The car's own motion may be among the transforms: it changes nothing of how the camera sits.
            key = size, frame.camera_info, frame.optical_frame, _chain(frame.transforms, frame.optical_frame)
        if key != self._key:
            self._key, self._known = key, self._make(frame)
        return self._known

    def _make(self, frame: Frame) -> Known:
        try:
            calibration = self._of_source(frame) if self._given is None else self._fitted(self._given, frame)
            if calibration is None or calibration.mount is None:
                return Known(calibration)
            if abs(calibration.mount.yaw) > math.pi / 2:
                yaw = math.degrees(calibration.mount.yaw)
                _say(frame, f"looks back (yaw {yaw:g}°): no metres, which are of the road ahead")
                return Known(calibration)
            return Known(calibration, Locator(calibration, self._classes), MountWatch(calibration))
        except ConfigError as error:
            _say(frame, f"{error}; no metres")
            given = self._given is not None
            return Known(finding=Finding("calibration", Level.WARN, f"no metres: {error}") if given else None)

    def _fitted(self, given: Calibration, frame: Frame) -> Calibration:
        fitted = given.of_size(frame.width, frame.height)
        if fitted is not given:
            info = given.info
            _say(frame, f"{info.width}×{info.height} is scaled to {frame.width}×{frame.height}")
        if fitted.mount is None:
            _say(frame, "has no mount: no metres on the road; perception calibrate mount measures one")
        return fitted

    def _of_source(self, frame: Frame) -> Calibration | None:
        mount = find_mount(frame.transforms, frame.optical_frame)
        if mount is None or frame.camera_info is None:
            _say(frame, f"no transforms lead from {frame.optical_frame} to {ROAD}: no metres on the road")
            return None
        return Calibration(frame.camera_info, mount, frame.camera).of_size(frame.width, frame.height)


def find_mount(transforms: tuple[Transform, ...], optical_frame: str) -> Mount | None:
    """Where a camera sits over `base_footprint`, whose z is 0 on the road; None: no transforms lead there.

    Raises:
        ConfigError: they lead to a place below the road.
    """
    chain = _chain(transforms, optical_frame)
    if not chain:
        return None
    at, turn = np.zeros(3), np.eye(3)
    for one in chain:
        own = _matrix(one.rotation)
        at, turn = own @ at + one.translation, own @ turn
    if not at[2] > 0:
        raise ConfigError(f"transforms: put {optical_frame} {at[2]:g} m above the road of {ROAD}")
    looks = turn @ FROM_OPTICAL.T
    pitch, yaw = math.asin(np.clip(-looks[2, 0], -1, 1)), math.atan2(looks[1, 0], looks[0, 0])
    return Mount(float(at[2]), pitch, yaw, math.atan2(looks[2, 1], looks[2, 2]))


def _chain(transforms: tuple[Transform, ...], optical_frame: str) -> tuple[Transform, ...]:
    """Those that lead from a camera to `base_footprint`, in that order; none, where they lead elsewhere."""
    parents = {one.child.lstrip("/"): one for one in transforms}
    chain, name = [], optical_frame.lstrip("/")
    while name != ROAD and name in parents:
        one = parents.pop(name)
        chain.append(one)
        name = one.parent.lstrip("/")
    return tuple(chain) if name == ROAD else ()


@lru_cache(64)
def mount_transform(mount: Mount, optical_frame: str) -> Transform:
    """The same as a transform: from the camera to `base_footprint`, right under it."""
    axis = cv2.Rodrigues(rotation(mount) @ FROM_OPTICAL)[0].ravel()
    angle = float(np.linalg.norm(axis))
    x, y, z = (axis * (math.sin(angle / 2) / angle)).tolist()  # the axes differ: the angle is never 0
    return Transform(ROAD, optical_frame, (0.0, 0.0, mount.height), (x, y, z, math.cos(angle / 2)))


def _matrix(rotation: tuple[float, float, float, float]) -> Doubles:
    x, y, z, w = rotation
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _say(frame: Frame, what: str) -> None:
    LOG.info(
        "%s: calibration: %s", frame.camera, what, extra={"event": "calibration", "camera": frame.camera}
    )
