"""A camera on Zenoh, or a router: a program of its own.

python zenoh_talker.py camera ENDPOINT     connects, and puts pictures below car/front, 20 a second
python zenoh_talker.py router ENDPOINT     listens, and hands on
"""

import json
import sys
import time
from itertools import count

import zenoh

from perception.classes import DRIVE
from perception.sinks.registry import open_sink
from tests.buses.programs import a_scene

role, endpoint = sys.argv[1:]
if role == "router":
    config = zenoh.Config()
    config.insert_json5("mode", '"router"')
    config.insert_json5("listen/endpoints", json.dumps([endpoint]))
    config.insert_json5("scouting/multicast/enabled", "false")
    router = zenoh.open(config)
    print("{}", flush=True)
    sys.stdin.read()
sink = open_sink(f"zenoh:car/front?connect={endpoint}", 20, DRIVE)
for sequence in count():
    frame, scene = a_scene(sequence)
    sink.write(frame, scene, frame.image)
    time.sleep(0.05)
