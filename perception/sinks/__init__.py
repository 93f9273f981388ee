"""Where scenes go: one file a kind of sink, and `open_sink`, which knows them by their URI."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.errors import ConfigError
from perception.frame import Frame
from perception.health import Health
from perception.scene import Scene
from perception.sinks.options import folder_limits, split, video_limits
from perception.sinks.pieces import next_free
from perception.uris import masked

GRAMMAR = "an H.264 video (out.mp4), a folder (labels/) or a live page (web://127.0.0.1:8080)"


@dataclass(frozen=True, slots=True)
class Publication:
    """What a sink takes at a time."""

    frame: Frame
    scene: Scene
    overlay: npt.NDArray[np.uint8]


class Sink(Protocol):
    """Takes what the node publishes, in the order of the frames, from one thread.

    Attributes:
        uri: what the user called it, without credentials.
        wants_overlay: whether it needs the overlay drawn; else it may be given an empty one.
    """

    uri: str
    wants_overlay: bool

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        """Take one scene; `overlay` is uint8 (height, width, 3), BGR, the scene drawn on the frame.

        Raises:
            SinkError: it cannot be written. What was written before stays readable after `close`.
        """
        ...

    def tell(self, health: Health) -> None:
        """Take the node's state: each second, and at once when it changes; in the thread of `write`.

        Raises:
            SinkError: as for `write`.
        """
        ...

    def close(self) -> None:
        """Finish all files. Calling it again does nothing.

        Raises:
            SinkError: the files cannot be finished.
        """
        ...


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


def claim(path: Path, room: int = 0) -> bool:
    """Find out, before any work, whether the file can be written, with so many bytes more; True where there
    was none before.

    Raises:
        OSError: it cannot be written.
    """
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if room and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            size = file.tell()
            try:
                os.posix_fallocate(file.fileno(), size, room)
            except OSError:
                if new:
                    path.unlink()
                raise
            finally:
                file.truncate(size)
    return new
