"""A camera that sends MPEG-TS by UDP: `python -m tests.servers.mpegts --to 127.0.0.1:5000 --rate 30`.

It says {"url": …, "start_ns": …, "rate": …}: picture n, which carries its number, is captured at
start_ns + n / rate by the monotonic clock. Commands on stdin: stall, go.
"""

import argparse
import socket
import threading
import time
from fractions import Fraction

import av

from tests.servers.control import obey, tell
from tests.servers.pictures import numbered


class Camera:
    def __init__(self, to: str, size: str, rate: int, gop: int) -> None:
        self.rate, self.stalled, self.start = rate, False, time.monotonic()
        self.container = av.open(
            f"udp://{to}?pkt_size=1316", "w", format="mpegts", options={"flush_packets": "1"}
        )
        self.stream = self.container.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency", "g": str(gop)}
        )
        self.stream.width, self.stream.height = map(int, size.split("x"))
        self.stream.pix_fmt = "yuv420p"

    def run(self) -> None:
        number = 0
        while True:
            number = max(number + 1, int((time.monotonic() - self.start) * self.rate))
            time.sleep(max(0.0, self.start + number / self.rate - time.monotonic()))
            image = numbered(number, self.stream.height, self.stream.width)
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = number, Fraction(1, self.rate)
            packets = self.stream.encode(picture)
            if not self.stalled:
                self.container.mux(packets)

    def command(self, name: str, values: list[str]) -> None:
        if name not in ("stall", "go"):
            raise SystemExit(f"no such command: {name} {values}")
        self.stalled = name == "stall"


def free_port() -> int:
    """A port of UDP on this host that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", default="", help="address:port; else a free port of this host")
    parser.add_argument("--size", default="640x384")
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--gop", type=int, default=15)
    arguments = parser.parse_args()
    to = arguments.to or f"127.0.0.1:{free_port()}"
    camera = Camera(to, arguments.size, arguments.rate, arguments.gop)
    threading.Thread(target=camera.run, daemon=True).start()
    tell(url=f"udp://{to}", start_ns=round(camera.start * 1e9), rate=camera.rate)
    obey(camera.command)


if __name__ == "__main__":
    main()
