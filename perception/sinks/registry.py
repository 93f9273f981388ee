"""Where scenes go: one file a kind of sink, and `open_sink`, which knows them by their URI."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Literal

from perception.classes import ClassSet
from perception.errors import ConfigError
from perception.redact import masked
from perception.sinks.base import Sink
from perception.sinks.limits import folder_limits, split, video_limits
from perception.sinks.segments import next_free

GRAMMAR = "an H.264 video (out.mp4), a folder (labels/) or a live page (web://127.0.0.1:8080)"


def open_sink(uri: str, rate: float, classes: ClassSet, *, again: bool = False) -> Sink:
    """Open the sink of this URI; `rate` is the source's nominal frame rate, `classes` names what scenes hold.

    A video that exists is overwritten; a folder is reused, and only files of the same names are replaced.
    Nothing of either is lost before the first frame is written. Options cut it into pieces that are never
    overwritten, and bound their room: `out.mp4?minutes=10`, `?megabytes=500`, `?keep=20GB` and
    `labels/?keep=5GB`; the latter two remove the oldest pieces and frames, also those of earlier runs.

    Args:
        again: in the same run, after a failure: all that is there stays, and a video goes on in `out-2.mp4`.

    Raises:
        SinkError: it cannot be written.
        ConfigError: no sink is known by this URI, or an option is wrong.
    """
    kind = kind_of(uri)
    if kind == "web":
        from perception.sinks.web import open_web  # noqa: PLC0415 — it needs the types above

        return open_web(uri, classes)
    path, query = split(uri)
    if kind == "folder":
        from perception.sinks.folder import FolderSink  # noqa: PLC0415 — it needs the types above

        return FolderSink(path, classes, folder_limits(uri), again=again)
    if query:
        from perception.sinks.rolling import RollingVideoSink  # noqa: PLC0415 — it needs the types above

        return RollingVideoSink(path, rate, video_limits(uri))
    from perception.sinks.video import VideoSink  # noqa: PLC0415 — it needs the types above

    return VideoSink(next_free(path) if again else path, rate)


def reopening(uri: str, rate: float, classes: ClassSet) -> Callable[[], Sink]:
    """`open_sink`; from the second call on `again`."""
    calls = count()
    return lambda: open_sink(uri, rate, classes, again=next(calls) > 0)


def kind_of(uri: str) -> Literal["video", "folder", "web"]:
    """Which sink the URI means, without opening it.

    Raises:
        ConfigError: no sink is known by this URI, or an option is wrong.
    """
    if uri.startswith("web:"):
        from perception.sinks.web.address import Address  # noqa: PLC0415 — aiohttp is only for who asks for it

        Address.parse(uri)
        return "web"
    if "://" in uri:
        scheme = uri.partition("://")[0]
        raise ConfigError(f"sink {masked(uri)}: unknown kind {scheme}://; a sink is {GRAMMAR}")
    path, _ = split(uri)
    if path.suffix.lower() == ".mp4" and not path.is_dir():
        video_limits(uri)
        return "video"
    if uri.partition("?")[0].endswith("/") or path.is_dir() or not path.suffix:
        folder_limits(uri)
        return "folder"
    raise ConfigError(f"sink {uri}: unknown kind {path.suffix}; a sink is {GRAMMAR}")


def place_of(uri: str) -> Path | None:
    """The file or folder that the URI names, without its options; None for one that is no place on a disk."""
    return None if kind_of(uri) == "web" else split(uri)[0]
