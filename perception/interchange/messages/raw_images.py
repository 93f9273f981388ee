"""Uncompressed pictures of messages: the encodings of sensor_msgs/Image and foxglove.RawImage."""

from typing import Any, NamedTuple

import cv2
import numpy as np

from perception.errors import SourceError
from perception.interchange.messages.decoding import UndecodableError
from perception.pixels import Pixels, Yuv420
from perception.types import Image


class _Layout(NamedTuple):
    """Bytes of a sample, samples of a pixel, and OpenCV's conversion to BGR; None: it is BGR."""

    depth: int
    channels: int
    conversion: int | None


# 8UC3 and 8UC4 are OpenCV's, which has blue first. ROS calls UYVY yuv422.
_LAYOUTS = {
    name: _Layout(depth, channels, conversion)
    for names, depth, channels, conversion in [
        ("mono8 8UC1", 1, 1, cv2.COLOR_GRAY2BGR),
        ("bgr8 8UC3", 1, 3, None),
        ("rgb8", 1, 3, cv2.COLOR_RGB2BGR),
        ("bgra8 8UC4", 1, 4, cv2.COLOR_BGRA2BGR),
        ("rgba8", 1, 4, cv2.COLOR_RGBA2BGR),
        ("mono16", 2, 1, cv2.COLOR_GRAY2BGR),
        ("bgr16", 2, 3, None),
        ("rgb16", 2, 3, cv2.COLOR_RGB2BGR),
        ("bgra16", 2, 4, cv2.COLOR_BGRA2BGR),
        ("rgba16", 2, 4, cv2.COLOR_RGBA2BGR),
        ("yuv422 uyvy", 1, 2, cv2.COLOR_YUV2BGR_UYVY),
        ("yuv422_yuy2 yuyv", 1, 2, cv2.COLOR_YUV2BGR_YUY2),
    ]
    for name in names.split()
}
# The first four pixels by rows; OpenCV has an edge-aware conversion too, which is four times slower.
_BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2BGR,
    "bggr": cv2.COLOR_BayerBGGR2BGR,
    "gbrg": cv2.COLOR_BayerGBRG2BGR,
    "grbg": cv2.COLOR_BayerGRBG2BGR,
}
_LAYOUTS |= {
    f"bayer_{name}{8 * depth}": _Layout(depth, 1, code) for name, code in _BAYER.items() for depth in (1, 2)
}
_PLANAR = {"nv12": (0, 1), "nv21": (1, 0)}  # where U and V stand in a pair


def raw_pixels(encoding: str, width: int, height: int, step: int, data: Any, big_endian: bool) -> Pixels:
    """The picture: 16 bit give their high byte, as for files; what is 4:2:0 stays planes.

    Args:
        step: bytes from one row to the next, of which the last ones may be padding.
        data: bytes, or an array of them.

    Raises:
        SourceError: the encoding is not one of a camera's picture.
        UndecodableError: sizes and data do not fit.
    """
    name = encoding.lower() if encoding.lower() in _PLANAR else encoding
    if name in _PLANAR:
        return _planes(name, width, height, step, data)
    layout = _LAYOUTS.get(name)
    if layout is None:
        known = ", ".join([*_LAYOUTS, *_PLANAR])
        raise SourceError(
            f"images of encoding {encoding!r:.40} are no pictures of a camera; known are {known}"
        )
    row = layout.depth * layout.channels * width
    samples = _rows(data, height, row, step)
    if layout.depth == 2:
        samples = samples[:, 0 if big_endian else 1 :: 2]
    if layout.channels == 2 and width % 2:
        raise UndecodableError(f"{encoding} of an odd width, {width}")
    image = np.ascontiguousarray(samples).reshape(height, width, layout.channels)
    if layout.conversion is None:
        return image if image.flags.writeable else image.copy()
    return (
        demosaiced(image, encoding) if encoding.startswith("bayer_") else _converted(image, layout.conversion)
    )


def demosaiced(mosaic: Image, encoding: str) -> Image:
    """uint8 (height, width, 3), BGR, of a Bayer mosaic (height, width[, 1]).

    Raises:
        UndecodableError: it is too small, or no pattern of this name is known.
    """
    code = _BAYER.get(encoding.removeprefix("bayer_").rstrip("0123456789"))
    if code is None or min(mosaic.shape[:2]) < 3:
        raise UndecodableError(f"no mosaic {encoding} of {mosaic.shape[1]}×{mosaic.shape[0]}")
    return _converted(mosaic, code)


def _converted(image: Image, conversion: int) -> Image:
    return np.asarray(cv2.cvtColor(image, conversion), np.uint8)


def _planes(name: str, width: int, height: int, step: int, data: Any) -> Yuv420:
    if width % 2 or height % 2:
        raise UndecodableError(f"{name} of odd sides, {width}×{height}")
    rows = _rows(data, height * 3 // 2, width, step)
    pairs = rows[height:].reshape(height // 2, width // 2, 2)
    i420 = np.empty((height * 3 // 2, width), np.uint8)
    i420[:height] = rows[:height]
    chroma = i420[height:].reshape(2, height // 2, width // 2)
    for plane, place in zip(chroma, _PLANAR[name], strict=True):
        plane[:] = pairs[..., place]
    return Yuv420(i420)


def _rows(data: Any, height: int, row: int, step: int) -> Image:
    """uint8 (height, row), without the padding."""
    flat = np.frombuffer(data, np.uint8)
    size = flat.size
    if min(height, row) < 1 or step < row or size not in (step * height, step * (height - 1) + row):
        raise UndecodableError(f"{size} bytes do not make {height} rows of {row}, {step} apart")
    return np.lib.stride_tricks.as_strided(flat, (height, row), (step, 1), writeable=False)
