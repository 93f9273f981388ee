"""The pictures of MJPEG streams as files: what is shown in a browser need not be encoded again."""

from functools import cache

import cv2
import numpy as np

_BEGIN, _TABLES, _SCAN = b"\xff\xd8", 0xC4, 0xDA  # markers of JPEG (ITU-T T.81, B.1)


def whole_jpeg(data: bytes) -> bytes:
    """One picture of an MJPEG stream as a file by itself; empty where it cannot be made one.

    A stream may leave out the Huffman tables, as many USB cameras do: then they are those of ITU-T T.81, K.3.
    """
    if data[:2] != _BEGIN:
        return b""
    place, found = len(_BEGIN), False
    while data[place + 1 : place + 2] != bytes([_SCAN]):
        size = int.from_bytes(data[place + 2 : place + 4])
        if data[place : place + 1] != b"\xff" or size < 2 or place + size >= len(data):
            return b""
        found |= data[place + 1] == _TABLES
        place += 2 + size
    return data if found else data[:place] + _usual_tables() + data[place:]


@cache
def _usual_tables() -> bytes:
    """Of a JPEG of OpenCV's, which takes these tables."""
    data = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    return data[data.index(bytes([0xFF, _TABLES])) : data.index(bytes([0xFF, _SCAN]))]
