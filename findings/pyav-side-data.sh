#!/usr/bin/env bash
# PyAV cannot say how a picture is to be turned once the picture also carries EXIF: any look at its side data raises.
#
# Package:    av 18.1.0 (PyAV, with its FFmpeg), pillow 13.0.0 writes the pictures
# Behaviour:  FFmpeg's MJPEG decoder attaches the display matrix that follows from EXIF's orientation, and the EXIF
#             data as side data of type 31. PyAV's enumeration of types ends before 31, so that frame.side_data
#             raises ValueError, also for who asks for the matrix alone. Without EXIF side_data is empty.
# Seen:       without EXIF: []; with orientation 6: ValueError: 31 is not a valid Type
# What we do: give the enumeration a member for values that it does not know.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0 pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import io

import av
import numpy as np
from PIL import Image


def side_data(exif):
    """What PyAV says of the first picture of an MJPEG stream."""
    picture = io.BytesIO()
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save(picture, "JPEG", exif=exif)
    with av.open(io.BytesIO(3 * picture.getvalue()), format="mjpeg") as container:
        frame = next(container.decode(video=0))
        try:
            return str(list(frame.side_data.keys()))
        except ValueError as error:
            return f"ValueError: {error}"


turned = Image.Exif()
turned[274] = 6
found = {"without EXIF": side_data(Image.Exif()), "with orientation 6": side_data(turned)}
for name, words in found.items():
    print(f"{name}: {words}")
if found != {"without EXIF": "[]", "with orientation 6": "ValueError: 31 is not a valid Type"}:
    raise SystemExit("changed: what PyAV says of side data")
PYTHON
