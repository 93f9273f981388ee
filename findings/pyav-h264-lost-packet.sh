#!/usr/bin/env bash
# A missing H.264 packet leaves no trace in PyAV: later pictures are wrong, and neither corrupt nor an error.
#
# Package:    av 18.1.0 (PyAV, with its FFmpeg)
# Behaviour:  When one access unit of an H.264 stream is left out, as where a recorder lost a message, FFmpeg
#             conceals it by an earlier picture. The pictures up to the next key frame are wrong by dozens of
#             levels; is_corrupt is false for each, and nothing is raised, with and without err_detect=explode
#             and the flag output_corrupt. Of H.265 the same pictures are marked as corrupt.
# Seen:       h264: 6 wrong, 0 of them marked; hevc: 6 wrong, 6 of them marked
# What we do: read frame_num in the slice headers, see the gap, and show nothing up to the next key frame.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags

LOST, GOP = 13, 10
EXPECTED = {("h264", "-"): (6, 0), ("h264", "explode"): (6, 0), ("hevc", "-"): (6, 6), ("hevc", "explode"): (6, 6)}


def encode(codec):
    context = av.CodecContext.create({"h264": "libx264", "hevc": "libx265"}[codec], "w")
    context.width, context.height, context.pix_fmt = 160, 96, "yuv420p"
    context.time_base, context.framerate, context.gop_size = Fraction(1, 20), Fraction(20), GOP
    quiet = {"x265-params": "log-level=none:bframes=0"} if codec == "hevc" else {}
    context.options = {"preset": "ultrafast", "tune": "zerolatency"} | quiet
    wide = np.kron(np.random.default_rng(0).integers(0, 256, (12, 50, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    packets = []
    for index in range(2 * GOP):
        view = np.ascontiguousarray(wide[:, 4 * index : 4 * index + 160])
        picture = av.VideoFrame.from_ndarray(view, format="rgb24")
        picture.pts = index
        packets += context.encode(picture)
    return [bytes(packet) for packet in packets + context.encode(None)]


def decode(codec, packets, err_detect="-"):
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    context.flags |= Flags.output_corrupt
    if err_detect != "-":
        context.options = {"err_detect": err_detect}
    pictures = {}
    for index, data in packets:
        packet = av.Packet(data)
        packet.pts = index
        for picture in context.decode(packet):
            pictures[picture.pts] = picture.to_ndarray(format="rgb24").astype(int), picture.is_corrupt
    return pictures


found = {}
for codec, err_detect in EXPECTED:
    packets = list(enumerate(encode(codec)))
    whole = decode(codec, packets)
    rest = decode(codec, [one for one in packets if one[0] != LOST], err_detect)
    wrong = [index for index, (image, _) in rest.items() if np.abs(image - whole[index][0]).max() > 16]
    found[codec, err_detect] = len(wrong), sum(rest[index][1] for index in wrong)
    print(f"{codec}, err_detect {err_detect}: {len(wrong)} wrong, {found[codec, err_detect][1]} of them marked")
if found != EXPECTED:
    raise SystemExit("changed: other pictures are wrong or marked")
PYTHON
