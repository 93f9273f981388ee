"""Files in segments, such as out-20261121T203357Z-0001.mp4, so that weeks fit on a disk; videos."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.files.dated import numbered
from perception.scene import Scene
from perception.sinks.base import Opening, Sink, SinkKind, SinkUri
from perception.sinks.encoders import X264, Encoder, read_encoder
from perception.sinks.limits import VIDEO_LIMITS, Limits, video_limits
from perception.sinks.lock import OutputLock, open_locked
from perception.sinks.segments import Budget, next_dated, next_free
from perception.sinks.video import VideoSink, plays
from perception.sinks.views import VIEW_OPTION, read_view, with_view
from perception.uri import Uri

STUMP = 4096  # bytes: a segment without its first frame is not larger
FULL = (errno.ENOSPC, errno.EDQUOT)


class Segment(Sink, Protocol):
    """A sink of one file.

    Attributes:
        size: bytes that are in it by now; raises OSError where it is there no more.
        seconds: of the stream's own time, up to the last frame.
    """

    @property
    def size(self) -> int: ...
    @property
    def seconds(self) -> float: ...


class RollingSink:
    """A file in segments, each one by itself, of as many minutes and bytes as `limits` say.

    None is overwritten. Where all must fit into `limits.keep`, the oldest are removed first, also those of
    earlier runs: every file next to the path that is named as a segment of it. What a segment holds back may
    exceed that: half a second of a video.

    Args:
        opener: opens a segment at a path.
        holds: whether a file that is hardly larger than nothing holds a frame.

    Raises:
        SinkError: a segment cannot be written, or an old one not be removed.
    """

    wants_overlay = False

    def __init__(
        self,
        path: Path,
        limits: Limits,
        opener: Callable[[Path], Segment],
        holds: Callable[[Path], bool],
    ) -> None:
        self.uri = str(path)
        self._path, self._limits, self._opener, self._holds = path, limits, opener, holds
        self._budget = None if limits.keep is None else Budget(limits.keep)
        try:
            self._lock = OutputLock(path)
        except OSError as error:
            raise self._error(error) from error
        try:
            self._note_earlier()
            self._open()
        except OSError as error:
            self._lock.release()
            raise self._error(error) from error
        except SinkError:
            self._lock.release()
            raise

    def write(self, frame: Frame, scene: Scene, overlay: Any) -> None:
        try:
            if self._full() and self._may_begin(frame):
                self._segment.close()  # which writes what it has held back, and its index
                self._make_room()
                self._open()
            self._segment.write(frame, scene, overlay)
            self._make_room()
        except OSError as error:
            raise self._error(error) from error

    def write_health(self, health: Health) -> None:
        self._segment.write_health(health)

    def close(self) -> None:
        try:
            self._segment.close()
        finally:
            self._lock.release()

    def _note_earlier(self) -> None:
        """Count the segments that are there, less what a kill in its first second has left of one."""
        for segment in numbered(self._path).values():
            size = segment.stat().st_size
            if size < STUMP and not self._holds(segment):
                segment.unlink()
            elif self._budget is not None:
                self._budget.note(segment.name, segment, size)

    def _may_begin(self, frame: Frame) -> bool:
        """Whether a segment can begin with it."""
        return True

    def _make_room(self) -> None:
        if self._budget is not None:
            self._budget.note(self._file.name, self._file, self._segment.size)
            self._budget.trim()
            self._budget.make_room(self._path.parent)

    def _full(self) -> bool:
        limits = self._limits
        late = limits.minutes is not None and self._segment.seconds >= 60 * limits.minutes
        return late or (limits.segment is not None and self._segment.size >= limits.segment)

    def _open(self) -> None:
        """A new segment; the oldest ones give way to it where the disk has no room."""
        self._file = next_dated(self._path)
        while True:
            try:
                self._segment = self._opener(self._file)
            except SinkError as error:
                full = isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL
                if not full or self._budget is None or not self._budget.drop_oldest():
                    raise
            else:
                return

    def _error(self, error: OSError) -> SinkError:
        what = error.filename or "a segment"
        return SinkError(f"sink {self.uri}: {what} cannot be written ({error.strerror})")


class RollingVideoSink(RollingSink):
    """Overlays as MP4."""

    wants_overlay = True
    takes_planes: Literal[True] = True


def _open(given: SinkUri, how: Opening) -> Sink:
    """In pieces where options ask for it, else as one video."""
    path, (limits, encoder, view) = Path(given.uri.place), given.options
    sink: Sink
    if limits != Limits():
        sink = RollingVideoSink(path, limits, lambda file: VideoSink(file, how.rate, encoder), plays)
    else:
        whole = next_free(path) if how.again else path
        sink = open_locked(path, lambda lock: VideoSink(whole, how.rate, encoder, lock=lock))
    return with_view(sink, view, how.classes)


def _read(uri: Uri) -> tuple[Limits, Encoder, str]:
    values = uri.options({**VIDEO_LIMITS, "encoder": read_encoder, "view": read_view})
    encoder, view = values.pop("encoder", X264), values.pop("view", "overlay")
    return video_limits(uri, values), encoder, view


KIND = SinkKind(
    "an H.264 video (out.mp4)",
    _open,
    read=_read,
    on_disk=True,
    options={
        "minutes": "of each segment, which then have dated names",
        "megabytes": "of each segment",
        "keep": "such as 20GB: room of all segments, also of earlier runs; the oldest go",
        "encoder": "x264, nvenc, qsv, v4l2m2m, or auto: the first that opens [default: x264]",
        **VIEW_OPTION,
    },
)
