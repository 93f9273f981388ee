"""Pictures that were rectified before they came, such as image_rect and image_rect_color of ROS's image_proc.

Beside them stands the calibration of the raw ones, with what holds for them in its projection.
"""

from dataclasses import replace

import numpy as np

from perception.camera_info import CameraInfo
from perception.errors import SourceError

_RECTIFIED = "image_rect"
_TURNED = 1e-3  # rad: transforms are the camera's, and do not hold for one that is turned by more


def holding_for(topic: str, info: CameraInfo) -> CameraInfo:
    """The calibration that stands beside a topic's pictures, as it holds for them.

    Raises:
        SourceError: they are rectified, and it does not say for what camera.
    """
    if not any(part.startswith(_RECTIFIED) for part in topic.split("/")[-2:]):  # behind it: its transport
        return info
    fx, skew, cx, _, _, fy, cy, _, *_ = info.p
    if not (fx > 0 and fy > 0):
        raise SourceError(f"{topic}: its calibration has no projection (P), which rectified pictures need")
    turned = float(np.abs(np.reshape(info.r, (3, 3)) - np.eye(3)).max())
    if any(info.r) and turned > _TURNED:  # all zeros: left out
        what = "its rectified pictures are turned against the camera (R), as those of a stereo camera"
        raise SourceError(f"{topic}: {what}: use the raw ones")
    return replace(info, model="plumb_bob", d=(0.0,) * 5, k=(fx, skew, cx, 0.0, fy, cy, 0.0, 0.0, 1.0))
