"""What is written into an MCAP log."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import av
import cv2

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.messages.channels import Message, Vocabulary, looked_for, recorded_ns
from perception.scene import Scene
from perception.sinks.base import Opening, Sink, check_writable
from perception.sinks.h264 import H264Video
from perception.sinks.limits import Limits
from perception.sinks.lock import OutputLock, open_locked
from perception.sinks.mcap import McapOptions
from perception.sinks.mcap_file import McapFile, holds_message
from perception.sinks.mounting import mounting
from perception.sinks.own_files import check_own
from perception.sinks.rolling import RollingSink
from perception.sinks.segments import next_free
from perception.types import NS_PER_S

Speaks: TypeAlias = Callable[..., Vocabulary]

_FLUSH_NS = NS_PER_S  # of the log's own time, so that a recording makes the same log each time
_ROOM = 1_000_000  # bytes that must be free where one begins, lest each try on a full disk leaves a stump
# Viewers draw the annotations over the picture, and chunks are compressed.
_LEFT_OUT = frozenset({"overlay", "labels/compressed", "instances/compressed"})


class McapSink:
    """All scenes of one camera with their status, be it ok or not, and its health.

    Frames have their own times: see `recorded_ns`. The node's state has that of the last frame, and in real
    time what has passed since; before the first one it waits. What changes rarely stands at the beginning,
    and again when it changes. A kill costs at most the last second. A log of this program that exists is
    overwritten, once there is something to write.

    Args:
        image: of the pictures: jpeg, h264 or none.
        header: the profile's name in the file.
        speaks: makes the vocabulary.
        lock: is released with its end.

    Raises:
        SinkError: the file cannot be written, or is somebody else's.
    """

    wants_overlay = False
    takes_planes: Literal[True] = True  # it need not become BGR for a sink that leaves it out

    def __init__(
        self,
        path: Path,
        image: str,
        header: str,
        speaks: Speaks,
        opening: Opening,
        lock: OutputLock | None = None,
    ) -> None:
        self.uri, self._path, self._header = str(path), path, header
        self._image, self._speaks, self._opening, self._lock = image, speaks, opening, lock
        self._file: McapFile | None = None
        self._vocabulary: Vocabulary | None = None
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._waiting: Health | None = None  # until the frames' clock is known
        self._flushed_ns = 0
        self._broken = False
        try:
            check_own(path)
            self._new = check_writable(path, _ROOM)
        except OSError as error:
            raise self._error(error) from error

    @property
    def size(self) -> int:
        """Bytes that are in the file by now; see `perception.sinks.rolling.Segment`."""
        return 0 if self._file is None else self._file.size

    @property
    def seconds(self) -> float:
        """Of the log, up to the last frame; by the stream's own time, as no clock that is set changes it."""
        if self._first is None or self._last is None:
            return 0.0
        return (self._last.stamp_ns - self._first.stamp_ns) / NS_PER_S

    def write(self, frame: Frame, scene: Scene, overlay: Any) -> None:
        vocabulary = self._of(scene.camera)
        kept = vocabulary.channels.keys() - _LEFT_OUT - ({"picture"} if self._image == "none" else set())
        wanted = looked_for(scene, frozenset(kept))
        stamp_ns, last = recorded_ns(frame), self._last
        self._first, self._last = self._first or frame, frame
        if last is None or mounting(last) != mounting(frame):
            self._write(vocabulary.latched(frame, stamp_ns))
        if self._waiting is not None:
            self._write(vocabulary.health(self._waiting, stamp_ns))
            self._waiting = None
        self._write(vocabulary.scene(frame, scene, overlay, stamp_ns, wanted))
        if not 0 <= stamp_ns - self._flushed_ns < _FLUSH_NS:
            self._flushed_ns = stamp_ns
            self._write((), flush=True)

    def write_health(self, health: Health) -> None:
        if self._last is None:
            self._waiting = health
            return
        last, since_ns = self._last, 0
        if health.link and last.host_ns:  # frames come in real time
            since_ns = max(0, health.stamp_ns - last.host_ns)
        self._write(self._of(health.camera).health(health, recorded_ns(last) + since_ns), flush=True)

    def close(self) -> None:
        try:
            if self._waiting is not None and self._waiting.link:  # no frame came of a live camera
                self._write(self._of(self._waiting.camera).health(self._waiting, self._waiting.wall_ns))
                self._waiting = None
            if self._file is not None:
                self._file.close()
        except OSError as error:
            if not self._broken:  # else it was reported when it broke
                self._broken = True
                raise self._error(error) from error
        finally:
            # Nothing came, or nothing got as far as the disk.
            if self._new and (self._file is None or self._file.empty):
                with suppress(OSError):  # it does no harm
                    self._path.unlink()
            self._new = False
            if self._lock is not None:
                self._lock.release()

    def _of(self, camera: str) -> Vocabulary:
        if self._vocabulary is None:
            video = [H264Video(self._opening.rate)] if self._image == "h264" else []
            self._vocabulary = self._speaks(camera, self._opening.classes, *video)
        return self._vocabulary

    def _write(self, messages: Iterable[Message], *, flush: bool = False) -> None:
        try:
            if self._file is None:
                self._file = McapFile(self._path, self._header)
            for message in messages:
                self._file.add(message)
            if flush:
                self._file.flush()
        except (av.error.FFmpegError, cv2.error, OSError) as error:
            self._broken = True
            raise self._error(error) from error

    def _error(self, error: Exception) -> SinkError:
        words = getattr(error, "strerror", None) or str(error)
        return SinkError(f"sink {self.uri}: cannot be written ({words})")


class RollingMcapSink(RollingSink):
    """Logs."""

    takes_planes: Literal[True] = True


class RollingVideoLog(RollingMcapSink):
    """Logs with video, each of which begins with a picture that can be decoded on its own."""

    def _may_begin(self, frame: Frame) -> bool:
        return H264Video.begins(frame)


def open_log(path: Path, options: McapOptions, header: str, speaks: Speaks, opening: Opening) -> Sink:
    """In pieces where options ask for it, else as one file."""
    segment = partial(McapSink, image=options.image, header=header, speaks=speaks, opening=opening)
    if options.limits != Limits():
        kind = RollingVideoLog if options.image == "h264" else RollingMcapSink
        return kind(path, options.limits, segment, holds_message)
    whole = next_free(path) if opening.again else path
    return open_locked(path, lambda lock: segment(whole, lock=lock))
