#!/usr/bin/env bash
# A small backlog of the live server cuts viewers off when channels are added, while they are only to lose messages.
#
# Package:    foxglove-sdk 0.30.3
# Behaviour:  start_server(message_backlog_size=N) is documented as the number of outgoing messages to buffer for
#             each client; when more wait, the oldest messages are dropped, and the viewer stays. The same number
#             bounds the announcements of new channels, of which each is one message: when more than N of these
#             wait, the viewer is disconnected, however fast it reads. So a program that opens its channels while
#             somebody watches must not do it all at once.
# Seen:       2000 messages: stays, and loses most; 300 channels, 5 ms apart: stays, 301 known; 300 channels at
#             once: is cut off
# What we do: a pause of 5 ms between the channels of a camera, with a backlog of 8.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet foxglove-sdk==0.30.3 websockets==15.0.1
"$work/venv/bin/python" - <<'PYTHON' 2>/dev/null
import json
import threading
import time

import foxglove
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


class Viewer:
    """Reads all that comes, as fast as it can, in a thread of its own."""

    def __init__(self, port):
        self.socket = connect(f"ws://127.0.0.1:{port}", subprotocols=["foxglove.sdk.v1"], max_size=None)
        self.known, self.messages, self.connected = {}, 0, True
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for message in self.socket:
                told = [] if isinstance(message, bytes) else json.loads(message).get("channels", [])
                self.known |= {one["topic"]: one["id"] for one in told}
                self.messages += isinstance(message, bytes)
        except ConnectionClosed:
            pass
        self.connected = False


def settle(done):
    end = time.monotonic() + 5
    while not done() and time.monotonic() < end:
        time.sleep(0.02)


def watched(name, messages=0, channels=0, pause=0.0):
    """Whether a viewer that has subscribed to a channel stays when so much is added."""
    context = foxglove.Context()
    server = foxglove.start_server(port=0, context=context, message_backlog_size=8)
    opened = [foxglove.Channel("/first", message_encoding="json", context=context)]
    viewer = Viewer(server.port)
    settle(lambda: viewer.known)
    wish = {"op": "subscribe", "subscriptions": [{"id": 1, "channelId": viewer.known["/first"]}]}
    viewer.socket.send(json.dumps(wish))
    settle(opened[0].has_sinks)
    for _ in range(messages):
        opened[0].log(bytes(100_000))
    for number in range(channels):
        opened.append(foxglove.Channel(f"/{number}", message_encoding="json", context=context))
        time.sleep(pause)
    settle(lambda: not viewer.connected or (len(viewer.known) == 1 + channels and viewer.messages >= bool(messages)))
    stays = viewer.connected
    print(f"{name}: {'stays' if stays else 'is cut off'}, {len(viewer.known)} known, {viewer.messages} messages")
    server.stop()
    return stays


if not watched("2000 messages", messages=2000) or not watched("300 channels, 5 ms apart", channels=300, pause=0.005):
    raise SystemExit("the controls failed: a viewer was cut off without a reason")
if watched("300 channels at once", channels=300):
    raise SystemExit("changed: the viewer stays")
PYTHON
