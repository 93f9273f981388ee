"""A frame's picture in the forms that messages carry."""

from typing import Protocol

import cv2

from perception.frame import Frame
from perception.pixels import Pixels, as_bgr, size_of

_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 85)


class Video(Protocol):
    """Frames of one camera as a video, an access unit each.

    Attributes:
        format: such as h264.
    """

    format: str

    def encode(self, frame: Frame) -> bytes:
        """The frame's access unit; empty where the video shows nothing of it."""
        ...


def encode_jpeg(pixels: Pixels) -> bytes:
    """A JPEG file.

    Raises:
        cv2.error: the picture is too large.
    """
    done, data = cv2.imencode(".jpg", as_bgr(pixels), _JPEG)
    if not done:  # OpenCV 5; earlier ones raise it themselves
        height, width = size_of(pixels)
        raise cv2.error(f"a picture of {width}×{height} is too large for JPEG")
    return data.tobytes()


def frame_jpeg(frame: Frame) -> bytes:
    """The frame as a JPEG file: as its source sent it, where it did. Raises as `encode_jpeg`."""
    if frame.coded is not None and frame.coded.format == "jpeg":
        return frame.coded.data
    return encode_jpeg(frame.pixels)
