"""What is known of a camera besides its pictures: its lens, and where it is mounted."""

from dataclasses import dataclass

Nine = tuple[float, float, float, float, float, float, float, float, float]
Twelve = tuple[float, float, float, float, float, float, float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera's intrinsics, as sensor_msgs/CameraInfo has them; matrices by rows.

    Attributes:
        width, height: of the pictures that it holds for, in pixels.
        model: of distortion, such as plumb_bob, rational_polynomial or equidistant.
        d: its coefficients.
        k: of the raw picture: fx 0 cx, 0 fy cy, 0 0 1; the centre of the first pixel is at 0, 0.
        r: rotation of the rectified camera.
        p: projection of the rectified picture, 3 × 4.
    """

    width: int
    height: int
    model: str
    d: tuple[float, ...]
    k: Nine
    r: Nine
    p: Twelve


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a camera sits over the road, in the vehicle's axes of ROS: x ahead, y left, z up.

    Each has its standard deviation; for those that nobody measured it is what a careful eye reaches.

    Attributes:
        height: metres above the road.
        pitch: radians; positive: it looks down.
        yaw: radians; positive: it looks to the left.
        roll: radians; positive: its right side is lower.
        frames: in how many the angles were measured; 0: they were given.
        date: of the measurement, as 2026-11-29; empty: not known.
    """

    height: float
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    height_sd: float = 0.02
    pitch_sd: float = 0.005
    yaw_sd: float = 0.01
    roll_sd: float = 0.01
    frames: int = 0
    date: str = ""


@dataclass(frozen=True, slots=True)
class Transform:
    """Where one coordinate frame stands in another.

    Attributes:
        translation: x, y, z of `child`'s origin in `parent`, in metres.
        rotation: x, y, z, w, a unit quaternion: from `child`'s axes to `parent`'s.
    """

    parent: str
    child: str
    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]
