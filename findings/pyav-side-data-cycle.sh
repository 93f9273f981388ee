#!/usr/bin/env bash
# Whoever looks at a picture's side data with PyAV keeps the picture until Python collects garbage, hundreds of MB of them.
#
# Package:    av 18.1.0 (PyAV, with its FFmpeg)
# Behaviour:  frame.side_data is made when it is first asked for, kept by the frame, and holds the frame. Such a cycle is
#             only freed by the collector of garbage, which counts objects, not bytes: it comes when 700 objects more are
#             there than were, and for objects that it has passed twice after many minutes. frame.planes holds nothing,
#             and a SideDataContainer that is made by hand is not kept by the frame.
# Seen:       10 pictures of 1280×720 without a collection: 0 held after .planes; 10 after .side_data; 0 after
#             SideDataContainer(frame). A live 1280×720 camera: 480 MB after a minute, and 205 MB without the cycle.
# What we do: make the container by hand.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import gc

import av
from av.sidedata.sidedata import SideDataContainer


def held(look):
    """How many of ten pictures are still there once nobody has a name for them."""
    gc.collect()
    gc.disable()
    before = sum(type(one) is av.VideoFrame for one in gc.get_objects())
    for _ in range(10):
        look(av.VideoFrame(1280, 720, "yuv420p"))
    after = sum(type(one) is av.VideoFrame for one in gc.get_objects())
    gc.enable()
    return after - before


found = {
    "planes": held(lambda frame: frame.planes),
    "side_data": held(lambda frame: frame.side_data),
    "a container by hand": held(lambda frame: list(SideDataContainer(frame))),
}
for name, count in found.items():
    print(f"{name}: {count} of 10 held")
if list(found.values()) != [0, 10, 0]:
    raise SystemExit("changed: what holds a picture")
PYTHON
