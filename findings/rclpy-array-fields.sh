#!/usr/bin/env bash
# rclpy sends a 3 × 3 array in a field of nine numbers as other numbers, also where its fields are checked.
#
# Package:    ros-rclpy 9.1.2, ros-sensor-msgs 5.5.1 (ROS 2 Kilted), numpy 2.4.6; ROS 2 Jazzy's 7.1.6 does the same
# Behaviour:  CameraInfo.k is float64[9]. An array (3, 3) is taken for it, and is walked along by the distance of its
#             rows: of a matrix in C's order the first column comes back, and then six numbers that are none of it;
#             of one in Fortran's order the transposed matrix. There is no error, and none with
#             ROS_PYTHON_CHECK_FIELDS=1 either, which does refuse eight numbers. Flat, the matrix comes back whole.
# Seen:       C's order: first column, then others; Fortran's order: transposed; flat: whole; eight numbers: refused
# What we do: build messages from nine floats in order, and let a test read them in another process.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ros-rclpy==9.1.2 ros-sensor-msgs==5.5.1 ros-rmw-fastrtps-cpp==9.3.3 numpy==2.4.6
cd "$work"
ROS_PYTHON_CHECK_FIELDS=1 "$work/venv/bin/python" - <<'PYTHON'
import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo

MATRIX = np.array([[700.0, 1.0, 640.0], [2.0, 701.0, 360.0], [3.0, 4.0, 5.0]])


def sent(k):
    try:
        message = CameraInfo(k=k)
    except AssertionError:
        return "refused"
    back = list(deserialize_message(serialize_message(message), CameraInfo).k)
    if back == MATRIX.ravel().tolist():
        return "whole"
    if back == MATRIX.T.ravel().tolist():
        return "transposed"
    return "first column, then others" if back[:3] == MATRIX[:, 0].tolist() else f"others: {back}"


found = {
    "C's order": sent(MATRIX),
    "Fortran's order": sent(np.asfortranarray(MATRIX)),
    "flat": sent(MATRIX.ravel()),
    "eight numbers": sent(MATRIX.ravel()[:8]),
}
for how, what in found.items():
    print(f"{how}: {what}")
if list(found.values()) != ["first column, then others", "transposed", "whole", "refused"]:
    raise SystemExit("changed: arrays (3, 3) are refused, or sent as they are")
PYTHON
