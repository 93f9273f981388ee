"""A camera at this computer, by Video4Linux: `camera:0`, `camera:/dev/video0` or `/dev/video0`."""

import re
from pathlib import Path
from urllib.parse import parse_qsl

import av
from av.container import InputContainer

from perception.errors import ConfigError
from perception.sources.connection import Packet, arrival_of
from perception.sources.live import LOW_LATENCY, OPEN_S, SILENCE_S, LiveCamera
from perception.types import Policy

_OPTIONS = {  # ours: FFmpeg's, what it has to look like, an example
    "size": ("video_size", r"[1-9]\d*x[1-9]\d*", "1280x720"),
    "rate": ("framerate", r"[1-9]\d*(\.\d+)?", "30"),
    "format": ("input_format", r"[a-z]\w*", "mjpeg"),
}
_FRESH_NS = 1_000_000_000  # a driver's stamp within this time before the arrival is by the same clock


class CameraSource(LiveCamera):
    """A V4L2 device, with options as a query: `camera:0?size=1280x720&rate=30&format=mjpeg`.

    Frames carry the driver's stamps, when it gives them by the monotonic clock.

    Raises:
        ConfigError: it is no device's name, or an option is unknown or has a wrong value.
    """

    def __init__(self, uri: str, camera: str = "front", policy: Policy | None = None) -> None:
        super().__init__(uri, camera, policy)
        name, _, query = uri.removeprefix("camera:").partition("?")
        self._device = f"/dev/video{name}" if name.isdecimal() else name
        if not self._device.startswith("/dev/"):
            raise ConfigError(
                f"source {uri}: a camera is a number or a device: camera:0 or camera:/dev/video0"
            )
        self._options = dict(LOW_LATENCY)
        for key, value in parse_qsl(query, keep_blank_values=True):
            if key not in _OPTIONS:
                raise ConfigError(f"source {uri}: unknown option {key!r}; there are {', '.join(_OPTIONS)}")
            option, pattern, example = _OPTIONS[key]
            if not re.fullmatch(pattern, value):
                raise ConfigError(f"source {uri}: {key}={value} must look like {key}={example}")
            self._options[option] = value
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
                return f"{self._device} is in use by another program"
            case OSError(errno=19):
                return f"{self._device} was unplugged"
            case OSError(errno=22):
                return f"{self._device} does not take this size, rate or format"
        return super()._explain(error)
