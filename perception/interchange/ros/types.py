"""The message types of ROS 2 without ROS: their definitions, and their CDR, by rosbags."""

from functools import cache
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from perception.errors import SinkError
from perception.interchange.messages.channels import Schema
from perception.types import NS_PER_S

# vision_msgs 4, as ROS 2 has it from Humble on: rosbags knows none.
_VISION = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose"
    ),
    "Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id"
    ),
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "Detection3D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox3D bbox\nstring id"
    ),
    "Detection3DArray": "std_msgs/Header header\nvision_msgs/Detection3D[] detections",
    "VisionClass": "uint16 class_id\nstring class_name",
    "LabelInfo": "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold",
}


@cache
def typestore() -> Typestore:
    """The types of ROS 2 Jazzy, with those of vision_msgs."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, definition in _VISION.items():
        store.register(get_types_from_msg(definition, f"vision_msgs/msg/{name}"))
    return store


def schema(name: str) -> Schema:
    """Of a type such as sensor_msgs/msg/Image."""
    definition, _ = typestore().generate_msgdef(name, ros_version=2)
    return Schema(name, "ros2msg", definition.encode(), "cdr")


def message(name: str, /, **fields: Any) -> Any:
    """A message of that type; all of its fields are given."""
    return typestore().types[name](**fields)


def cdr(one: Any) -> bytes:
    """The message serialised, little endian, behind the four bytes that say so."""
    return bytes(typestore().serialize_cdr(one, one.__msgtype__))


def header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    return message("std_msgs/msg/Header", stamp=time(stamp_ns), frame_id=frame_id)


def time(stamp_ns: int) -> Any:
    """builtin_interfaces/Time, exact to the nanosecond.

    Raises:
        SinkError: its seconds have 32 bits, up to January 2038.
    """
    seconds, nanoseconds = divmod(stamp_ns, NS_PER_S)
    if not -(1 << 31) <= seconds < 1 << 31:
        raise SinkError(
            f"a frame has the time {seconds} s, messages of ROS hold less than 2147483648 s (January 2038); "
            "check the source's clock, or write a log of the profile foxglove"
        )
    return message("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)


def doubles(values: Any) -> Any:
    """float64 (n,), for fields float64[]: rosbags takes the bits of any other array for doubles."""
    return np.array(values, np.float64).ravel()


def text(words: str) -> Any:
    """std_msgs/String."""
    return message("std_msgs/msg/String", data=words)
