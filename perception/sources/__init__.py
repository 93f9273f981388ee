"""Where frames come from: one file a kind of source, and `open_source`, which knows them by their URI."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeGuard

from perception.errors import ConfigError, SourceError
from perception.frame import Frame
from perception.policy import Policy
from perception.uris import masked

GRAMMAR = (
    "a video file (drive.mp4), a folder of images (frames/), sim: (sim:?seed=3&size=1280x720), a camera here "
    "(camera:0) or on the network (rtsp://, rtsps://, http://, https://, udp://), or gst:PIPELINE"
)


class DropReason(StrEnum):
    """Why a captured frame was not published."""

    UNDECODABLE = "undecodable"  # its bytes do not make an image
    SUPERSEDED = "superseded"  # a fresher frame was there before this one's turn came
    BACKLOG = "backlog"  # it waited in a buffer that had grown, and was passed over to catch up
    FAILED = "failed"  # the engine raised, hung, or gave what is no answer
    THINNED = "thinned"  # left out on purpose: the node has lowered its rate to keep up
    STOPPED = "stopped"  # the run ended on an error or a second signal before it was written


@dataclass(frozen=True, slots=True)
class Drop:
    """A captured frame that cannot be handed on. `message` names it, for people."""

    sequence: int
    reason: DropReason
    message: str


class LinkState(StrEnum):
    """How a live source stands with its camera."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    LOST = "lost"  # and tried again
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Link:
    """A moment of a live source's connection. From any thread.

    Attributes:
        reason: why it is not streaming, for people, without credentials; empty where there is nothing to say.
        connections: how often it was made; the first one counts.
        lag_ms: how much longer than at its quickest a frame now waits in buffers, by the stream's own clock.
    """

    state: LinkState
    reason: str = ""
    connections: int = 0
    lag_ms: float = 0.0


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

    A camera that is not there, or that falls silent, raises nothing: `link` tells, and it is tried again with
    growing pauses. Only what no second try can mend raises SourceError.
    """

    @property
    def link(self) -> Link: ...

    def stop(self) -> None:
        """End the iteration within a second; from any thread."""
        ...


def is_live(source: Source) -> TypeGuard[LiveSource]:
    """Whether its frames come by themselves, so that it has a link, and waits until it is stopped."""
    return source.live


def open_source(
    uri: str, frames: int | None = None, policy: Policy | None = None, camera: str = "front"
) -> Source:
    """Open the source of this URI.

    Args:
        frames: tells a source without an end of its own how long to run.
        policy: of a live source; None: the freshest frame.
        camera: what its frames call it.

    Raises:
        SourceError: it does not exist or cannot be read. A camera that is not there raises nothing.
        ConfigError: its options are wrong.
    """
    # Each kind is imported when it is asked for: it needs the types above, and what reads it.
    scheme, colon, _ = uri.partition(":")
    if uri.startswith("/dev/video") or (colon and scheme == "camera"):
        from perception.sources.camera import CameraSource  # noqa: PLC0415

        return CameraSource(uri, camera, policy)
    if colon and scheme == "sim":
        from perception.sources.simulated import SimulatedSource  # noqa: PLC0415

        return SimulatedSource(uri, frames, camera)
    if colon and scheme == "gst":
        from perception.sources.gstreamer import GStreamerSource  # noqa: PLC0415

        return GStreamerSource(uri, camera, policy)
    if colon and scheme == "push":
        raise ConfigError("source push: its frames are handed in by the embedding program, to a PushSource")
    if "://" in uri:
        from perception.sources.stream import EXAMPLES, StreamSource  # noqa: PLC0415

        if scheme not in EXAMPLES:
            raise ConfigError(f"source {masked(uri)}: unknown scheme {scheme}://; a source is {GRAMMAR}")
        return StreamSource(uri, camera, policy)
    path = Path(uri)
    if path.is_dir():
        from perception.sources.images import ImageSource  # noqa: PLC0415

        return ImageSource(path, camera)
    if not path.exists():
        raise SourceError(f"source {uri}: no such file or folder; a source is {GRAMMAR}")
    from perception.sources.video import VideoSource  # noqa: PLC0415

    return VideoSource(path, camera)
