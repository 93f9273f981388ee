#!/usr/bin/env bash
# A video's stream.frames counts pictures that decoding never gives: gaps of an AVI, what an MP4 edit list hides.
#
# Package:    av 18.1.0 (PyAV, with its FFmpeg)
# Behaviour:  An AVI has no timestamps, so the muxer fills a gap in time with empty chunks; stream.frames
#             counts them. An MP4 that was cut without encoding again keeps the frames before the cut and hides
#             them by an edit list; stream.frames counts them as well. Neither file is damaged.
# Seen:       AVI: 28 counted, 10 decoded; MP4: 40 counted, 30 decoded
# What we do: judge the end of a video by the times of its own track; the count only serves a progress bar.
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


def write(path, codec, pixels, stamps, options):
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for stamp in stamps:
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * stamp, np.uint8), format="rgb24")
            picture.pts, picture.time_base = stamp, Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def count(path):
    with av.open(path) as container:
        stream = container.streams.video[0]
        counted, decoded = stream.frames, sum(1 for _ in container.decode(stream))
    print(f"{path}: {counted} counted, {decoded} decoded")
    return counted, decoded


write("gaps.avi", "mjpeg", "yuvj420p", range(0, 30, 3), {})
write("whole.mp4", "libx264", "yuv420p", range(40), {"bf": "0"})
with av.open("whole.mp4") as source, av.open("cut.mp4", "w") as target:
    stream = source.streams.video[0]
    copied = target.add_stream_from_template(stream)
    for packet in source.demux(stream):
        if packet.dts is not None:
            shift = round(Fraction(10, 30) / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copied
            target.mux(packet)
if count("whole.mp4") != (40, 40):
    raise SystemExit("the recording itself was not written as meant")
if [count("gaps.avi"), count("cut.mp4")] != [(28, 10), (40, 30)]:
    raise SystemExit("changed: the counts are others")
PYTHON
