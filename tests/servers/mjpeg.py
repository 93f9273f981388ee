"""A camera that sends MJPEG over HTTP: `python -m tests.servers.mjpeg --size 640x384 --rate 30`.

It says {"url": …, "start_ns": …, "rate": …}: picture n, which carries its number, is captured at
start_ns + n / rate by the monotonic clock. Commands on stdin, one a line:

    stall, drip          send nothing more, or a byte at a time        go        all as at first again
    close                drop the connections                          refuse    answer 503
    corrupt N, cut N     the next N pictures hold garbage, or end in the middle     size WxH, rate N
    freeze, black        the same picture again and again
    colour B G R [N]     pictures of one colour: N of them, or all
"""

import argparse
import math
import socket
import threading
import time
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tests.servers.control import obey, tell
from tests.servers.pictures import numbered

LATE = 15  # pictures that a client may be behind; then it is sent the newest


class Camera:
    """What is sent, and how: changed by commands, read by every connection."""

    def __init__(self, size: str, rate: float, video: Path | None) -> None:
        self.mode = "go"  # go, stall, drip or refuse
        self.picture = ""  # freeze or colour
        self.colour: tuple[int, ...] = (0, 0, 0)
        self.corrupt = self.cut = self.closes = self.frozen = 0
        self.width, self.height = map(int, size.split("x"))
        self.images = _frames(video) if video else []
        self.pace(rate)

    def pace(self, rate: float) -> None:
        self.rate, self.start = rate, time.monotonic()

    def now(self) -> int:
        """The number of the newest picture."""
        return int((time.monotonic() - self.start) * self.rate)

    def due(self, number: int) -> float:
        """When this picture is captured, by time.monotonic."""
        return self.start + number / self.rate

    def jpeg(self, number: int) -> bytes:
        if self.picture == "freeze":
            number = self.frozen
        colour = None
        if self.picture == "colour" and self.coloured > 0:
            colour = self.colour
            self.coloured -= 1
        data = self._jpeg(number, self.width, self.height, colour)
        if self.corrupt > 0:
            self.corrupt -= 1
            data = data[: len(data) // 3] + b"\xff\xc0garbage" * (len(data) // 14) + data[-2:]
        if self.cut > 0:
            self.cut -= 1
            data = data[: len(data) // 2]
        return data

    @lru_cache(maxsize=16)  # noqa: B019 — there is one camera, for ever
    def _jpeg(self, number: int, width: int, height: int, colour: tuple[int, ...] | None) -> bytes:
        if colour is not None:
            image = np.full((height, width, 3), colour, np.uint8)
        elif self.images:
            image = self.images[number % len(self.images)]
        else:
            image = numbered(number, height, width)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()

    def command(self, name: str, values: list[str]) -> None:
        match name, values:
            case (("stall" | "drip" | "refuse"), []):
                self.mode = name
            case "go", []:
                self.mode, self.picture = "go", ""
            case "freeze", []:
                self.picture, self.frozen = name, self.now()
            case "black", []:
                self.picture, self.colour, self.coloured = "colour", (0, 0, 0), math.inf
            case "colour", [_, _, _, *count]:
                self.picture, self.colour = "colour", tuple(map(int, values[:3]))
                self.coloured = int(count[0]) if count else math.inf
            case "close", []:
                self.closes += 1
            case "corrupt", [count]:
                self.corrupt = int(count)
            case "cut", [count]:
                self.cut = int(count)
            case "size", [size]:
                self.width, self.height = map(int, size.split("x"))
            case "rate", [rate]:
                self.pace(float(rate))
                tell(start_ns=round(self.start * 1e9), rate=self.rate)
            case _:
                raise SystemExit(f"no such command: {name} {values}")


def _frames(video: Path, most: int = 600) -> list[npt.NDArray[Any]]:
    reader = cv2.VideoCapture(str(video))
    images: list[npt.NDArray[Any]] = []
    while len(images) < most and (read := reader.read())[0]:
        images.append(read[1])
    return images


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    camera: Camera

    def do_GET(self) -> None:
        camera = self.camera
        self.close_connection = True
        if self.path != "/stream" or camera.mode == "refuse":
            self.send_error(503 if camera.mode == "refuse" else 404)
            return
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        closes, number = camera.closes, camera.now()
        while camera.closes == closes and camera.mode != "refuse":
            number = number + 1 if abs(camera.now() - number) < LATE else camera.now()
            time.sleep(max(0.0, camera.due(number) - time.monotonic()))
            if camera.mode == "stall":
                continue
            data = camera.jpeg(number)
            part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (
                len(data),
                data,
            )
            try:
                self.send(part)
            except OSError:
                return

    def send(self, part: bytes) -> None:
        for index in range(len(part)):
            if self.camera.mode != "drip":
                self.wfile.write(part[index:])
                return
            self.wfile.write(part[index : index + 1])
            time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: stdout is for who started it."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="640x384")
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--video", type=Path)
    arguments = parser.parse_args()
    camera = Handler.camera = Camera(arguments.size, arguments.rate, arguments.video)
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    tell(
        url=f"http://127.0.0.1:{port}/stream",
        port=port,
        start_ns=round(camera.start * 1e9),
        rate=camera.rate,
    )
    obey(camera.command)


if __name__ == "__main__":
    main()
