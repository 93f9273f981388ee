"""Cameras on the network: RTSP, MJPEG over HTTP, MPEG-TS over UDP, and what else FFmpeg finds at a URL."""

import errno
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import av
from av.container import InputContainer

from perception.picture_size import MAX_PIXELS
from perception.sources.base import SourceKind
from perception.sources.connection import CLOSED, LostError
from perception.sources.link import SILENCE_S
from perception.sources.live import LOW_LATENCY, OPEN_S, LiveCamera
from perception.sources.redirects import MOST, asked, moved, read_hosts, untrusted
from perception.sources.rtsp_relay import RtspRelay
from perception.sources.trust import OPTIONS, Trust, read_authorities, read_tls
from perception.types import Policy
from perception.uri import Uri, one_of

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
    (av.error.ArgumentError, "what it sends is a playlist, or of no format that is read"),
    (av.error.EOFError, CLOSED),
)
_TRANSPORTS = ("tcp", "udp")
# What FFmpeg may speak and read: no playlist and no description of a session, which name others' places.
_MEDIA = (
    "mpjpeg,mjpeg,jpeg_pipe,mpegts,mpeg,mp4,mov,matroska,webm,flv,live_flv,h264,hevc,m4v,avi,ogg,asf,obu,"
    "ivf,nut"
)
_SPOKEN = {
    "rtsp": "tcp,udp,rtp",
    "rtsps": "tcp,rtp",
    "http": "http,tcp,httpproxy",
    "https": "https,tls,tcp,http,httpproxy",
    "udp": "udp",
}
_FENCES = {
    scheme: {
        "protocol_whitelist": spoken,
        "format_whitelist": "rtsp" if scheme.startswith("rtsp") else _MEDIA,
        **({"max_redirects": "0"} if scheme.startswith("http") else {}),
    }
    for scheme, spoken in _SPOKEN.items()
}
_log = logging.getLogger("perception.sources")
_REORDER_US = "100000"  # how long packets over UDP wait for one that was overtaken


@dataclass(frozen=True, slots=True)
class Opened:
    """What a URI says of how a camera is read.

    Attributes:
        url: that the camera is asked for, without what is for the node.
        options: FFmpeg's.
        trust: in its certificate.
        hosts: others that it may redirect to.
    """

    url: str = field(repr=False)
    options: dict[str, str]
    trust: Trust = field(default_factory=Trust)
    hosts: tuple[str, ...] = ()


class StreamSource(LiveCamera):
    """A camera by its URL. Nothing but its host and those allowed is read, wherever it redirects to."""

    def __init__(
        self,
        uri: Uri,
        given: Opened,
        camera: str = "front",
        policy: Policy | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        super().__init__(uri, camera, policy, max_pixels)
        self._given = given
        self._relay: RtspRelay | None = None
        self._unmarkable = False

    def close(self) -> None:
        super().close()
        if self._relay:
            self._relay.close()

    def _connect(self) -> InputContainer:
        if self._given.trust.anybody:
            words = "%s: its certificate is not verified, as asked for (tls=insecure): anybody may be it"
            _log.warning(words, self.uri, extra={"event": "tls_insecure"})
        url = self._given.url
        for _ in range(MOST):
            container, place = self._open(url)
            if container is not None:
                return container
            url = moved(url, place, self._given.hosts)
        raise LostError("it redirects again and again")

    def _open(self, url: str) -> tuple[InputContainer | None, str]:
        """What is there, or where the camera redirects to."""
        scheme = urlsplit(url).scheme
        options = LOW_LATENCY | _FENCES[scheme] | self._given.options
        if scheme.startswith("rtsp"):
            return self._open_relayed(url, options)
        self.marked = False
        if scheme == "https":
            options |= self._given.trust.ffmpeg
        try:
            container = av.open(url, options=options, timeout=(OPEN_S, SILENCE_S))
        except av.error.FFmpegError as error:
            http = scheme.startswith("http") and error.errno == errno.EIO
            if http and (place := asked(url, self._given.trust, OPEN_S)):
                return None, place
            raise
        self.clocked = container.format.name != "mpjpeg"  # whose times FFmpeg makes up
        return container, ""

    def _open_relayed(self, url: str, options: dict[str, str]) -> tuple[InputContainer | None, str]:
        self._unmarkable |= bool(self._relay and self._relay.unmarkable)
        over_udp = options["rtsp_transport"] == "udp"
        mark = not (over_udp or self._unmarkable)
        self._relay = relay = RtspRelay(url, OPEN_S, self._given.trust, mark=mark, over_udp=over_udp)
        try:
            container = av.open(relay.url, options=options, timeout=(OPEN_S, SILENCE_S))
        except av.error.FFmpegError:
            relay.close()
            if relay.moved:
                return None, relay.moved
            raise
        self.marked = relay.marks
        return container, ""

    def _explain(self, error: Exception) -> str:
        if getattr(error, "errno", 0) == errno.EIO:  # also what FFmpeg makes of a name that is not known
            return "it has broken off the connection" if _known(self._given.url) else _UNKNOWN
        if isinstance(error, ssl.SSLCertVerificationError):
            return untrusted(error)
        if isinstance(error, ssl.SSLError):
            return f"it does not speak TLS ({error.reason or error})"
        words = super()._explain(error)
        return next((reason for kind, reason in _REASONS if isinstance(error, kind)), words)


def _known(url: str) -> bool:
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return False
    return True


def _read(uri: Uri) -> Opened:
    """`#transport=udp` takes RTSP over UDP instead of TCP. The camera sees no option of the node's."""
    try:
        parts = urlsplit(uri.text)
        complete = bool(parts.hostname) and (parts.port is not None or parts.scheme != "udp")
    except ValueError:  # a port that is no number, or brackets around what is no address
        complete = False
    if not complete:
        raise uri.error(f"not a whole address; write it like {EXAMPLES[uri.scheme.lower()]}")
    if parts.fragment and "=" not in parts.fragment:
        raise uri.error("behind the # stands no option such as transport=udp (a # in a password is %23)")
    known: dict[str, Callable[[str], Any]] = {"hosts": read_hosts} if parts.scheme != "udp" else {}
    if parts.scheme == "rtsp":
        known["transport"] = one_of(_TRANSPORTS)
    given = uri.options(known, parts.fragment)
    query, trust = parts.query, Trust()
    if parts.scheme in ("rtsps", "https"):
        ours = [one for one in query.split("&") if one.partition("=")[0] in OPTIONS]
        query = "&".join(one for one in query.split("&") if one not in ours)
        read = uri.options({"tls": read_tls, "ca": read_authorities}, "&".join(ours))
        trust = Trust(read.get("ca", ""), read.get("tls", False))
    options = {"rtsp_transport": given.get("transport", _TRANSPORTS[0]), "max_delay": _REORDER_US}
    rtsp = parts.scheme in ("rtsp", "rtsps")
    url = urlunsplit(parts._replace(query=query, fragment=""))
    return Opened(url, options if rtsp else {}, trust, given.get("hosts", ()))


KIND = SourceKind(
    "a camera on the network (rtsp://, rtsps://, http://, https://, udp://)",
    lambda given, how: StreamSource(given.uri, given.options, how.camera, how.policy, how.max_pixels),
    read=_read,
    options={
        "#transport": "tcp or udp, of rtsp:// [default: tcp]",
        "#hosts": "to which it may redirect besides its own: relay.example,192.168.0.11",
        **OPTIONS,
    },
)
