"""Pictures in messages, written by other libraries."""

import base64
import json
from typing import Any

import cv2
import numpy as np
import pytest
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from mcap_protobuf.schema import build_file_descriptor_set

from perception.errors import SourceError
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import UndecodableError
from perception.interchange.messages.images import image_decoder
from perception.pixels import as_bgr, size_of
from tests.interchange.ros_messages import (
    BGR,
    ROS,
    ROS1,
    STAMP_NS,
    compressed_message,
    header,
    raw_message,
    ros,
)


def shown(schema: Schema, data: bytes) -> Any:
    return image_decoder(schema)(data)


def decoded(form: str, data: bytes) -> Any:
    return shown(ros("CompressedImage"), compressed_message(form, data))


GREY = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)
WIDE = BGR.astype(np.uint16) * 256 + 77
RGBA = cv2.cvtColor(BGR, cv2.COLOR_BGR2RGBA)
ENCODINGS = [
    ("mono8", GREY, cv2.merge([GREY] * 3)),
    ("8UC1", GREY, cv2.merge([GREY] * 3)),
    ("bgr8", BGR, BGR),
    ("8UC3", BGR, BGR),
    ("rgb8", BGR[..., ::-1], BGR),
    ("rgba8", RGBA, BGR),
    ("bgra8", RGBA[..., [2, 1, 0, 3]], BGR),
    ("8UC4", RGBA[..., [2, 1, 0, 3]], BGR),
    ("mono16", WIDE[..., 1], cv2.merge([BGR[..., 1]] * 3)),
    ("bgr16", WIDE, BGR),
    ("rgb16", WIDE[..., ::-1], BGR),
]


@pytest.mark.parametrize("padding", [0, 5 * 2])
@pytest.mark.parametrize(("encoding", "samples", "truth"), ENCODINGS, ids=[one[0] for one in ENCODINGS])
def test_a_raw_image_comes_out_exactly_whatever_its_padding(
    encoding: str, samples: Any, truth: Any, padding: int
) -> None:
    step = np.ascontiguousarray(samples)[0].nbytes + padding
    got = shown(ros("Image"), raw_message(encoding, samples, step))
    assert (as_bgr(got.pixels) == truth).all()
    assert (got.stamp_ns, got.frame_id, got.coded) == (STAMP_NS, "front_optical", None)


@pytest.mark.parametrize("big_endian", [0, 1])
def test_samples_of_16_bits_have_the_byte_order_that_the_message_says(big_endian: int) -> None:
    samples = WIDE[..., 0].astype(">u2" if big_endian else "<u2")
    got = shown(ros("Image"), raw_message("mono16", samples, big_endian=big_endian))
    assert (got.pixels == BGR[..., :1]).all()


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_gives_its_colours_back(pattern: str) -> None:
    colour = np.array([40, 120, 220], np.uint8)  # B G R, the same everywhere: nothing to interpolate
    letters = {"b": 0, "g": 1, "r": 2}
    mosaic = np.empty((24, 32), np.uint8)
    for place, letter in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = colour[letters[letter]]
    for encoding, samples in ((f"bayer_{pattern}8", mosaic), (f"bayer_{pattern}16", mosaic * np.uint16(256))):
        got = shown(ros("Image"), raw_message(encoding, samples, samples[0].nbytes + 6))
        assert (got.pixels == colour).all()
    png = cv2.imencode(".png", mosaic)[1].tobytes()
    as_sent = decoded(f"bayer_{pattern}8; png compressed ", png)
    assert (as_sent.pixels == colour).all()
    assert as_sent.coded is None


def yuv() -> Any:
    """Y, U, V at the full width; U and V the same in pairs, and in pairs of rows."""
    small = np.random.default_rng(0).integers(60, 200, (2, 12, 16), np.uint8)
    luma = np.random.default_rng(1).integers(60, 200, (24, 32), np.uint8)
    return luma, small[0], small[1]


@pytest.mark.parametrize("padding", [0, 12])
@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21"])
def test_luma_and_colour_of_yuv_stand_where_the_encoding_says(encoding: str, padding: int) -> None:
    luma, u, v = yuv()
    first, second = (v, u) if encoding == "nv21" else (u, v)
    if encoding.startswith("nv"):
        pairs = np.stack([first, second], -1).reshape(12, 32)
        samples, size = np.concatenate([luma, pairs]), (24, 32)
    else:
        chroma = np.stack([u, v], -1).reshape(12, 32).repeat(2, 0)
        order = (chroma, luma) if encoding in ("yuv422", "uyvy") else (luma, chroma)
        samples, size = np.stack(order, -1), None
    step = samples[0].nbytes + padding
    got = as_bgr(shown(ros("Image"), raw_message(encoding, samples, step, size=size)).pixels)
    i420 = np.concatenate([luma, u.reshape(-1, 32), v.reshape(-1, 32)])
    truth = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    assert np.abs(got.astype(int) - truth).max() <= 3  # FFmpeg's and OpenCV's rounding


@pytest.mark.parametrize(("encoding", "samples"), [("16UC1", WIDE[..., 0]), ("32FC1", GREY.astype("f4"))])
def test_depth_is_no_picture(encoding: str, samples: Any) -> None:
    with pytest.raises(SourceError, match=encoding):
        shown(ros("Image"), raw_message(encoding, samples))


@pytest.mark.parametrize(
    ("height", "width", "step"), [(25, 32, 96), (24, 33, 96), (24, 32, 95), (10**6, 32, 96), (24, 0, 96)]
)
def test_sizes_that_do_not_fit_the_data_are_no_picture(height: int, width: int, step: int) -> None:
    message = ROS.types["sensor_msgs/msg/Image"](header(), height, width, "bgr8", 0, step, BGR.ravel())
    data = bytes(ROS.serialize_cdr(message, "sensor_msgs/msg/Image"))
    with pytest.raises(UndecodableError, match="bytes do not make"):
        shown(ros("Image"), data)


def test_a_jpeg_is_handed_on_as_it_came_and_a_png_is_not() -> None:
    jpeg = cv2.imencode(".jpg", BGR)[1].tobytes()
    got = decoded("rgb8; jpeg compressed bgr8", jpeg)
    assert (got.pixels == cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)).all()
    assert (got.coded.format, got.coded.data) == ("jpeg", jpeg)
    for form, suffix in (("png", ".png"), ("bgr8; png compressed bgr8", ".png")):
        got = decoded(form, cv2.imencode(suffix, BGR)[1].tobytes())
        assert (got.pixels == BGR).all()
        assert got.coded is None
    got = decoded("mono16; png compressed ", cv2.imencode(".png", WIDE[..., 2])[1].tobytes())
    assert (got.pixels == BGR[..., 2:]).all()


@pytest.mark.parametrize(
    "form", ["16UC1; compressedDepth png", "32FC1; compressedDepth", "16UC1; png compressed "]
)
def test_compressed_depth_is_no_picture(form: str) -> None:
    with pytest.raises(SourceError, match="depth"):
        decoded(form, b"\0" * 12 + cv2.imencode(".png", WIDE[..., 0])[1].tobytes())


def test_what_is_no_whole_picture_is_undecodable() -> None:
    jpeg = cv2.imencode(".jpg", BGR)[1].tobytes()
    for data in (b"", b"GIF89a" + jpeg, jpeg[: len(jpeg) // 2]):
        with pytest.raises(UndecodableError):
            decoded("jpeg", data)


def test_a_picture_of_too_many_pixels_is_not_decoded() -> None:
    height, width = BGR.shape[:2]
    most = height * width - 1
    words = f"{width}×{height} .* --max-pixels"
    for suffix in (".jpg", ".png"):
        message = compressed_message("jpeg", cv2.imencode(suffix, BGR)[1].tobytes())
        with pytest.raises(UndecodableError, match=words):
            image_decoder(ros("CompressedImage"), most)(message)
    with pytest.raises(UndecodableError, match=words):
        image_decoder(ros("Image"), most)(raw_message("bgr8", BGR))


def test_bags_of_ros_1_and_messages_without_a_definition_are_read() -> None:
    got = shown(ros("Image", ROS1), raw_message("bgr8", BGR, store=ROS1))
    assert (got.pixels == BGR).all()
    assert (got.stamp_ns, got.frame_id) == (STAMP_NS, "front_optical")
    for store in (ROS, ROS1):
        got = shown(ros("Image", store, definition=False), raw_message("bgr8", BGR, store=store))
        assert (got.pixels == BGR).all()


def test_other_encapsulations_and_damaged_messages_are_refused() -> None:
    data = raw_message("bgr8", BGR)
    decode = image_decoder(ros("Image"))
    with pytest.raises(SourceError, match="00 07"):
        decode(b"\0\7" + data[2:])
    for wrong in (data[:-9], data[:30], data[:4], data[:9] + b"\xff" * 40 + data[49:]):
        with pytest.raises(UndecodableError):
            decode(wrong)


def test_each_definition_of_a_type_counts_for_its_own_messages() -> None:
    usual = ros("Image")
    longer = Schema(usual.name, usual.encoding, b"uint32 exposure\n" + usual.definition, "cdr")
    data = raw_message("bgr8", BGR)
    decode, other = image_decoder(usual), image_decoder(longer)
    assert as_bgr_of(other, data[:4] + b"\1\0\0\0" + data[4:]) == as_bgr_of(decode, data) == BGR.tobytes()
    with pytest.raises(UndecodableError):
        other(data)


def as_bgr_of(decode: Any, data: bytes) -> bytes:
    pixels: bytes = decode(data).pixels.tobytes()
    return pixels


def test_unknown_messages_are_refused_with_words() -> None:
    for schema in (
        Schema("sensor_msgs/msg/PointCloud2", "ros2msg", b"", "cdr"),
        Schema("foxglove.RawImage", "flatbuffer", b"x", "flatbuffer"),
        Schema("foxglove.RawImage", "protobuf", b"x", "protobuf"),
        Schema("foxglove.RawImage", "", b"", "protobuf"),
        Schema("foxglove_msgs/msg/RawImage", "ros2msg", b"", "cdr"),
        Schema("sensor_msgs/msg/Image", "ros2msg", b"what header\nis this", "cdr"),
    ):
        with pytest.raises(SourceError, match="Image" if "Image" in schema.name else "PointCloud2"):
            image_decoder(schema)


def test_json_and_protobuf_say_the_same_picture() -> None:
    seconds, nanos = divmod(STAMP_NS, 10**9)
    jpeg = cv2.imencode(".jpg", BGR)[1].tobytes()
    fields: dict[str, Any] = {"frame_id": "cam", "encoding": "rgb8", "width": 32, "height": 24, "step": 96}
    rgb = BGR[..., ::-1].tobytes()
    raw = RawImage(data=rgb, **fields)
    raw.timestamp.seconds, raw.timestamp.nanos = seconds, nanos
    squeezed = CompressedImage(data=jpeg, format="jpeg", frame_id="cam")
    squeezed.timestamp.seconds, squeezed.timestamp.nanos = seconds, nanos
    time = {"timestamp": {"sec": seconds, "nsec": nanos}}
    for message in (raw, squeezed):
        name = message.DESCRIPTOR.full_name
        definition = build_file_descriptor_set(type(message)).SerializeToString()
        by_protobuf = image_decoder(Schema(name, "protobuf", definition, "protobuf"))(
            message.SerializeToString()
        )
        data = {"data": base64.b64encode(message.data).decode()}
        more = fields if message is raw else {"frame_id": "cam", "format": "jpeg"}
        text = json.dumps(more | time | data)
        by_json = image_decoder(Schema(name, "jsonschema", b"{}", "json"))(text.encode())
        results: Any = by_protobuf, by_json
        for got in results:
            truth = BGR if message is raw else cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)
            assert (got.pixels == truth).all()
            assert (got.stamp_ns, got.frame_id) == (STAMP_NS, "cam")
            assert got.coded is None if message is raw else got.coded.data == jpeg
    with pytest.raises(UndecodableError, match="JSON"):
        image_decoder(Schema("foxglove.RawImage", "jsonschema", b"{}", "json"))(b"[1, 2")


@pytest.mark.parametrize("before", [0, 1000])
def test_a_jpeg_that_may_be_turned_is_not_handed_on(before: int) -> None:
    """EXIF, also behind a comment: viewers would show another picture than the one that was perceived."""
    jpeg = cv2.imencode(".jpg", BGR)[1].tobytes()
    comment = b"\xff\xfe" + (before + 2).to_bytes(2) + bytes(before)
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = jpeg[:2] + comment + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + jpeg[2:]
    got = decoded("jpeg", turned)
    assert got.coded is None and size_of(got.pixels) == (BGR.shape[1], BGR.shape[0])
    assert decoded("jpeg", jpeg[:2] + comment + jpeg[2:]).coded is not None


def test_an_empty_message_is_undecodable() -> None:
    for data in (b"", b"\0", b"\0\1\0"):
        with pytest.raises(UndecodableError):
            shown(ros("Image"), data)
