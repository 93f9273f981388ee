"""A camera whose parts are too large: `python -m tests.servers.parts FILE`; without a file, one without end.

It says {"url": …}, and sends the file as a picture twenty times a second, or bytes as fast as it can.
"""

import argparse
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.servers.control import obey, tell

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
_PART = b"--frame\r\nContent-Type: image/jpeg\r\n"


def serve(client: socket.socket, picture: bytes, length: bool) -> None:
    with client, suppress(OSError):
        client.recv(4096)
        client.sendall(_HEAD)
        while picture:
            client.sendall(_PART + b"Content-Length: %d\r\n\r\n%s\r\n" % (len(picture), picture))
            time.sleep(0.05)
        client.sendall(_PART + (b"Content-Length: 2000000000\r\n" if length else b"") + b"\r\n\xff\xd8")
        while True:
            client.sendall(b"\x55" * 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--length", action="store_true", help="say 2 GB, where it has no end")
    arguments = parser.parse_args()
    picture = arguments.file.read_bytes() if arguments.file else b""
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client, picture, arguments.length), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    tell(url=f"http://127.0.0.1:{server.getsockname()[1]}/stream")
    obey(lambda name, values: None)


if __name__ == "__main__":
    main()
