"""Calibrations and transforms in messages, written by other libraries."""

import json
from typing import Any

import numpy as np
import pytest
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from mcap_protobuf.schema import build_file_descriptor_set

from perception.camera_info import CameraInfo, Transform
from perception.errors import SourceError
from perception.interchange.messages.cameras import calibration_decoder, transforms_decoder
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import UndecodableError
from tests.interchange.ros_messages import ROS, ROS1, header, ros

K = (700.0, 0.0, 320.5, 0.0, 710.0, 240.25, 0.0, 0.0, 1.0)
R = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
P = (700.0, 0.0, 320.5, 0.0, 0.0, 710.0, 240.25, 0.0, 0.0, 0.0, 1.0, 0.0)
INFO = CameraInfo(640, 480, "plumb_bob", (0.1, -0.2, 0.0, 0.001, 0.0), K, R, P)


def camera_info(store: Any, k: Any = K) -> Any:
    region = store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    matrices = [np.array(one) for one in (INFO.d, k, R, P)]
    message = store.types["sensor_msgs/msg/CameraInfo"](
        header(store), 480, 640, "plumb_bob", *matrices, 0, 0, region
    )
    serialise = store.serialize_ros1 if store is ROS1 else store.serialize_cdr
    return bytes(serialise(message, "sensor_msgs/msg/CameraInfo"))


def protobuf(message: Any) -> Any:
    definition = build_file_descriptor_set(type(message)).SerializeToString()
    return Schema(
        message.DESCRIPTOR.full_name, "protobuf", definition, "protobuf"
    ), message.SerializeToString()


@pytest.mark.parametrize("store", [ROS, ROS1], ids=["small letters", "capital letters of ROS 1"])
def test_camera_info_is_read_exactly(store: Any) -> None:
    assert calibration_decoder(ros("CameraInfo", store))(camera_info(store)) == ("front_optical", INFO)


def test_a_converted_bag_defines_the_matrices_in_capital_letters() -> None:
    schema = ros("CameraInfo")
    text = schema.definition.decode()
    for letter in "dkrp":
        text = text.replace(f"] {letter}\n", f"] {letter.upper()}\n")
    assert "float64[9] K" in text
    converted = Schema(schema.name, schema.encoding, text.encode(), "cdr")
    assert calibration_decoder(converted)(camera_info(ROS)) == ("front_optical", INFO)


def test_a_camera_that_is_not_calibrated_gives_nothing() -> None:
    assert calibration_decoder(ros("CameraInfo"))(camera_info(ROS, (0.0,) * 9)) == ("front_optical", None)
    with pytest.raises(UndecodableError, match="no number"):
        calibration_decoder(ros("CameraInfo"))(camera_info(ROS, (float("nan"),) * 9))


def test_foxgloves_calibration_in_protobuf_and_json() -> None:
    fields: dict[str, Any] = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "D": INFO.d,
        "K": K,
        "R": R,
        "P": P,
    }
    schema, data = protobuf(CameraCalibration(frame_id="cam", **fields))
    assert calibration_decoder(schema)(data) == ("cam", INFO)
    text = json.dumps({"timestamp": {"sec": 1, "nsec": 2}, "frame_id": "cam", **fields})
    less = {name: value for name, value in fields.items() if name not in ("R", "P")}
    schema, data = protobuf(CameraCalibration(frame_id="cam", **less))
    _, plain = calibration_decoder(schema)(data)
    assert plain is not None
    assert plain.r == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert plain.p == (*K[:3], 0, *K[3:6], 0, *K[6:], 0)  # as image_geometry and RViz read it
    by_json = Schema(schema.name, "jsonschema", b"{}", "json")
    assert calibration_decoder(by_json)(text.encode()) == ("cam", INFO)
    schema, data = protobuf(CameraCalibration(K=K[:8]))
    with pytest.raises(UndecodableError, match="8 numbers"):
        calibration_decoder(schema)(data)


def test_transforms_are_read_exactly_and_no_rotation_is_made_up() -> None:
    half = 0.5**0.5
    truth = Transform("base_link", "front_optical", (1.5, 0.0, 1.25), (0.0, half, 0.0, half))
    message = FrameTransform(parent_frame_id=truth.parent, child_frame_id=truth.child)
    message.translation.x, _, message.translation.z = truth.translation
    message.rotation.y, message.rotation.w = half, half
    schema, data = protobuf(message)
    assert transforms_decoder(schema)(data) == [truth]
    message.rotation.w = 0
    with pytest.raises(UndecodableError, match="unit quaternion"):
        transforms_decoder(schema)(message.SerializeToString())

    types = {
        name.rpartition("/")[2]: one for name, one in ROS.types.items() if name.startswith("geometry_msgs")
    }
    inner = types["Transform"](types["Vector3"](1.5, 0.0, 1.25), types["Quaternion"](0.0, half, 0.0, half))
    stamped = types["TransformStamped"](header(frame_id="base_link"), "front_optical", inner)
    tf = ROS.types["tf2_msgs/msg/TFMessage"]([stamped, stamped])
    data = bytes(ROS.serialize_cdr(tf, "tf2_msgs/msg/TFMessage"))
    text = ROS.generate_msgdef("tf2_msgs/msg/TFMessage", ros_version=2)[0]
    schema = Schema("tf2_msgs/msg/TFMessage", "ros2msg", text.encode(), "cdr")
    assert transforms_decoder(schema)(data) == [truth, truth]


def test_a_definition_without_the_fields_that_are_needed_is_an_error() -> None:
    schema = Schema("sensor_msgs/msg/CameraInfo", "ros2msg", b"uint32 height\nuint32 width", "cdr")
    with pytest.raises(SourceError, match="another way"):
        calibration_decoder(schema)(b"\0\1\0\0" + bytes(8))
