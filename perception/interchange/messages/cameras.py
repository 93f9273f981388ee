"""Calibrations and transforms in messages of ROS and Foxglove, from any log or bus."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from perception.camera_info import CameraInfo, Transform
from perception.errors import SourceError
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import Data, UndecodableError, message_reader
from perception.interchange.messages.images import header_of

CALIBRATIONS = frozenset(
    {
        "sensor_msgs/msg/CameraInfo",
        "sensor_msgs/CameraInfo",
        "foxglove.CameraCalibration",
        "foxglove_msgs/msg/CameraCalibration",
    }
)
TRANSFORMS = frozenset(
    {
        "tf2_msgs/msg/TFMessage",
        "tf2_msgs/TFMessage",
        "tf/tfMessage",
        "foxglove.FrameTransform",
        "foxglove.FrameTransforms",
        "foxglove_msgs/msg/FrameTransform",
        "foxglove_msgs/msg/FrameTransforms",
    }
)
_UNIT = 1e-3  # how far a quaternion's length may be from 1


def calibration_decoder(schema: Schema) -> Callable[[Data], tuple[str, CameraInfo | None]]:
    """What turns a message into the camera's frame_id and what is known of it; None: it is not calibrated.

    It raises UndecodableError for a damaged message.

    Raises:
        SourceError: the messages cannot be read.
        ModuleNotFoundError: the package that reads them is not installed.
    """
    read = message_reader(schema)

    def decode(data: Data) -> tuple[str, CameraInfo | None]:
        message = read(data)
        try:
            _, frame_id = header_of(message)
            return frame_id, _info(message)
        except (AttributeError, TypeError) as error:
            raise SourceError(f"{schema.name} is defined in another way than known here ({error})") from error

    return decode


def transforms_decoder(schema: Schema) -> Callable[[Data], list[Transform]]:
    """What turns a message into transforms; as `calibration_decoder`."""
    read = message_reader(schema)

    def decode(data: Data) -> list[Transform]:
        message = read(data)
        many = getattr(message, "transforms", None)
        try:
            return [_transform(one) for one in ([message] if many is None else many)]
        except (AttributeError, TypeError) as error:
            raise SourceError(f"{schema.name} is defined in another way than known here ({error})") from error

    return decode


def _info(message: Any) -> CameraInfo | None:
    k, r, p = (_matrix(message, name, size) for name, size in (("k", 9), ("r", 9), ("p", 12)))
    r = r or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    p = p or (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
    if not k[0]:  # how ROS says that a camera is not calibrated
        return None
    d = _numbers(_field(message, "d"))
    return CameraInfo(message.width, message.height, message.distortion_model, d, k, r, p)


def _matrix(message: Any, name: str, size: int) -> Any:
    values = _numbers(_field(message, name))
    if not values and name in "rp":  # Foxglove's may leave them out: of a camera that is not turned
        return ()
    if len(values) != size:
        raise UndecodableError(f"its {name} has {len(values)} numbers, not {size}")
    return values


def _field(message: Any, name: str) -> Any:
    """ROS 2 has small letters; ROS 1, Foxglove and bags converted from ROS 1 have D K R P."""
    return getattr(message, name) if hasattr(message, name) else getattr(message, name.upper())


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(map(float, values))
    if not all(map(math.isfinite, numbers)):
        raise UndecodableError("its matrices hold what is no number")
    return numbers


def _transform(message: Any) -> Transform:
    inner = getattr(message, "transform", None)
    if inner is None:  # Foxglove's
        parent, child, inner = message.parent_frame_id, message.child_frame_id, message
    else:
        parent, child = message.header.frame_id, message.child_frame_id
    at, turn = inner.translation, inner.rotation
    x, y, z, w = _numbers([turn.x, turn.y, turn.z, turn.w])
    if abs(math.hypot(x, y, z, w) - 1) > _UNIT:
        raise UndecodableError(f"the rotation of {child!r} is no unit quaternion: {x:g}, {y:g}, {z:g}, {w:g}")
    px, py, pz = _numbers([at.x, at.y, at.z])
    return Transform(parent, child, (px, py, pz), (x, y, z, w))
