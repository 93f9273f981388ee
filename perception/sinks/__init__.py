"""Where scenes go: one file a kind of sink, and `open_sink`, which knows them by their URI."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.errors import ConfigError
from perception.frame import Frame
from perception.health import Health
from perception.scene import Scene

GRAMMAR = "an H.264 video (out.mp4) or a folder (labels/)"


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


def open_sink(uri: str, rate: float, classes: ClassSet) -> Sink:
    """Open the sink of this URI; `rate` is the source's nominal frame rate, `classes` names what scenes hold.

    A video that exists is overwritten; a folder is reused, and only files of the same names are replaced.
    Nothing of either is lost before the first frame is written.

    Raises:
        SinkError: it cannot be written.
        ConfigError: no sink is known by this URI.
    """
    if kind_of(uri) == "video":
        from perception.sinks.video import VideoSink  # noqa: PLC0415 — it needs the types above

        return VideoSink(Path(uri), rate)
    from perception.sinks.folder import FolderSink  # noqa: PLC0415 — it needs the types above

    return FolderSink(Path(uri), classes)


def kind_of(uri: str) -> Literal["video", "folder"]:
    """Which sink the URI means, without opening it.

    Raises:
        ConfigError: no sink is known by this URI.
    """
    path = Path(uri)
    if path.suffix.lower() == ".mp4" and not path.is_dir():
        return "video"
    if uri.endswith("/") or path.is_dir() or not path.suffix:
        return "folder"
    raise ConfigError(f"sink {uri}: unknown kind {path.suffix}; a sink is {GRAMMAR}")


def claim(path: Path) -> bool:
    """Find out, before any work, whether the file can be written; True where there was none before.

    Raises:
        OSError: it cannot be written.
    """
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("ab").close()
    return new
