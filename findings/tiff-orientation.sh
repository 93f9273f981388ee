#!/usr/bin/env bash
# Of a TIFF that is stored on its side, OpenCV reads from memory what it refuses as a file, and Pillow the other way round.
#
# Package:    opencv-python-headless 5.0.0.93, pillow 13.0.0
# Behaviour:  A grey TIFF has orientation 6 (tag 274): its sides are swapped when it is shown. cv2.imread gives
#             None, with a message that an internal pointer has changed; cv2.imdecode of the same bytes gives the
#             picture upright. Pillow turns TIFF as it loads: opened from bytes the pixels are right, opened by its
#             name, where it maps the file, the shape is right and the pixels are not. In colour Pillow is right
#             both ways. Orientations 1 to 4, which swap no sides, are right everywhere.
# Seen:       grey: imread None, imdecode upright; Pillow from bytes upright, by name garbled
# What we do: decode images from bytes, with either library.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - 2> "$work/messages" <<'PYTHON'
import io

import cv2
import numpy as np
from PIL import Image

pixels = np.random.default_rng(5).integers(0, 255, (64, 96), np.uint8)
changed = []
for orientation in (3, 6):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save("a.tif", exif=exif)
    upright = np.rot90(pixels, {3: 2, 6: -1}[orientation])
    data = np.fromfile("a.tif", np.uint8)
    with Image.open("a.tif") as named, Image.open(io.BytesIO(data.tobytes())) as from_bytes:
        answers = {
            "cv2.imread": cv2.imread("a.tif", cv2.IMREAD_GRAYSCALE),
            "cv2.imdecode": cv2.imdecode(data, cv2.IMREAD_GRAYSCALE),
            "Pillow by name": np.asarray(named),
            "Pillow from bytes": np.asarray(from_bytes),
        }
    right = {name: answer is not None and np.array_equal(answer, upright) for name, answer in answers.items()}
    print(f"orientation {orientation}:", ", ".join(f"{name} {'upright' if ok else 'wrong'}" for name, ok in right.items()))
    wrong = {"cv2.imread", "Pillow by name"} if orientation == 6 else set()
    changed += [f"{name} at {orientation}" for name, ok in right.items() if ok == (name in wrong)]
if changed:
    raise SystemExit(f"changed: {', '.join(changed)}")
PYTHON
