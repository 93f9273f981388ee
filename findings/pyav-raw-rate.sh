#!/usr/bin/env bash
# Of the three frame rates that PyAV gives for a raw H.264 stream, one is made up and one may be doubled.
#
# Package:    av 18.1.0 (PyAV, with its FFmpeg); 16.1.0 does the same
# Behaviour:  A raw .h264 or .h265 file states its rate in the stream's parameter sets, and frames have no
#             stamps. stream.average_rate is 25 whatever they say: a default of the demuxer, given as if
#             measured. stream.guessed_rate is right, except for H.264 at 12 frames/s, where it gives 24.
#             stream.codec_context.framerate is right for all.
# Seen:       H.264 at 12: average 25, guessed 24, codec 12; H.264 at 30: 25, 30, 30; H.265 at 12: 25, 12, 12
# What we do: ask codec_context.framerate first where frames have no stamps, guessed_rate where it is absurd.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import av
import numpy as np

EXPECTED = {  # average, guessed, of the codec
    ("h264", 12): (25, 24, 12),
    ("h264", 30): (25, 30, 30),
    ("h264", 60): (25, 60, 60),
    ("h265", 12): (25, 12, 12),
    ("h265", 60): (25, 60, 60),
}


def rates(kind, rate):
    path = f"raw.{kind}"
    quiet = {"x265-params": "log-level=none"} if kind == "h265" else {}
    with av.open(path, "w") as container:
        stream = container.add_stream({"h264": "libx264", "h265": "libx265"}[kind], rate=rate, options=quiet)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for value in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * value, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    with av.open(path) as container:
        stream = container.streams.video[0]
        return stream.average_rate, stream.guessed_rate, stream.codec_context.framerate


found = {case: rates(*case) for case in EXPECTED}
for (kind, rate), (average, guessed, codec) in found.items():
    print(f"{kind} at {rate}: average_rate {average}, guessed_rate {guessed}, codec_context.framerate {codec}")
if found != EXPECTED:
    raise SystemExit("changed: the rates are others")
PYTHON
