"""Pictures in messages of ROS, as rosbags writes them."""

from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore

from perception.interchange.messages.channels import Schema

STAMP_NS = 1_700_000_000_123_456_789
ROS = get_typestore(Stores.ROS2_HUMBLE)
ROS1 = get_typestore(Stores.ROS1_NOETIC)


def picture(height: int = 24, width: int = 32) -> Any:
    image = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(image, (7, 7), 2)


def header(store: Any = ROS, frame_id: str = "front_optical") -> Any:
    stamp = store.types["builtin_interfaces/msg/Time"](*divmod(STAMP_NS, 10**9))
    more = {"seq": 7} if store is ROS1 else {}
    return store.types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id, **more)


def raw_message(
    encoding: str,
    samples: Any,
    step: int | None = None,
    big_endian: int = 0,
    size: Any = None,
    store: Any = ROS,
) -> Any:
    """Serialised by rosbags; the rows are padded to `step` with bytes that must not show."""
    samples = np.ascontiguousarray(samples)
    rows = samples.reshape(len(samples), -1).view(np.uint8)
    step = step or rows.shape[1]
    padded = np.full((len(rows), step), 0xEE, np.uint8)
    padded[:, : rows.shape[1]] = rows
    height, width = size or samples.shape[:2]
    message = store.types["sensor_msgs/msg/Image"](
        header(store), height, width, encoding, big_endian, padded.shape[1], padded.ravel()
    )
    serialise = store.serialize_ros1 if store is ROS1 else store.serialize_cdr
    return bytes(serialise(message, "sensor_msgs/msg/Image"))


def compressed_message(form: str, data: bytes) -> Any:
    message = ROS.types["sensor_msgs/msg/CompressedImage"](header(), form, np.frombuffer(data, np.uint8))
    return bytes(ROS.serialize_cdr(message, "sensor_msgs/msg/CompressedImage"))


def ros(name: str, store: Any = ROS, definition: bool = True) -> Any:
    version = 1 if store is ROS1 else 2
    text = store.generate_msgdef(f"sensor_msgs/msg/{name}", ros_version=version)[0] if definition else ""
    encoding = "ros1" if store is ROS1 else "cdr"
    return Schema(f"sensor_msgs/msg/{name}", f"ros{version}msg", text.encode(), encoding)


BGR = picture()
