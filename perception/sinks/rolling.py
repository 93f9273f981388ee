"""A video in pieces, such as out-20261121T203357Z-0001.mp4, so that weeks of it fit on a disk."""

from pathlib import Path

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene
from perception.sinks.base import Opening, Sink, SinkKind, SinkUri
from perception.sinks.limits import Limits, video_limits
from perception.sinks.segments import Budget, next_dated, next_free, numbered
from perception.sinks.video import VideoSink
from perception.types import Image


class RollingVideoSink:
    """Overlays as MP4 pieces, each a video by itself, of as many minutes and bytes as `limits` say.

    None is overwritten; where all must fit into `limits.keep`, the oldest go first, also those of earlier
    runs: every file next to the path that is named as a piece of it. What is held back to fill a fragment,
    half a second, may come on top.

    Raises:
        SinkError: a piece cannot be written, or an old one not be removed.
    """

    wants_overlay = True

    def __init__(self, path: Path, rate: float, limits: Limits) -> None:
        self.uri = str(path)
        self._path, self._rate, self._limits = path, rate, limits
        self._budget = None if limits.keep is None else Budget(limits.keep)
        try:
            if self._budget is not None:
                for piece in numbered(path).values():
                    self._budget.note(piece.name, piece, piece.stat().st_size)
            self._open()
        except OSError as error:
            raise self._error(error) from error

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        try:
            if self._full():
                self._piece.close()  # which brings its last half second, and its index
                self._make_room()
                self._open()
            self._piece.write(frame, scene, overlay)
            self._make_room()
        except OSError as error:
            raise self._error(error) from error

    def write_health(self, health: Health) -> None:
        self._piece.write_health(health)

    def close(self) -> None:
        self._piece.close()

    def _make_room(self) -> None:
        if self._budget is not None:
            self._budget.note(self._file.name, self._file, self._piece.size)
            self._budget.trim()

    def _full(self) -> bool:
        limits = self._limits
        late = limits.minutes is not None and self._piece.seconds >= 60 * limits.minutes
        return late or (limits.piece is not None and self._piece.size >= limits.piece)

    def _open(self) -> None:
        self._file = next_dated(self._path)
        self._piece = VideoSink(self._file, self._rate)

    def _error(self, error: OSError) -> SinkError:
        return SinkError(
            f"sink {self.uri}: {error.filename or 'a piece'} cannot be written ({error.strerror})"
        )


def _open(given: SinkUri, how: Opening) -> Sink:
    """In pieces where options ask for it, else as one video."""
    path = Path(given.uri.place)
    if given.options != Limits():
        return RollingVideoSink(path, how.rate, given.options)
    return VideoSink(next_free(path) if how.again else path, how.rate)


KIND = SinkKind("an H.264 video (out.mp4)", _open, read=video_limits, on_disk=True)
