"""The road under the camera as a plane: pixels to metres and back.

The vehicle's axes are those of ROS (REP 103): x ahead, y left, z up, from the point of the road under the
camera.
"""

import math

import numpy as np

from perception.camera_info import CameraInfo, Mount
from perception.geometry.lens import Lens
from perception.types import Doubles

FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # x right, y down, z ahead


class Ground:
    """A flat road, seen by a camera that is mounted above it.

    Raises:
        ConfigError: the lens is none that is known; see `Lens`.
    """

    def __init__(self, info: CameraInfo, mount: Mount) -> None:
        self.lens, self.mount = Lens(info), mount
        self._turn = rotation(mount) @ FROM_OPTICAL

    def to_road(self, pixels: Doubles) -> Doubles:
        """Where the road is that is seen in pixels: (n, 2) metres ahead and to the left.

        Args:
            pixels: (n, 2) x, y.

        Returns:
            NaN at and above the horizon, and where the lens sees nothing.
        """
        rays = self.lens.to_rays(pixels) @ self._turn.T
        down = -rays[:, 2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(down > 0, rays[:, :2] * (self.mount.height / down), np.nan)

    def to_pixels(self, road: Doubles, height: Doubles | float = 0.0) -> Doubles:
        """Where points of the road, or above it, are seen: (n, 2) x, y in pixels; see `Lens.to_pixels`.

        Args:
            road: (n, 2) metres ahead and to the left.
            height: metres above the road: one for all, or (n,).
        """
        up = np.broadcast_to(np.asarray(height) - self.mount.height, len(road))
        return self.lens.to_pixels(np.column_stack([road, up]) @ self._turn)

    def spread(self, road: Doubles, pixels_sd: Doubles | float = 0.0, pitch_sd: float = 0.0) -> Doubles:
        """Standard deviations of points of the road in metres, ahead and to the left: (n, 2).

        They are of the mount's own deviations, taken as independent, to first order: a turn moves the ray
        that sees a point, and the ray meets the road elsewhere.

        Args:
            road: (n, 2) metres ahead and to the left.
            pixels_sd: of the pixels that they were seen in: one for all, or (n,).
            pitch_sd: radians by which the car nods, besides the mount's own.
        """
        m, road = self.mount, np.asarray(road, np.float64)
        ray = np.column_stack([road, np.full(len(road), -m.height)])
        level = np.column_stack([-ray[:, 1], ray[:, 0], 0 * ray[:, 2]])
        level /= np.linalg.norm(level, axis=1, keepdims=True)
        steep = np.cross(ray / np.linalg.norm(ray, axis=1, keepdims=True), level)
        seen = np.asarray(pixels_sd) / self.lens.focal
        turns = (
            (np.array([0.0, 0.0, 1.0]), m.yaw_sd),
            (np.array([-math.sin(m.yaw), math.cos(m.yaw), 0.0]), m.pitch_sd),
            (self._turn[:, 2], m.roll_sd),  # about the optical axis
            (np.array([0.0, 1.0, 0.0]), pitch_sd),
            (level, seen),
            (steep, seen),
        )
        variance = (road * (m.height_sd / m.height)) ** 2
        for axis, sd in turns:
            off = np.cross(axis, ray)
            moved = off[:, :2] + ray[:, :2] * (off[:, 2:] / m.height)
            variance += (moved * np.reshape(sd, (-1, 1))) ** 2
        return np.asarray(np.sqrt(variance))


def rotation(mount: Mount) -> Doubles:
    """(3, 3) from a camera that looks along x to the vehicle's axes: roll, then pitch, then yaw."""
    angles = np.array([mount.roll, mount.pitch, mount.yaw])
    (cr, cp, cy), (sr, sp, sy) = np.cos(angles), np.sin(angles)
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return np.asarray(yaw @ pitch @ roll)
