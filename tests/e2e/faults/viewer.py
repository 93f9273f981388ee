"""Viewers of the live page that behave badly: sockets that speak just enough of WebSocket."""

import json
import socket
import struct
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def ask(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """The status of the page's answer, and what it says as JSON."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def open_viewer(port: int) -> socket.socket:
    """A browser that watches the camera, as far as the server can tell, and that has read nothing yet."""
    viewer = socket.create_connection(("127.0.0.1", port), 10)
    viewer.sendall(
        (
            f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Origin: http://127.0.0.1:{port}\r\n\r\n"
        ).encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += viewer.recv(1)
    assert b" 101 " in head.splitlines()[0], head
    text = b"front"
    mask = bytes(4)
    viewer.sendall(bytes((0x81, 0x80 | len(text))) + mask + text)
    return viewer


def vanish(viewer: socket.socket) -> None:
    """By a reset, without a goodbye."""
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    viewer.close()
