"""Recordings for tests, written by other libraries, and the truth of what is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from google.protobuf.message import Message
from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import build_file_descriptor_set
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

START_NS = 1_700_000_000_123_456_789
PERIOD_NS = 50_000_001
ROS = get_typestore(Stores.ROS2_HUMBLE)
ROS1 = get_typestore(Stores.ROS1_NOETIC)
TOPIC = "/front/image/compressed"
_BEHIND_NS = 7_000_003  # from capture to recording


@dataclass(frozen=True)
class Shot:
    """A picture and when it was captured."""

    stamp_ns: int
    image: Any
    data: bytes

    @property
    def log_ns(self) -> int:
        return self.stamp_ns + _BEHIND_NS


def shots(count: int, suffix: str = ".png", gap_after: int | None = None, height: int = 24) -> list[Shot]:
    """Pictures that all differ; one second is missing after one of them."""
    rng, out = np.random.default_rng(count), []
    for index in range(count):
        image = cv2.GaussianBlur(rng.integers(0, 256, (height, height * 4 // 3, 3), np.uint8), (5, 5), 2)
        data = cv2.imencode(suffix, image)[1].tobytes()
        shown = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
        late = 10**9 if gap_after is not None and index > gap_after else 0
        out.append(Shot(START_NS + index * PERIOD_NS + late, shown, data))
    return out


def protobuf(kind: type[Message], stamp_ns: int, **fields: Any) -> Message:
    message: Any = kind(**fields)
    message.timestamp.seconds, message.timestamp.nanos = divmod(stamp_ns, 10**9)
    whole: Message = message
    return whole


class McapLog:
    """An MCAP file of protobuf messages by the library's own writer."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self._file = path.open("wb")
        self.writer: Any = Writer(self._file, **options)
        self.writer.start(library="tests")
        self._channels: dict[tuple[str, str], int] = {}

    def add(self, topic: str, log_ns: int, message: Message) -> None:
        kind = message.DESCRIPTOR.full_name
        if (topic, kind) not in self._channels:
            definition = build_file_descriptor_set(type(message)).SerializeToString()
            schema = self.writer.register_schema(kind, "protobuf", definition)
            self._channels[topic, kind] = self.writer.register_channel(topic, "protobuf", schema)
        self.writer.add_message(self._channels[topic, kind], log_ns, message.SerializeToString(), log_ns)

    def close(self) -> Path:
        self.writer.finish()
        self._file.close()
        return self.path


def write_mcap(path: Path, taken: Sequence[Shot], topic: str = TOPIC, **options: Any) -> Path:
    log = McapLog(path, **{"compression": CompressionType.ZSTD, "chunk_size": 4096} | options)
    for shot in taken:
        form = "jpeg" if shot.data[:1] == b"\xff" else "png"
        message = protobuf(
            CompressedImage, shot.stamp_ns, data=shot.data, format=form, frame_id="front_optical"
        )
        log.add(topic, shot.log_ns, message)
    return log.close()


def ros_image(shot: Shot, store: Any = ROS, frame_id: str = "front_optical") -> Any:
    time = store.types["builtin_interfaces/msg/Time"](*divmod(shot.stamp_ns, 10**9))
    more = {"seq": 0} if store is ROS1 else {}
    header = store.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id, **more)
    return store.types["sensor_msgs/msg/CompressedImage"](header, "png", np.frombuffer(shot.data, np.uint8))


def write_ros2(
    folder: Path, taken: Sequence[Shot], storage: str = "sqlite3", compression: str = "", *, version: Any = 9
) -> Path:
    """A bag by rosbags; compression: "message" or "file"."""
    kind = "sensor_msgs/msg/CompressedImage"
    writer = Writer2(folder, version=version, storage_plugin=StoragePlugin[storage.upper()])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection(TOPIC, kind, typestore=ROS)
        for shot in taken:
            writer.write(connection, shot.log_ns, ROS.serialize_cdr(ros_image(shot), kind))
    return folder


def write_ros1(path: Path, taken: Sequence[Shot], compression: str = "") -> Path:
    """A bag by rosbags; compression: "bz2" or "lz4"."""
    kind = "sensor_msgs/msg/CompressedImage"
    writer = Writer1(path)
    if compression:
        writer.set_compression(Writer1.CompressionFormat[compression.upper()])
    with writer:
        connection = writer.add_connection(TOPIC, kind, typestore=ROS1)
        for shot in taken:
            writer.write(connection, shot.log_ns, ROS1.serialize_ros1(ros_image(shot, ROS1), kind))
    return path
