"""What a lens does to a ray of light, and the other way round.

The models are OpenCV's and ROS's. Pinhole (`plumb_bob`, `rational_polynomial`): Brown, "Close-range camera
calibration", 1971, with a denominator of the same kind. Fisheye (`equidistant`): Kannala and Brandt, "A
generic camera model and calibration method", 2006.
"""

import numpy as np

from perception.camera_info import CameraInfo
from perception.errors import ConfigError
from perception.types import Bools, Doubles

COEFFICIENTS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (8,), "equidistant": (4,)}
STEPS = 10  # of Newton: from a table three are enough; the rest is for where the radius hardly grows
NEAR = 1e-10  # of the picture plane, in focal lengths: a ray is found
ON = 1e-6  # as far as it may be off in the end


class Lens:
    """A camera's lens: rays of light to pixels and back.

    Rays have the camera's axes: x right, y down, z ahead. The centre of the first pixel is at 0, 0.

    Raises:
        ConfigError: the calibration's model is not known, or it is no calibration.
    """

    def __init__(self, info: CameraInfo) -> None:
        known = COEFFICIENTS.get(info.model)
        if known is None:
            raise ConfigError(f"distortion model {info.model!r} is not known; use {', '.join(COEFFICIENTS)}")
        if len(info.d) not in known:
            counts = " or ".join(map(str, known))
            raise ConfigError(f"distortion: {info.model} has {counts} coefficients, not {len(info.d)}")
        self.info = info
        fx, skew, cx, _, fy, cy, *_ = info.k
        if not (fx > 0 and fy > 0):
            raise ConfigError(f"camera matrix: the focal lengths {fx:g}, {fy:g} are not above 0")
        self._matrix, self._centre = np.array([[fx, skew], [0.0, fy]]), np.array([cx, cy])
        self._inverse = np.linalg.inv(self._matrix)
        self._d = np.zeros(8)
        self._d[: len(info.d)] = info.d
        self._angles, self._radii = self._grown()

    @property
    def fisheye(self) -> bool:
        return self.info.model == "equidistant"

    @property
    def focal(self) -> float:
        """In pixels, the mean of both directions."""
        return float(self._matrix[0, 0] + self._matrix[1, 1]) / 2

    def to_pixels(self, rays: Doubles) -> Doubles:
        """Where rays meet the picture: (n, 2) x, y in pixels, in and outside of the frame.

        Args:
            rays: (n, 3), of any length.

        Returns:
            NaN where the lens does not see: behind a pinhole, or beyond the angle from which on the
            model's radius shrinks.
        """
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            flat = self._fisheye(rays) if self.fisheye else self._pinhole(rays)
            return np.asarray(flat @ self._matrix.T + self._centre)

    def to_rays(self, pixels: Doubles) -> Doubles:
        """From where light comes to pixels: (n, 3) unit vectors; NaN where no ray of the lens does.

        Args:
            pixels: (n, 2) x, y.
        """
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            flat = (np.asarray(pixels, np.float64).reshape(-1, 2) - self._centre) @ self._inverse.T
            rays = self._from_fisheye(flat) if self.fisheye else self._from_pinhole(flat)
            return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))

    def _grown(self) -> tuple[Doubles, Doubles]:
        """Angles from the axis, up to where the radius stops growing, and their radii in focal lengths.

        Beyond, the model is none of the lens: its radius shrinks, and may then grow once more.
        """
        angles = np.radians(np.arange(0, 180 if self.fisheye else 90, 0.05))
        if self.fisheye:
            radii, slope = self._radius(angles)
            grows = slope > 0
        else:
            scale, rising = self._radial(np.tan(angles) ** 2)
            radii, grows = (
                np.tan(angles) * scale,
                (scale > 0) & (scale + 2 * np.tan(angles) ** 2 * rising > 0),
            )
        count = len(angles) if grows.all() else int(grows.argmin())
        return angles[:count], radii[:count]

    def _pinhole(self, rays: Doubles) -> Doubles:
        flat = rays[:, :2] / np.where(rays[:, 2:] > 0, rays[:, 2:], np.nan)
        bent, slope = self._bend(flat)
        return np.where(self._seen(flat, slope), bent, np.nan)

    def _seen(self, flat: Doubles, slope: Doubles) -> Bools:
        """Whether undistorted places are on this side of the fold: (n, 1)."""
        near = np.hypot(flat[:, 0], flat[:, 1]) <= np.tan(self._angles[-1])
        return np.asarray(near & (_determinant(slope) > 0))[:, None]

    def _from_pinhole(self, wanted: Doubles) -> Doubles:
        """By Newton's method, from the place that it would have without tangential distortion."""
        radius = np.hypot(wanted[:, 0], wanted[:, 1])
        start = np.tan(np.interp(radius, self._radii, self._angles)) / np.where(radius > 0, radius, 1)
        flat = wanted * start[:, None]
        for _ in range(STEPS):
            bent, slope = self._bend(flat)
            off = wanted - bent
            (a, b), (c, d) = slope
            step = np.stack([d * off[:, 0] - b * off[:, 1], a * off[:, 1] - c * off[:, 0]], 1)
            flat = flat + step / _determinant(slope)[:, None]
            if not (np.abs(off) > NEAR).any():
                break
        bent, slope = self._bend(flat)
        found = (np.abs(bent - wanted).max(1, initial=0, keepdims=True) < ON) & self._seen(flat, slope)
        return np.where(found, np.column_stack([flat, np.ones(len(flat))]), np.nan)

    def _bend(self, flat: Doubles) -> tuple[Doubles, Doubles]:
        """Distorted places (n, 2), and by how much they move with the undistorted ones: (2, 2, n)."""
        _, _, p1, p2, *_ = self._d
        x, y = flat.T
        r = x * x + y * y
        scale, rising = self._radial(r)
        bent = np.stack(
            [
                x * scale + 2 * p1 * x * y + p2 * (r + 2 * x * x),
                y * scale + p1 * (r + 2 * y * y) + 2 * p2 * x * y,
            ],
            1,
        )
        across = 2 * x * y * rising + 2 * p1 * x + 2 * p2 * y
        slope = np.array(
            [
                [scale + 2 * x * x * rising + 2 * p1 * y + 6 * p2 * x, across],
                [across, scale + 2 * y * y * rising + 6 * p1 * y + 2 * p2 * x],
            ]
        )
        return bent, slope

    def _radial(self, r: Doubles) -> tuple[Doubles, Doubles]:
        """By how much a pinhole's places move outwards, of their squared radius; and its derivative."""
        k1, k2, _, _, k3, k4, k5, k6 = self._d
        above, below = 1 + r * (k1 + r * (k2 + r * k3)), 1 + r * (k4 + r * (k5 + r * k6))
        scale = above / below
        return scale, (k1 + r * (2 * k2 + 3 * r * k3) - scale * (k4 + r * (2 * k5 + 3 * r * k6))) / below

    def _fisheye(self, rays: Doubles) -> Doubles:
        sideways = np.hypot(rays[:, 0], rays[:, 1])
        angle = np.arctan2(sideways, rays[:, 2])
        radius, _ = self._radius(angle)
        scale = np.where(sideways > 0, radius / sideways, 0.0)
        seen = (angle <= self._angles[-1]) & (np.linalg.norm(rays, axis=1) > 0)
        return np.where(seen[:, None], rays[:, :2] * scale[:, None], np.nan)

    def _from_fisheye(self, flat: Doubles) -> Doubles:
        wanted = np.hypot(flat[:, 0], flat[:, 1])
        angle = np.interp(wanted, self._radii, self._angles)
        for _ in range(STEPS):
            radius, slope = self._radius(angle)
            angle = np.clip(angle + (wanted - radius) / slope, 0, np.pi)
            if not (np.abs(wanted - radius) > NEAR).any():
                break
        radius, _ = self._radius(angle)
        found = (np.abs(radius - wanted) < ON) & (angle <= self._angles[-1])
        scale = np.sin(angle) / np.where(wanted > 0, wanted, 1.0)
        rays = np.column_stack([flat * scale[:, None], np.cos(angle)])
        return np.where(found[:, None], rays, np.nan)

    def _radius(self, angle: Doubles) -> tuple[Doubles, Doubles]:
        """In the picture plane, for angles from the optical axis; and its derivative."""
        k1, k2, k3, k4, *_ = self._d
        q = angle * angle
        radius = angle * (1 + q * (k1 + q * (k2 + q * (k3 + q * k4))))
        slope = 1 + q * (3 * k1 + q * (5 * k2 + q * (7 * k3 + q * 9 * k4)))
        return radius, slope


def _determinant(slope: Doubles) -> Doubles:
    (a, b), (c, d) = slope
    return np.asarray(a * d - b * c)
