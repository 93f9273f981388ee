"""A program of its own that knows Zenoh alone: it prints what is put as lines of JSON.

    python zenoh_listener.py ENDPOINT KEY

It connects to the endpoint and tells of tokens of liveliness, too; with `stop` on its standard input it stops
to read for good, as a program that hangs.
"""

import json
import os
import signal
import sys
from threading import Lock
from typing import Any

import zenoh

endpoint, key = sys.argv[1:]
config = zenoh.Config()
for name, value in {
    "mode": "peer",
    "connect/endpoints": [endpoint],
    "connect/timeout_ms": -1,
    "listen/endpoints": [],
    "scouting/multicast/enabled": False,
    "scouting/gossip/enabled": False,
}.items():
    config.insert_json5(name, json.dumps(value))
session, telling = zenoh.open(config), Lock()


def show(what: str, sample: Any) -> None:
    values = {
        "key": str(sample.key_expr),
        "encoding": str(sample.encoding),
        "data": bytes(sample.payload).hex(),
    }
    line = json.dumps({"what": what, "kind": str(sample.kind), **values}) + "\n"
    with telling:  # Zenoh calls from several threads
        sys.stdout.write(line)
        sys.stdout.flush()


def alive(sample: Any) -> None:
    show("alive", sample)
    if sample.kind == zenoh.SampleKind.PUT:
        for reply in session.get(key):
            show("latched", reply.ok)


session.liveliness().declare_subscriber("**", alive, history=True)
session.declare_subscriber(key, lambda sample: show("put", sample))
for line in sys.stdin:
    if line == "stop\n":
        os.kill(os.getpid(), signal.SIGSTOP)
