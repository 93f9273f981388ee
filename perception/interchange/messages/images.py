"""Pictures in messages of ROS and Foxglove, from any log or bus."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from perception.errors import SourceError
from perception.frame import Coded
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import Data, UndecodableError, message_reader, nanoseconds
from perception.interchange.messages.raw_images import demosaiced, raw_pixels
from perception.picture_size import MAX_PIXELS, check_picture, too_large
from perception.pixels import Pixels
from perception.types import Image

# FFmpeg's names. VP9 and AV1 do not show that a packet is missing, so that their pictures cannot be trusted.
VIDEO = {"h264": "h264", "h265": "hevc", "hevc": "hevc"}

_JPEG, _PNG, _WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"
_EXIF = b"Exif\0\0"
_SCAN, _APP1 = 0xDA, 0xE1  # markers of JPEG (ITU-T T.81, B.1)
_DEPTHS = ("16UC1", "32FC1")  # of compressed_image_transport: millimetres, metres


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """What a message holds.

    Attributes:
        pixels: the picture; None for `video`, which takes a decoder that has seen the earlier ones.
        coded: the picture as the message has it, where that shows the same.
        video: a packet of video, and its codec as FFmpeg calls it.
        stamp_ns: the header's time, since 1970 or as the sender counts; 0: it says none.
        frame_id: the camera's coordinate frame; empty: it says none.
    """

    pixels: Pixels | None
    coded: Coded | None
    video: tuple[str, bytes] | None
    stamp_ns: int
    frame_id: str


def kind_of(schema_name: str) -> str:
    """Which of the image types a schema is, whoever defines it: RawImage, CompressedImage, CompressedVideo.

    Empty: it is no image.
    """
    package, _, name = schema_name.replace(".", "/").partition("/")
    name = name.removeprefix("msg/")
    if package == "sensor_msgs":
        return {"Image": "RawImage", "CompressedImage": "CompressedImage"}.get(name, "")
    known = ("RawImage", "CompressedImage", "CompressedVideo")
    return name if package in ("foxglove", "foxglove_msgs") and name in known else ""


def image_decoder(schema: Schema, max_pixels: int = MAX_PIXELS) -> Callable[[Data], DecodedImage]:
    """What turns the messages of a channel into pictures.

    It raises UndecodableError for a message that is damaged or holds a picture of more than `max_pixels`, and
    SourceError for one that holds something else than a picture of a camera, such as depth.

    Raises:
        SourceError: the channel holds no images, or its messages cannot be read.
        ModuleNotFoundError: the package that reads them is not installed.
    """
    kind = kind_of(schema.name)
    if not kind:
        raise SourceError(f"{schema.name} is no image")
    read = message_reader(schema)
    decode = {"RawImage": _raw, "CompressedImage": _compressed, "CompressedVideo": _video}[kind]

    def decoded(data: Data) -> DecodedImage:
        message = read(data)
        try:
            return decode(message, max_pixels)
        except (AttributeError, TypeError) as error:
            raise SourceError(f"{schema.name} is defined in another way than known here ({error})") from error

    return decoded


def header_of(message: Any) -> tuple[int, str]:
    """Stamp in ns and coordinate frame of a message that has them, in a header or by themselves."""
    header = getattr(message, "header", None)
    if header is not None:
        return nanoseconds(header.stamp), header.frame_id
    return nanoseconds(message.timestamp), message.frame_id


def _raw(message: Any, max_pixels: int) -> DecodedImage:
    stamp_ns, frame_id = header_of(message)
    if words := too_large(message.width, message.height, max_pixels):
        raise UndecodableError(words)
    big_endian = bool(getattr(message, "is_bigendian", False))
    data = _bytes(message.data)
    pixels = raw_pixels(message.encoding, message.width, message.height, message.step, data, big_endian)
    return DecodedImage(pixels, None, None, stamp_ns, frame_id)


def _compressed(message: Any, max_pixels: int) -> DecodedImage:
    stamp_ns, frame_id = header_of(message)
    said: str = message.format
    if "compressedDepth" in said or said.partition(";")[0].strip() in _DEPTHS:
        raise SourceError(f"images of format {said!r:.60} are depth, no pictures of a camera")
    data = bytes(_bytes(message.data))
    codec = VIDEO.get(said.strip().lower())
    if codec:
        return DecodedImage(None, None, (codec, data), stamp_ns, frame_id)
    if not data.startswith((_JPEG, _PNG, _WEBP)):
        raise UndecodableError(f"format {said!r:.60}, but neither JPEG, PNG nor WebP, nor named as video")
    pixels, altered = _picture(data, said, max_pixels)
    whole = data.startswith(_JPEG) and not altered and not _may_turn(data)
    return DecodedImage(pixels, Coded("jpeg", data) if whole else None, None, stamp_ns, frame_id)


def _video(message: Any, max_pixels: int) -> DecodedImage:
    stamp_ns, frame_id = header_of(message)
    codec = VIDEO.get(message.format)
    if codec is None:
        raise SourceError(f"video {message.format!r:.40} is not read; {', '.join(VIDEO)} are")
    return DecodedImage(None, None, (codec, bytes(_bytes(message.data))), stamp_ns, frame_id)


def _may_turn(jpeg: bytes) -> bool:
    """Whether it has EXIF, so that it may be shown other than it is coded."""
    place = 2
    while jpeg[place : place + 1] == b"\xff" and jpeg[place + 1] != _SCAN:
        if jpeg[place + 1] == _APP1 and jpeg.startswith(_EXIF, place + 4):
            return True
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4])
    return not jpeg.startswith(bytes([0xFF, _SCAN]), place)


def _picture(data: bytes, said: str, max_pixels: int) -> tuple[Image, bool]:
    """BGR, and whether it is other than a viewer of the file shows."""
    # compressed_image_transport codes a mosaic as grey levels, and names it in the format.
    mosaic = said.startswith("bayer_")
    how = cv2.IMREAD_ANYCOLOR if mosaic else cv2.IMREAD_COLOR
    try:
        check_picture(data, max_pixels)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except ValueError as error:
        raise UndecodableError(str(error)) from error
    except cv2.error as error:  # such as more pixels than OpenCV allows
        raise UndecodableError(f"not a whole image ({error.err})") from error
    if image is None:
        raise UndecodableError("not a whole image")
    if image.ndim == 3:
        return np.asarray(image, np.uint8), False
    return demosaiced(np.asarray(image, np.uint8), said.partition(";")[0]), True


def _bytes(data: Any) -> Any:
    """Of a field: JSON has base64."""
    if not isinstance(data, str):
        return data
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise UndecodableError(f"its data are not base64 ({error})") from error
