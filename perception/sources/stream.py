"""Cameras on the network: RTSP, MJPEG over HTTP, MPEG-TS over UDP, and what else FFmpeg finds at a URL."""

import errno
import socket
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import av
from av.container import InputContainer

from perception.errors import ConfigError
from perception.redact import masked
from perception.sources.connection import CLOSED
from perception.sources.live import LOW_LATENCY, OPEN_S, SILENCE_S, LiveCamera
from perception.types import Policy

EXAMPLES = {
    "rtsp": "rtsp://user:password@192.168.0.10:554/stream",
    "rtsps": "rtsps://user:password@192.168.0.10:322/stream",
    "http": "http://192.168.0.10:8080/video",
    "https": "https://192.168.0.10/video",
    "udp": "udp://0.0.0.0:5000",
}
_REASONS = (
    (ConnectionRefusedError, "nothing answers at its port (connection refused)"),
    (av.error.HTTPUnauthorizedError, "it refuses this user and password (401)"),
    (av.error.HTTPForbiddenError, "it refuses this user and password (403)"),
    (av.error.HTTPNotFoundError, "it knows no such path (404)"),
    (av.error.HTTPServerError, "it is there, but does not serve now (5xx)"),
    ((av.error.ExitError, TimeoutError), "it gives no answer in time"),
    (av.error.InvalidDataError, "what it sends is no video that can be read"),
    (av.error.EOFError, CLOSED),
)
_TRANSPORTS = ("tcp", "udp")
_REORDER_US = "100000"  # how long packets over UDP wait for one that was overtaken


class StreamSource(LiveCamera):
    """A camera by its URL. `#transport=udp` takes RTSP over UDP instead of TCP; it is not sent to the camera.

    Raises:
        ConfigError: the URL has no host, or another option behind the #.
    """

    def __init__(self, uri: str, camera: str = "front", policy: Policy | None = None) -> None:
        super().__init__(uri, camera, policy)
        parts = urlsplit(uri)
        try:
            complete = bool(parts.hostname) and (parts.port is not None or parts.scheme != "udp")
        except ValueError:  # a port that is no number
            complete = False
        if not complete:
            raise ConfigError(
                f"source {masked(uri)}: not a whole address; write it like {EXAMPLES[parts.scheme]}"
            )
        self._url = urlunsplit(parts._replace(fragment=""))
        self._options = dict(LOW_LATENCY)
        options = dict(parse_qsl(parts.fragment, keep_blank_values=True))
        if parts.scheme == "rtsp":
            transport = options.pop("transport", _TRANSPORTS[0])
            if transport not in _TRANSPORTS:
                raise ConfigError(
                    f"source {self.uri}: transport={transport} must be {' or '.join(_TRANSPORTS)}"
                )
            self._options |= {"rtsp_transport": transport, "max_delay": _REORDER_US}
        if options or (parts.fragment and "=" not in parts.fragment):
            name = next(iter(options), parts.fragment)
            raise ConfigError(
                f"source {self.uri}: unknown option {name!r} behind the #; there is transport=tcp or "
                f"transport=udp, for rtsp:// (a # in a password is written %23)"
            )

    def _connect(self) -> InputContainer:
        container = av.open(self._url, options=self._options, timeout=(OPEN_S, SILENCE_S))
        self.clocked = container.format.name != "mpjpeg"  # whose times FFmpeg makes up
        return container

    def _explain(self, error: Exception) -> str:
        if getattr(error, "errno", 0) == errno.EIO:  # also what FFmpeg makes of a name that is not known
            return (
                "it has broken off the connection"
                if _known(self._url)
                else "its name is not known in the network"
            )
        words = super()._explain(error)
        return next((reason for kind, reason in _REASONS if isinstance(error, kind)), words)


def _known(url: str) -> bool:
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return False
    return True
