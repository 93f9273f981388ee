"""What of a camera changes rarely."""

from perception.camera_info import CameraInfo, Transform
from perception.frame import Frame


def mounting(frame: Frame) -> tuple[str, CameraInfo | None, tuple[Transform, ...]]:
    """What `Vocabulary.latched` says of the frame's camera: where it differs, it is to be sent again."""
    return frame.optical_frame, frame.camera_info, frame.transforms
