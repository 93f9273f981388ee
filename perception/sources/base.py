"""What every source is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeGuard

from perception.frame import Drop, Frame
from perception.health.types import Link
from perception.picture_size import MAX_PIXELS
from perception.types import Policy
from perception.uri import Resolved, Uri


class Source(Protocol):
    """A stream of frames.

    Iterating gives every captured frame once, in order of capture, as a Frame, or as a Drop where it could
    not be read; their sequence numbers count from 0 without a gap. A stream that breaks raises SourceError
    after its last good frame. Iteration runs in one thread, once.

    Attributes:
        uri: what the user called it.
        rate: nominal frames per second; for a recording without one, a guess that says how fast to play it.
        length: how many frames are expected; None where that is unknown or endless. A hint, for progress.
        notes: what the user should know of it in the end, e.g. files that were passed over.
        live: frames come by themselves, whether or not they are read, each with its `host_ns`.
    """

    uri: str
    rate: float
    length: int | None
    notes: list[str]
    live: bool

    def __iter__(self) -> Iterator[Frame | Drop]: ...

    def close(self) -> None:
        """Let go of files and threads, once iteration has ended."""
        ...


class LiveSource(Source, Protocol):
    """A camera. Iteration connects, waits for frames, connects again when they stop, and ends at `stop`.

    A camera that is not there, or that falls silent, raises nothing: `link` says so, and it is tried
    again with growing pauses. Only what a second try cannot help raises SourceError.
    """

    @property
    def link(self) -> Link: ...

    def stop(self) -> None:
        """End the iteration within a second; from any thread."""
        ...


def is_live(source: Source) -> TypeGuard[LiveSource]:
    """Whether its frames come by themselves, so that it has a link, and waits until it is stopped."""
    return source.live


@dataclass(frozen=True, slots=True)
class Capture:
    """How a source is read.

    Attributes:
        frames: how long one without an end of its own runs; None: as long as it likes.
        policy: of a live one; None: the freshest frame.
        camera: what its frames call it.
        max_pixels: larger pictures are not decoded.
    """

    frames: int | None = None
    policy: Policy | None = None
    camera: str = "front"
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class SourceKind:
    """What a kind of source says of itself, next to its class; see `perception.uri.Kind`.

    Attributes:
        stills: its frames are pictures on their own, each with a name.
    """

    grammar: str
    open: "Callable[[SourceUri, Capture], Source]"
    read: Callable[[Uri], Any] = lambda uri: uri.options({})
    on_disk: bool = False
    stills: bool = False
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    needs: tuple[str, ...] = ()


SourceUri: TypeAlias = Resolved[SourceKind]
