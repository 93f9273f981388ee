"""Cameras on the loopback, each in a process of its own: MJPEG over HTTP, and H.264 over RTSP."""

import base64
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread

import av
import cv2
from av.video.codeccontext import VideoCodecContext

from perception.frame import Frame

Pictures = Sequence[Sequence[bytes]]  # each as the parts that are sent: one JPEG, or NAL units
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90)  # of many cameras
_CLOCK = 90_000  # Hz, of RTP's times
_MOST = 1400  # bytes of a packet of RTP


def jpegs(frames: Sequence[Frame], rate: float) -> Pictures:
    """What an MJPEG camera sends of them."""
    return [[cv2.imencode(".jpg", frame.image, _QUALITY)[1].tobytes()] for frame in frames]


def h264(frames: Sequence[Frame], rate: float) -> Pictures:
    """What an RTSP camera sends of them: a key frame each second, and no picture waits for another one."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    encoder.time_base, encoder.gop_size = 1 / Fraction(rate), round(rate)
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "23"}
    packets = []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame.image, format="bgr24")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    return [[unit.removesuffix(b"\0") for unit in bytes(one).split(b"\0\0\1")[1:]] for one in packets]


def _send_jpegs(client: socket.socket, pictures: Pictures, rate: float) -> None:
    while not client.recv(1 << 16).endswith(b"\r\n\r\n"):
        pass
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
    for _, (jpeg,) in _paced(pictures, rate):
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        client.sendall(head + jpeg + b"\r\n")


def _send_h264(client: socket.socket, pictures: Pictures, rate: float) -> None:
    requests = client.makefile("rb")
    method = b""
    while method != b"PLAY":
        head = b"".join(iter(requests.readline, b"\r\n"))
        if not head:
            return
        method = head.partition(b" ")[0]
        client.sendall(_answer(method, head.decode(), pictures[0]))
    Thread(target=_swallow, args=(client,), daemon=True).start()
    sequence = 0
    for number, units in _paced(pictures, rate):
        bodies = [body for unit in units for body in _payloads(unit)]
        packets = []
        for last, body in zip([*[False] * (len(bodies) - 1), True], bodies, strict=True):
            stamp = round(number * _CLOCK / rate) & 0xFFFFFFFF
            packet = struct.pack(">BBHII", 0x80, 96 | last << 7, sequence & 0xFFFF, stamp, 1) + body
            packets.append(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            sequence += 1
        client.sendall(b"".join(packets))


def _answer(method: bytes, head: str, first: Sequence[bytes]) -> bytes:
    sequence = re.search(r"CSeq: *(\d+)", head)
    lines = ["RTSP/1.0 200 OK", f"CSeq: {sequence[1] if sequence else 0}", "Session: 1"]
    body = ""
    if method == b"DESCRIBE":
        sets = ",".join(base64.b64encode(unit).decode() for unit in first if unit[0] & 0x1F in (7, 8))
        body = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=bench\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
            f"a=rtpmap:96 H264/{_CLOCK}\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\n"
            "a=control:track1\r\n"
        )
        lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    elif method == b"OPTIONS":
        lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
    elif method == b"SETUP":
        lines.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
    return ("\r\n".join([*lines, "", ""]) + body).encode()


def _payloads(unit: bytes) -> Iterator[bytes]:
    """A NAL unit, or fragments of it (FU-A, RFC 6184)."""
    if len(unit) <= _MOST:
        yield unit
        return
    for start in range(1, len(unit), _MOST):
        place = (start == 1) << 7 | (start + _MOST >= len(unit)) << 6
        yield bytes([unit[0] & 0xE0 | 28, place | unit[0] & 0x1F]) + unit[start : start + _MOST]


def _swallow(client: socket.socket) -> None:
    with suppress(OSError):
        while client.recv(1 << 16):
            pass


def _paced(pictures: Pictures, rate: float) -> Iterator[tuple[int, Sequence[bytes]]]:
    """The pictures over and over, each with its number, when it is due."""
    start, number = time.monotonic(), 0
    while True:
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        yield number, pictures[number % len(pictures)]
        number += 1


# How each kind of camera encodes, how it sends, and what its address begins with.
KINDS: dict[str, tuple[Callable[[Sequence[Frame], float], Pictures], Callable[..., None], str]] = {
    "mjpeg": (jpegs, _send_jpegs, "http"),
    "rtsp": (h264, _send_h264, "rtsp"),
}


@contextmanager
def camera(kind: str, pictures: Pictures, rate: float) -> Iterator[str]:
    """A camera of one of `KINDS` that sends the pictures to each who asks, in a process; its address."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(kind, pictures, rate, theirs), daemon=True)
    process.start()
    try:
        yield f"{KINDS[kind][2]}://127.0.0.1:{ours.recv()}/stream"
    finally:
        process.kill()
        process.join()


def _serve(kind: str, pictures: Pictures, rate: float, ready: Connection) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    ready.send(listening.getsockname()[1])
    while True:
        client, _ = listening.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Thread(target=_served, args=(KINDS[kind][1], client, pictures, rate), daemon=True).start()


def _served(send: Callable[..., None], client: socket.socket, pictures: Pictures, rate: float) -> None:
    with client, suppress(OSError):  # who watches may leave at any time
        send(client, pictures, rate)
