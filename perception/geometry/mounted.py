"""What is known of a camera, on the frames that leave."""

from dataclasses import replace
from functools import lru_cache

from perception.camera_info import Mount, Transform
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.ground import FROM_OPTICAL, rotation
from perception.geometry.mounting import mount_transform


def mounted(frame: Frame, calibration: Calibration, *, metres: bool) -> Frame:
    """The frame with the lens of its camera, and with the ground under it: those that its metres are from.

    The ground hangs on the camera, which may have its own place in a vehicle's tree of frames: there each one
    has a single parent. Where it has none, its mount is its place.

    Args:
        calibration: for frames of this size; it wins over what the source knows.
        metres: scenes of this camera have them. Where none do, as where it looks back, there is no ground:
            what is placed on it would say that nobody is there.
    """
    mount, optical, transforms = calibration.mount, frame.optical_frame, frame.transforms
    if mount is not None:
        ground = frame.ground_frame
        transforms = tuple(one for one in transforms if one.child != ground)  # as another mount had it
        if all(one.child != optical for one in transforms):
            transforms = (*transforms, mount_transform(mount, optical))
        if metres:
            transforms = (*transforms, _ground_below(optical, ground, mount))
    return replace(frame, camera_info=calibration.info, transforms=transforms)


@lru_cache(64)
def _ground_below(optical: str, ground: str, mount: Mount) -> Transform:
    """Where the point of the road under the camera is in the camera's axes, and how the road lies there."""
    x, y, z = ((rotation(mount) @ FROM_OPTICAL).T @ [0.0, 0.0, -mount.height]).tolist()
    qx, qy, qz, qw = mount_transform(mount, optical).rotation
    return Transform(optical, ground, (x, y, z), (-qx, -qy, -qz, qw))
