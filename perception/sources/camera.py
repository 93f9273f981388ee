"""A camera at this computer, by Video4Linux: `0`, `camera:0`, `camera:/dev/video0` or `/dev/video0`."""

import re
from collections.abc import Callable
from pathlib import Path

import av
from av.container import InputContainer

from perception.picture_size import MAX_PIXELS
from perception.sources.base import SourceKind
from perception.sources.connection import Packet, arrival_of
from perception.sources.link import SILENCE_S
from perception.sources.live import LOW_LATENCY, OPEN_S, LiveCamera
from perception.types import NS_PER_S, Policy
from perception.uri import Uri

_OPTIONS = {  # ours: FFmpeg's, what it has to look like, an example
    "size": ("video_size", r"[1-9][0-9]*x[1-9][0-9]*", "1280x720"),
    "rate": ("framerate", r"[1-9][0-9]*(\.[0-9]+)?", "30"),
    "format": ("input_format", r"[a-z]\w*", "mjpeg"),
}
_FRESH_NS = NS_PER_S  # a driver's stamp within this time before the arrival is by the same clock


class CameraSource(LiveCamera):
    """A V4L2 device, with options as a query: `camera:0?size=1280x720&rate=30&format=mjpeg`.

    Frames carry the driver's stamps, when it gives them by the monotonic clock.

    Args:
        options: FFmpeg's, see `_OPTIONS`.
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
        self._device = _device(uri)
        self._options = LOW_LATENCY | options
        self.rate = float(self._options.get("framerate", self.rate))

    def _connect(self) -> InputContainer:
        return av.open(self._device, format="v4l2", options=self._options, timeout=(OPEN_S, SILENCE_S))

    def _stamp(self, packet: Packet) -> int:
        whole_ns, pts_ns = arrival_of(packet).whole_ns, self._pts_ns(packet)
        monotonic = pts_ns is not None and 0 <= whole_ns - pts_ns < _FRESH_NS
        return self._clock.stamp(None, pts_ns if monotonic and pts_ns is not None else whole_ns)

    def _explain(self, error: Exception) -> str:
        match error:
            case FileNotFoundError():
                there = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
                return f"there is no {self._device} (cameras here: {there})"
            case PermissionError():
                return f"{self._device} may not be opened: add this user to the group video"
            case OSError(errno=16):
                # A driver that stalls holds up FFmpeg's read for good.
                hangs = any(one.hangs for one in self._connections)
                why = "fell silent, and its driver does not let go of it: plug it in again"
                return f"{self._device} {why if hangs else 'is in use by another program'}"
            case OSError(errno=19):
                return f"{self._device} was unplugged"
            case OSError(errno=22):
                return f"{self._device} does not take this size, rate or format"
        return super()._explain(error)


def _device(uri: Uri) -> str:
    return f"/dev/video{uri.place}" if re.fullmatch("[0-9]+", uri.place) else uri.place


def _read(uri: Uri) -> dict[str, str]:
    if not _device(uri).startswith("/dev/"):
        raise uri.error("a camera is a number or a device: camera:0 or camera:/dev/video0")
    given = uri.options({name: _like(pattern, example) for name, (_, pattern, example) in _OPTIONS.items()})
    return {_OPTIONS[name][0]: value for name, value in given.items()}


def _like(pattern: str, example: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must look like {example}")
        return text

    return read


KIND = SourceKind(
    "a camera here (0 or camera:0)",
    lambda given, how: CameraSource(given.uri, given.options, how.camera, how.policy, how.max_pixels),
    read=_read,
    options={
        "size": "WIDTHxHEIGHT, of those that the camera offers [default: its own]",
        "rate": "frames a second [default: the camera's own]",
        "format": "of its pictures, such as mjpeg or yuyv422 [default: the camera's own]",
    },
)
