"""What a calibration says of a camera, on its frames."""

from dataclasses import replace
from functools import lru_cache

from perception.camera_info import Mount, Transform
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.ground import FROM_OPTICAL, rotation


def mounted(frame: Frame, calibration: Calibration) -> Frame:
    """The frame with the camera's lens, where its source does not know it, and with the place of the ground.

    The ground hangs on the camera: it may have its own place in a vehicle's tree of frames, and each frame
    of a tree has one parent.

    Raises:
        ConfigError: the calibration holds for pictures of another aspect.
    """
    calibration = calibration.of_size(frame.width, frame.height)
    info, transforms = frame.camera_info or calibration.info, frame.transforms
    if calibration.mount is not None and not frame.mounted:
        transforms = (*transforms, ground_below(frame.optical_frame, frame.ground_frame, calibration.mount))
    return replace(frame, camera_info=info, transforms=transforms)


@lru_cache(64)
def ground_below(optical: str, ground: str, mount: Mount) -> Transform:
    """Where the point of the road under the camera is in the camera's axes, and how the road lies there."""
    from scipy.spatial.transform import Rotation  # noqa: PLC0415 - only with a calibration

    turn = (rotation(mount) @ FROM_OPTICAL).T
    x, y, z = (turn @ [0.0, 0.0, -mount.height]).tolist()
    qx, qy, qz, qw = Rotation.from_matrix(turn).as_quat().tolist()
    return Transform(optical, ground, (x, y, z), (qx, qy, qz, qw))
