"""Pictures of H.264 and H.265 as packets of RTP, and the client that they go to."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

from tests.servers.pictures import numbered

CLOCK = 90_000  # Hz, of RTP stamps
MOST = 1_400  # bytes of an RTP packet
ENOUGH = 8 << 20  # bytes that wait for a client; what comes then is not sent


def encode(
    width: int, height: int, rate: int, count: int, gop: int, black: bool = False, codec: str = "H264"
) -> list[list[bytes]]:
    """The NAL units of each picture; without B-frames, with the parameter sets before each key frame."""
    encoder = av.CodecContext.create("libx264" if codec == "H264" else "libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, rate)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "crf": "20",
        "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:sliced-threads=0:threads=1",
        "x265-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:pools=1:frame-threads=1:log-level=none",
    }
    packets = []
    for number in range(count):
        image = np.zeros((height, width, 3), np.uint8) if black else numbered(number, height, width)
        picture = av.VideoFrame.from_ndarray(image, format="bgr24")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    return [_units(bytes(packet)) for packet in packets]


def _units(stream: bytes) -> list[bytes]:
    """NAL units between the start codes 00 00 01 or 00 00 00 01."""
    return [unit.removesuffix(b"\0") for unit in stream.split(b"\0\0\1")[1:]]


def payloads(units: list[bytes], codec: str) -> Iterator[bytes]:
    """Of RTP packets: whole NAL units, or fragments of them (RFC 6184, FU-A; RFC 7798, FU)."""
    for unit in units:
        if len(unit) <= MOST:
            yield unit
            continue
        if codec == "H264":
            head, kind, body = bytes([unit[0] & 0xE0 | 28]), unit[0] & 0x1F, unit[1:]
        else:
            head, kind, body = bytes([unit[0] & 0x81 | 49 << 1, unit[1]]), unit[0] >> 1 & 0x3F, unit[2:]
        for start in range(0, len(body), MOST):
            ends = 0x40 if start + MOST >= len(body) else 0
            yield head + bytes([(0 if start else 0x80) | ends | kind]) + body[start : start + MOST]


@dataclass(eq=False)
class Client:
    writer: asyncio.StreamWriter
    channel: int | None = None  # of interleaved packets
    address: tuple[str, int] | None = None  # of UDP
    playing: bool = False
    new: bool = True
    reported: float = 0.0  # when it was, by the monotonic clock
    sequence: int = field(default_factory=lambda: random.randrange(1 << 16))

    def report(self, udp: socket.socket, packet: bytes) -> None:
        self.reported = time.monotonic()
        if self.address:
            udp.sendto(packet, (self.address[0], self.address[1] + 1))
        elif self.channel is not None:
            self.writer.write(struct.pack(">cBH", b"$", self.channel + 1, len(packet)) + packet)

    def send(self, udp: socket.socket, packet: bytes) -> None:
        if self.address:
            udp.sendto(packet, self.address)
        elif self.writer.transport.get_write_buffer_size() < ENOUGH:
            self.writer.write(struct.pack(">cBH", b"$", self.channel, len(packet)) + packet)
