#!/usr/bin/env bash
# OpenCV 5's INTER_NEAREST_EXACT is not that of OpenCV 4: it picks Pillow's pixels, 4.14 often does not.
#
# Package:    opencv-python-headless 4.14.0.94 and 5.0.0.93, pillow 12.2.0
# Behaviour:  The flag is described as bit-exact and equal to Pillow. Where a target pixel's centre lies on the
#             border of two source pixels, 4.14 and 5.0 choose differently, for 4 to 6 pixels for example. Over
#             all pairs of lengths from 1 to 128, 5.0 agrees with Pillow in all, 4.14 differs in 3183 of 16384.
#             So a label map that is resized by either version has other labels along edges.
# Seen:       4 -> 6 pixels: 4.14 gives 0 1 1 2 3 3, 5.0 and Pillow 0 1 1 2 2 3; 3183 and 0 lengths differ
# What we do: enlarge label maps by this flag, ask for it which pixel is taken, and pin no test to the answer.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/compare.py" <<'PYTHON'
import sys

import cv2
import numpy as np
from PIL import Image


def both(source, target):
    row = np.arange(source, dtype=np.uint8)[None]
    exact = cv2.resize(row, (target, 1), interpolation=cv2.INTER_NEAREST_EXACT)
    return exact[0], np.asarray(Image.fromarray(row).resize((target, 1), Image.Resampling.NEAREST))[0]


opencv, pillow = both(4, 6)
lengths = range(1, 129)
differ = sum(not np.array_equal(*both(source, target)) for source in lengths for target in lengths)
print(f"OpenCV {cv2.__version__}, 4 -> 6 pixels: {opencv}, Pillow {pillow}; {differ} pairs of lengths differ")
if differ != int(sys.argv[1]):
    raise SystemExit("changed: another number of lengths differs from Pillow")
PYTHON
for expected in 4.14.0.94:3183 5.0.0.93:0; do
    python3 -m venv --clear "$work/venv"
    "$work/venv/bin/pip" install --quiet "opencv-python-headless==${expected%:*}" pillow==12.2.0 numpy==2.4.6
    "$work/venv/bin/python" "$work/compare.py" "${expected#*:}"
done
