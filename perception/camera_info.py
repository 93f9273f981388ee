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
