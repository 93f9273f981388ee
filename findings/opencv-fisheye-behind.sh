#!/usr/bin/env bash
# cv2.fisheye.projectPoints puts what is more than 90 degrees off the axis into the picture, on the other side.
#
# Package:    opencv-python-headless 4.14.0.94 and 5.0.0.93
# Behaviour:  The model of Kannala and Brandt has a radius for every angle, and lenses of 190 degrees and more are what
#             it is for. projectPoints divides by z first: the angle never exceeds 90 degrees, and a point behind
#             the image plane changes sides. A ray 100 degrees to the right lands where one 80 degrees to the left
#             does, well inside the picture, with no message. (cv2.projectPoints mirrors so, too; but a pinhole
#             sees nothing there.) Solvers built on it cannot use such points, and a road point beside a wide
#             camera is drawn on the wrong side.
# Seen:       100 degrees to the right: x = 237.0, left of the centre at 640; by the model's formula x = 1115.0
# What we do: `perception/geometry/lens.py` takes the angle by atan2, and the fisheye's fit has a projection of its own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/behind.py" <<'PYTHON'
import math

import cv2
import numpy as np

FOCAL, CENTRE = 300.0, 640.0
LENS = np.array([0.0, -0.01, 0.0, 0.0])
camera = np.array([[FOCAL, 0, CENTRE], [0, FOCAL, 480], [0, 0, 1]])


def by_formula(degrees):
    angle = math.radians(degrees)
    return CENTRE + FOCAL * (angle + LENS[1] * angle**5)


def by_opencv(degrees):
    angle = math.radians(degrees)
    ray = np.array([[[math.sin(angle), 0.0, math.cos(angle)]]])
    return float(cv2.fisheye.projectPoints(ray, np.zeros(3), np.zeros(3), camera, LENS)[0].ravel()[0])


angles = np.radians(np.arange(0, 121))
assert (np.diff(angles + LENS[1] * angles**5) > 0).all(), "the lens sees that far"
assert abs(by_opencv(80) - by_formula(80)) < 1e-6, "the control: 80 degrees"
found, mirrored, true = by_opencv(100), by_opencv(-80), by_formula(100)
print(f"OpenCV {cv2.__version__}: 100 degrees to the right at x = {found:.1f}; 80 to the left {mirrored:.1f};",
      f"by the formula {true:.1f}")
if abs(found - mirrored) > 1e-6 or true < CENTRE + FOCAL:
    raise SystemExit("changed: what is behind the plane lies elsewhere")
PYTHON
for version in 4.14.0.94 5.0.0.93; do
    python3 -m venv --clear "$work/venv"
    "$work/venv/bin/pip" install --quiet "opencv-python-headless==$version" numpy==2.4.6
    "$work/venv/bin/python" "$work/behind.py"
done
