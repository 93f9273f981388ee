"""What every sink is, and what it takes."""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from perception.classes import ClassSet
from perception.frame import Frame
from perception.health.types import Health
from perception.pixels import Pixels
from perception.scene import Scene
from perception.types import Image
from perception.uri import Resolved, Uri


@dataclass(frozen=True, slots=True)
class Publication:
    """What a sink takes for each frame."""

    frame: Frame
    scene: Scene
    overlay: Pixels


class Sink(Protocol):
    """Takes what the node publishes, in the order of the frames, from one thread.

    Attributes:
        uri: as the user wrote it, without credentials.
        wants_overlay: whether it needs the overlay drawn; else it may be given an empty one.
    """

    uri: str
    wants_overlay: bool

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> str | None:
        """Take one scene; `overlay` is uint8 (height, width, 3), BGR, the scene drawn on the frame.

        Returns:
            Why it has left the scene out on purpose, such as "inactive"; None: it has not.

        Raises:
            SinkError: it cannot be written. What was written before stays readable after `close`.
        """
        ...

    def write_health(self, health: Health) -> None:
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


@runtime_checkable
class PlaneSink(Sink, Protocol):
    """One that takes overlays as they were drawn, in planes where the source gives them: to encode video."""

    takes_planes: Literal[True]

    def write(self, frame: Frame, scene: Scene, overlay: Pixels) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What a sink is opened with.

    Attributes:
        rate: the source's nominal frame rate.
        classes: what scenes hold.
        again: after a failure in the same run: all that is there stays.
    """

    rate: float
    classes: ClassSet
    again: bool = False


@dataclass(frozen=True, slots=True)
class SinkKind:
    """What a kind of sink declares; see `perception.uri.Kind`.

    Attributes:
        shared: one sink takes the scenes of all cameras.
        viewers: it shows scenes to viewers, who come and go: a viewer that leaves costs no scene.
        single: it holds a single frame.
    """

    grammar: str
    open: "Callable[[SinkUri, Opening], Sink]"
    read: Callable[[Uri], Any] = lambda uri: uri.options({})
    on_disk: bool = False
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    shared: bool = False
    viewers: bool = False
    single: bool = False
    needs: tuple[str, ...] = ()


SinkUri: TypeAlias = Resolved[SinkKind]


def check_writable(path: Path, room: int = 0) -> bool:
    """Check, before any work, that the file can be written, with `room` more bytes.

    Returns:
        Whether it is new.

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
