"""Messages by their definitions: families besides the usual ones, and damaged ones."""

import base64
import json
import struct
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap_protobuf.schema import build_file_descriptor_set
from mcap_ros2._dynamic import serialize_dynamic

from perception.errors import SourceError
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import UndecodableError, nanoseconds
from perception.interchange.messages.images import image_decoder
from tests.interchange.ros_messages import BGR, ROS1, STAMP_NS, compressed_message, raw_message, ros

JPEG = cv2.imencode(".jpg", BGR)[1].tobytes()
PNG = cv2.imencode(".png", BGR)[1].tobytes()
SECONDS, NANOSECONDS = divmod(STAMP_NS, 10**9)
DEFINITION = """builtin_interfaces/Time timestamp
string frame_id
uint8[] data
string format
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""


def of_protobuf(message: CompressedImage | RawImage) -> tuple[Schema, bytes]:
    definition = build_file_descriptor_set(type(message)).SerializeToString()
    return Schema(
        message.DESCRIPTOR.full_name, "protobuf", definition, "protobuf"
    ), message.SerializeToString()


def test_foxgloves_types_of_ros_2_are_read() -> None:
    name = "foxglove_msgs/msg/CompressedImage"
    fields = {"timestamp": {"sec": SECONDS, "nanosec": NANOSECONDS}, "frame_id": "cam", "data": PNG}
    data = serialize_dynamic(name, DEFINITION)[name](fields | {"format": "png"})
    got = image_decoder(Schema(name, "ros2msg", DEFINITION.encode(), "cdr"))(data)
    assert (got.pixels == BGR).all()
    assert (got.stamp_ns, got.frame_id) == (STAMP_NS, "cam")


def test_types_by_their_names_in_ros_1_are_read() -> None:
    schema = ros("Image", ROS1)
    got = image_decoder(Schema("sensor_msgs/Image", "ros1msg", schema.definition, "ros1"))(
        raw_message("bgr8", BGR, store=ROS1)
    )
    assert (got.pixels == BGR).all()


def test_definitions_in_idl_are_read() -> None:
    def module(package: str, struct_: str, fields: str, include: str = "") -> str:
        head = f"{'=' * 80}\nIDL: {package}/msg/{struct_}\n{include}\n"
        return f"{head}module {package} {{ module msg {{ struct {struct_} {{ {fields} }}; }}; }};\n"

    include = '#include "builtin_interfaces/msg/Time.idl"'
    fields = "builtin_interfaces::msg::Time stamp; string frame_id;"
    text = module("builtin_interfaces", "Time", "int32 sec; uint32 nanosec;")
    text += module("std_msgs", "Header", fields, include)
    fields = "std_msgs::msg::Header header; string format; sequence<uint8> data;"
    text += module("sensor_msgs", "CompressedImage", fields, '#include "std_msgs/msg/Header.idl"')
    schema = Schema("sensor_msgs/msg/CompressedImage", "ros2idl", text.encode(), "cdr")
    got = image_decoder(schema)(compressed_message("png", PNG))
    assert np.array_equal(np.asarray(got.pixels), BGR)


def test_a_jpeg_that_is_turned_by_its_exif_is_shown_upright_and_not_handed_on() -> None:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # orientation: a quarter turn
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    body = b"Exif\0\0" + tiff
    turned = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + JPEG[2:]
    got = image_decoder(ros("CompressedImage"))(compressed_message("jpeg", turned))
    stored = cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR)
    assert stored is not None
    assert np.array_equal(np.asarray(got.pixels), cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE))
    assert got.coded is None


@pytest.mark.parametrize(("seconds", "fraction"), [(1, 10**9), (1, -1), ("1", 0), (1, 0.5)])
def test_times_that_cannot_be_are_refused(seconds: object, fraction: object) -> None:
    class Time:
        sec, nanosec = seconds, fraction

    with pytest.raises(UndecodableError, match="its time is"):
        nanoseconds(Time())


def whole() -> Sequence[tuple[Schema, bytes]]:
    """A message of each family."""
    fields = {"encoding": "rgb8", "width": 32, "height": 24, "step": 96}
    text = {"timestamp": {"sec": 1, "nsec": 2}, "frame_id": "", "format": "png"}
    picture = {"data": base64.b64encode(PNG).decode()}
    return [
        (ros("Image"), raw_message("bgr8", BGR, 100)),
        (ros("Image", ROS1), raw_message("bgr8", BGR, 100, store=ROS1)),
        (ros("CompressedImage"), compressed_message("jpeg", JPEG)),
        of_protobuf(CompressedImage(data=PNG, format="png")),
        of_protobuf(RawImage(data=BGR.tobytes(), **fields)),  # type: ignore[arg-type]
        (Schema("foxglove.CompressedImage", "", b"", "json"), json.dumps(text | picture).encode()),
    ]


@settings(max_examples=150, deadline=None)
@given(
    which=st.integers(0, len(whole()) - 1),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    places=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4),
)
def test_damaged_messages_give_a_picture_or_a_refusal(
    which: int, cut: float | None, places: list[tuple[int, int]]
) -> None:
    schema, message = whole()[which]
    data = bytearray(message)
    for place, value in places:
        data[place % len(data)] = value
    if cut is not None:
        del data[int(cut * len(data)) :]
    try:
        got = image_decoder(schema)(bytes(data))
    except (UndecodableError, SourceError):
        return
    assert got.video or got.pixels is not None
    assert isinstance(got.stamp_ns, int)
    assert isinstance(got.frame_id, str)
