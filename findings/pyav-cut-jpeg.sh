#!/usr/bin/env bash
# A JPEG of which the second half is missing decodes without a word, and shows there what was shown before.
#
# Package:    av 18.1.0 (PyAV, with its FFmpeg)
# Behaviour:  A decoder of Motion JPEG that gets a picture cut in the middle hands on a whole picture. Its upper part
#             is new; the lower part holds what the buffer held from an earlier picture of the same decoder. Nothing
#             is raised, is_corrupt is false, and the flag output_corrupt changes nothing. With
#             err_detect=explode it is an error, while pictures without an end marker, without Huffman tables, or
#             with bytes after their end still decode.
# Seen:       plain: 1 picture, not corrupt, rows of the earlier picture; explode: InvalidDataError, the others decode
# What we do: err_detect=explode for every decoder of Motion JPEG.
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


def jpeg(level):
    """A picture of noise around a level, which takes many bytes."""
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 160, 96, "yuvj420p", Fraction(1, 25)
    noise = np.random.default_rng(level).integers(level - 20, level + 20, (96, 160, 3)).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(noise, format="rgb24")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(picture), *context.encode(None)])


def without_tables(data):
    while (place := data.find(b"\xff\xc4")) >= 0:
        data = data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4]) :]
    return data


def decode(second, **options):
    """What comes of a picture after a sound dark one."""
    context = av.CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    context.flags |= Flags.output_corrupt
    context.options = options
    context.decode(av.Packet(jpeg(60)))
    [picture] = context.decode(av.Packet(second))
    return picture.is_corrupt, picture.to_ndarray(format="rgb24").mean(axis=(1, 2))


bright = jpeg(190)
cut = bright[: len(bright) // 2]
corrupt, rows = decode(cut)
print(f"plain: corrupt {corrupt}, mean of the upper rows {rows[:32].mean():.0f}, of the lower {rows[-32:].mean():.0f}")
as_described = not corrupt and rows[:32].mean() > 170 and rows[-32:].mean() < 80
try:
    decode(cut, err_detect="explode")
except av.error.InvalidDataError as error:
    print("explode:", type(error).__name__)
else:
    as_described = False
for name, whole in {
    "whole": bright,
    "without an end marker": bright[:-2],
    "without tables": without_tables(bright),
    "bytes after the end": bright + b"abcdefgh",
}.items():
    _, rows = decode(whole, err_detect="explode")
    print(f"explode, {name}: mean of the lower rows {rows[-32:].mean():.0f}")
    as_described &= rows[-32:].mean() > 170
raise SystemExit(0 if as_described else "changed: a JPEG that is cut is told from a whole one, or whole ones are not taken")
PYTHON
