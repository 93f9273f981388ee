#!/usr/bin/env bash
# Asking OpenCV for the PNG compression level that it uses anyway gives another file, with other row filters.
#
# Package:    opencv-python-headless 5.0.0.93; 4.14.0.94 does the same
# Behaviour:  The default is level 1, documented as such. Given explicitly, level 1 not only changes the
#             strategy of deflate, as documented, but also turns on the choice of a filter for each row, which
#             compares all five. By default all rows use filter 1 (Sub).
# Seen:       a label map of 320x180: default: filter 1 in 180 rows, 7380 bytes; level 1: filter 1 in 9, 2 in 162,
#             4 in 9, 1817 bytes; level 1 with filter NONE: 0 in 180, 2313 bytes
# What we do: the live page states level, strategy and filter together for its label maps.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import struct
import zlib
from collections import Counter

import cv2
import numpy as np

blocks = np.random.default_rng(0).integers(0, 12, (18, 32), dtype=np.uint8)
labels = np.kron(blocks, np.ones((10, 10), np.uint8))


def filters(options):
    """How many rows use which filter: the byte in front of each row of the unpacked image."""
    png = cv2.imencode(".png", labels, options)[1].tobytes()
    packed, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        packed += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    rows = Counter(zlib.decompress(packed)[:: 1 + labels.shape[1]])
    return dict(sorted(rows.items())), len(png)


level = [cv2.IMWRITE_PNG_COMPRESSION, 1]
cases = {
    "default": [],
    "level 1": level,
    "level 1, filter NONE": [*level, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE],
}
found = {name: filters(options) for name, options in cases.items()}
for name, (rows, size) in found.items():
    print(f"{name}: rows by filter {rows}, {size} bytes")
usual, explicit, none = (rows for rows, _ in found.values())
if usual != {1: 180} or len(explicit) < 2 or none != {0: 180}:
    raise SystemExit("changed: an explicit level leaves the filters as they are")
PYTHON
