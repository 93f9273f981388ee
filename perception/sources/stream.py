"""Cameras on the network: RTSP, MJPEG over HTTP, MPEG-TS over UDP, and what else FFmpeg finds at a URL."""

import errno
import socket
from urllib.parse import urlsplit, urlunsplit

import av
from av.container import InputContainer

from perception.picture_size import MAX_PIXELS
from perception.sources.base import SourceKind
from perception.sources.connection import CLOSED
from perception.sources.live import LOW_LATENCY, OPEN_S, SILENCE_S, LiveCamera
from perception.sources.rtsp_relay import RtspRelay
from perception.types import Policy
from perception.uri import Uri

EXAMPLES = {
    "rtsp": "rtsp://user:password@192.168.0.10:554/stream",
    "rtsps": "rtsps://user:password@192.168.0.10:322/stream",
    "http": "http://192.168.0.10:8080/video",
    "https": "https://192.168.0.10/video",
    "udp": "udp://0.0.0.0:5000",
}
_UNKNOWN = "its name is not known in the network"
_REASONS = (
    (socket.gaierror, _UNKNOWN),
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
    """A camera by its URL.

    Args:
        options: FFmpeg's.
    """

    def __init__(
        self,
        uri: Uri,
        options: dict[str, str],
        camera: str = "front",
        policy: Policy | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        super().__init__(uri, camera, policy, max_pixels)
        self._url = urlunsplit(urlsplit(uri.text)._replace(fragment=""))
        self._options = LOW_LATENCY | options
        self._relay: RtspRelay | None = None

    def _connect(self) -> InputContainer:
        if self._options.get("rtsp_transport") == "tcp" and not (self._relay and self._relay.unmarkable):
            return self._connect_relayed()
        self.marked = False
        container = av.open(self._url, options=self._options, timeout=(OPEN_S, SILENCE_S))
        self.clocked = container.format.name != "mpjpeg"  # whose times FFmpeg makes up
        return container

    def _connect_relayed(self) -> InputContainer:
        self._relay = RtspRelay(self._url, OPEN_S)
        try:
            container = av.open(self._relay.url, options=self._options, timeout=(OPEN_S, SILENCE_S))
        except av.error.FFmpegError:
            self._relay.close()
            raise
        self.marked = self._relay.marks
        return container

    def _explain(self, error: Exception) -> str:
        if getattr(error, "errno", 0) == errno.EIO:  # also what FFmpeg makes of a name that is not known
            return "it has broken off the connection" if _known(self._url) else _UNKNOWN
        words = super()._explain(error)
        return next((reason for kind, reason in _REASONS if isinstance(error, kind)), words)


def _known(url: str) -> bool:
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return False
    return True


def _read(uri: Uri) -> dict[str, str]:
    """FFmpeg's options. `#transport=udp` takes RTSP over UDP instead of TCP; it is not sent to the camera."""
    parts = urlsplit(uri.text)
    try:
        complete = bool(parts.hostname) and (parts.port is not None or parts.scheme != "udp")
    except ValueError:  # a port that is no number
        complete = False
    if not complete:
        raise uri.error(f"not a whole address; write it like {EXAMPLES[parts.scheme]}")
    if parts.fragment and "=" not in parts.fragment:
        raise uri.error("behind the # stands no option such as transport=udp (a # in a password is %23)")
    given = uri.options({"transport": _transport} if parts.scheme == "rtsp" else {}, parts.fragment)
    if parts.scheme != "rtsp":
        return {}
    return {"rtsp_transport": given.get("transport", _TRANSPORTS[0]), "max_delay": _REORDER_US}


def _transport(text: str) -> str:
    if text not in _TRANSPORTS:
        raise ValueError(f"allowed are {' and '.join(_TRANSPORTS)}")
    return text


KIND = SourceKind(
    "a camera on the network (rtsp://, rtsps://, http://, https://, udp://)",
    lambda given, how: StreamSource(given.uri, given.options, how.camera, how.policy, how.max_pixels),
    read=_read,
    options={"#transport": "tcp or udp, of rtsp:// [default: tcp]"},
)
