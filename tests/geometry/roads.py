"""Scenes of a road that is known exactly, as a camera over it sees them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from perception.camera_info import CameraInfo, Mount
from perception.classes import DRIVE
from perception.geometry.calibration_file import Calibration
from perception.geometry.ground import Ground
from perception.scene import Instance, Lane, Scene

WIDTH, HEIGHT = 1280, 720
VEHICLE, PAINT = DRIVE.id("vehicle"), DRIVE.id("lane_marking")


def camera(focal: float = 1000.0, model: str = "plumb_bob", d: tuple[float, ...] = (0.0,) * 5) -> CameraInfo:
    k = (focal, 0.0, 639.5, 0.0, focal, 359.5, 0.0, 0.0, 1.0)
    p = (focal, 0.0, 639.5, 0.0, 0.0, focal, 359.5, 0.0, 0.0, 0.0, 1.0, 0.0)
    return CameraInfo(WIDTH, HEIGHT, model, d, k, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), p)


@dataclass(frozen=True)
class TrueRoad:
    """Boundaries y = c + heading x + curvature x² / 2, on a road that climbs by climb x² / 2."""

    left: float = 1.9
    right: float = -1.6
    heading: float = 0.0
    curvature: float = 0.0
    climb: float = 0.0

    def points(self, c: float, ahead: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.stack([ahead, c + self.heading * ahead + self.curvature / 2 * ahead**2], 1)


def scene_of(
    calibration: Calibration,
    road: TrueRoad,
    places: Sequence[tuple[float, float]] = (),
    nod: float = 0.0,
    stamp_ns: int = 0,
    sides: Sequence[str] = ("left", "right"),
) -> Scene:
    """What the camera shows when the car nods down by so many radians; road users at metres ahead, left."""
    assert calibration.mount is not None
    ground = Ground(calibration.info, replace(calibration.mount, pitch=calibration.mount.pitch + nod))
    labels, ahead, lanes = np.zeros((HEIGHT, WIDTH), np.uint8), np.geomspace(3, 60, 90), []
    for side in ("left", "right"):
        if side in sides:
            c = road.left if side == "left" else road.right
            pixels = ground.to_pixels(road.points(c, ahead), road.climb / 2 * ahead**2)
            inside = ((pixels >= 0) & (pixels <= (WIDTH - 1, HEIGHT - 1))).all(1)
            points = pixels[inside].astype(np.float32)
            cv2.polylines(labels, [np.rint(points).astype(np.int32)], False, (PAINT,), 3)
            lanes.append(Lane(points, "solid", 1.0, side))
    found = []
    for number, (x, y) in enumerate(places, 1):
        rise = road.climb / 2 * x * x
        (u, v), (_, top) = ground.to_pixels(np.array([[x, y], [x, y]]), np.array([rise, rise + 1.5]))
        half = 0.9 * ground.lens.focal / x
        box = (u - half + 0.5, top, u + half + 0.5, v + 0.5)
        found.append(Instance(VEHICLE * 1000 + number, VEHICLE, 0.9, box, track=number))
    return Scene(
        0, stamp_ns, 0, "", "front", labels, np.zeros_like(labels, np.uint16), tuple(found), tuple(lanes)
    )


def mount(height: float = 1.4, pitch_deg: float = 1.0, yaw_deg: float = 0.0, roll_deg: float = 0.0) -> Mount:
    pitch, yaw, roll = (math.radians(angle) for angle in (pitch_deg, yaw_deg, roll_deg))
    return Mount(height, pitch, yaw, roll)
