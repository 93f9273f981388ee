"""Between a camera and FFmpeg, which reads RTSP by itself and lets nobody see its packets."""

import logging
import re
import socket
import struct
from contextlib import suppress
from threading import Thread
from urllib.parse import urlsplit, urlunsplit

from perception.engines.background import end_or_leave
from perception.redact import masked
from perception.sources.picture_ends import MovedError, PictureEnds, UnmarkableError
from perception.sources.trust import Trust, secured

_PORTS = {"rtsp": 554, "rtsps": 322}
ENDS_S = 1.0  # without its connections it does
_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: the other side sees that the connection was broken off
_TRANSPORT = re.compile(rb"(?<=\r\n)transport:[^\r\n]*", re.IGNORECASE)
_SOURCE = re.compile(rb";\s*source=[^;,\r\n]*", re.IGNORECASE)
_log = logging.getLogger("perception.sources")


class RtspRelay:
    """Connects to the camera of an RTSP URL, and lets one client read it at `url`: see PictureEnds.

    It speaks TLS with a camera of rtsps://, and does not let the client follow where the camera redirects to,
    nor send its reports over UDP to others. It ends when either of them ends its connection, or at `close`.

    Attributes:
        url: with the user and password of the camera's.
        unmarkable: it has ended because no picture's end can be seen; the camera is to be read without marks.
        moved: it has ended because the camera redirects to there; empty: it does not.

    Args:
        mark: the ends of pictures.
        over_udp: the camera sends pictures to the client past the relay.

    Raises:
        OSError: the camera cannot be reached, or is another one than its certificate says.
    """

    def __init__(
        self, url: str, timeout_s: float, trust: Trust, mark: bool = True, over_udp: bool = False
    ) -> None:
        parts = urlsplit(url)
        login, at, place = parts.netloc.rpartition("@")
        address = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._camera: socket.socket = socket.create_connection(address, timeout_s)
        if parts.scheme == "rtsps":
            self._camera = secured(self._camera, trust, address[0])
        else:
            self._camera.settimeout(None)
        # The client opens its sockets for UDP in the family of the address that it has connected to.
        family, host = self._camera.family, "[::1]" if self._camera.family is socket.AF_INET6 else "127.0.0.1"
        self._listening = socket.create_server((host.strip("[]"), 0), family=family, backlog=1)
        self._listening.settimeout(timeout_s)
        own = f"{host}:{self._listening.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(scheme="rtsp", netloc=f"{login}{at}{own}"))
        self.unmarkable, self.moved = False, ""
        self._ends = PictureEnds(mark)
        self._source = self._camera.getpeername()[0].encode() if over_udp else b""
        self._shown, self._own, self._place = (
            masked(url),
            f"rtsp://{own}".encode(),
            f"{parts.scheme}://{place}".encode(),
        )
        self._thread = Thread(target=self._run, name="rtsp relay", daemon=True)
        self._thread.start()

    @property
    def marks(self) -> bool:
        """Whether the ends of its pictures are marked."""
        return self._ends.marks

    def close(self) -> None:
        """For a client that gave up; from any thread, and again."""
        _end(self._listening)
        _end(self._camera)
        end_or_leave(self._thread, ENDS_S)

    def _run(self) -> None:
        with self._camera, suppress(OSError):
            with self._listening:
                client, _ = self._listening.accept()
            with client:
                for one in (self._camera, client):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                requests = Thread(target=self._hand_up, args=(client,), name="rtsp requests", daemon=True)
                requests.start()
                try:
                    self._hand_down(client)
                finally:
                    _end(client)
                    _end(self._camera)
                    requests.join()

    def _hand_down(self, client: socket.socket) -> None:
        try:
            while data := self._camera.recv(_CHUNK):
                client.sendall(self._from_camera(self._ends.feed(data)))
        except MovedError as error:
            self.moved = str(error)
        except UnmarkableError as error:
            self.unmarkable = True
            words = "%s: %s; it is connected to again, and each picture comes with the next one"
            _log.warning(words, self._shown, error, extra={"event": "unmarkable"})
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            raise

    def _from_camera(self, messages: bytes) -> bytes:
        """With the camera as who sends over UDP: it would be the relay, or whom the camera names."""
        if not self._source:
            return messages
        return _TRANSPORT.sub(lambda found: _SOURCE.sub(b"", found[0]) + b";source=" + self._source, messages)

    def _hand_up(self, client: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                # The camera is asked under its own name, unless that would break a digest of what was asked.
                own = b"Authorization: Digest" in data
                self._camera.sendall(data if own else data.replace(self._own, self._place))
        _end(self._camera)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
