"""Overlays as an H.264 video that plays in a browser and survives an abrupt end."""

import errno
import os
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.overlay.style import RED, WHITE, text_height, text_width, write
from perception.pixels import BT601, Pixels, Yuv420, as_bgr, size_of
from perception.scene import Scene, Signal
from perception.sinks.base import check_writable
from perception.sinks.encoders import X264, Encoder, set_up
from perception.sinks.lock import OutputLock
from perception.sinks.own_files import MARK, check_own
from perception.sinks.planes import colours_of, fit, picture_of
from perception.types import Image

# The usual clock of video: a whole number of ticks at 24, 25, 30 and 60 frames/s.
_TIME_BASE = Fraction(1, 90_000)
_KEY_SECONDS = 2  # between key frames: what an abrupt end can cost, and how finely a player can seek
# A plain MP4 gets its index at the end: without it, on a full disk or after a crash, nothing plays. This one
# is written in fragments that play by themselves, and closing it adds the plain index. Each goes to the file
# once it is whole: in FFmpeg's own buffer several would wait, for a kill to lose them.
_MUXER = {"movflags": "hybrid_fragmented", "frag_duration": "500000", "flush_packets": "1"}  # µs
_ROOM = 1_000_000  # bytes that must be free where one begins, lest each try on a full disk leaves a stump


class VideoSink:
    """MP4, H.264, yuv420p, each overlay under its frame's own stamp; FFmpeg counts them from the first.

    The first frame sets the size, the shape of pixels and how colours are mixed (an image: BT.601); others
    are fitted into it, with black borders. A video that an earlier run wrote is overwritten, once the first
    frame comes. Where a camera falls silent, a dark picture that says so takes the place of its last overlay,
    until the next frame.

    Args:
        lock: is released with its end.

    Raises:
        SinkError: the file cannot be written, or is somebody else's.
    """

    wants_overlay = True
    takes_planes: Literal[True] = True

    def __init__(
        self, path: Path, rate: float, encoder: Encoder = X264, lock: OutputLock | None = None
    ) -> None:
        self.uri, self._lock = str(path), lock
        self._encoder = encoder
        self._path = path
        self._rate = Fraction(rate).limit_denominator(1001)
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._first_pts = self._last_pts = -1
        self._last: Frame | None = None
        self._aspect = 1.0  # width of a pixel over its height
        self._colours = BT601, False  # matrix, full range
        self._silent = False
        self._broken = False
        try:
            check_own(path)
            self._new = check_writable(path, _ROOM)
        except OSError as error:
            raise self._error(error) from error

    @property
    def size(self) -> int:
        """Bytes that are in the file by now.

        Raises:
            OSError: it is there no more.
        """
        return self._path.stat().st_size

    @property
    def seconds(self) -> float:
        """Of video, up to the last frame."""
        return float((self._last_pts - self._first_pts) * _TIME_BASE)

    def write(self, frame: Frame, scene: Scene, overlay: Pixels) -> None:
        self._last, self._silent = frame, False
        self._write(overlay, frame.stamp_ns, frame.pixel_aspect)

    def write_health(self, health: Health) -> None:
        silent, self._silent = self._silent, health.signal is Signal.NO_SIGNAL
        if self._silent and not silent and self._last is not None and self._last.host_ns:
            # A recording has its own time.
            stamp_ns = self._last.stamp_ns + health.stamp_ns - self._last.host_ns
            self._write(_slate(self._last, health), stamp_ns, self._last.pixel_aspect)

    def _write(self, shown: Pixels, stamp_ns: int, aspect: float) -> None:
        try:
            stream = self._stream or self._start(shown, stamp_ns, aspect)
            if not self._path.exists():  # what is written to a file that was removed, nobody sees
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            picture = picture_of(self._planes(shown, (stream.height, stream.width), aspect / self._aspect))
            # Stamps that stand still or run back (a spliced recording) would make the file unplayable.
            self._last_pts = max(_ticks(stamp_ns), self._last_pts + 1)
            picture.pts, picture.time_base = self._last_pts, _TIME_BASE
            assert self._container is not None
            self._container.mux(stream.encode(picture))
        except (av.error.FFmpegError, av.codec.codec.UnknownCodecError, OSError) as error:
            self._broken = True
            raise self._error(error) from error

    def close(self) -> None:
        container, self._container = self._container, None
        try:
            if container is not None:
                if self._stream is not None and not self._broken:
                    container.mux(self._stream.encode(None))
                container.close()
        except (av.error.FFmpegError, OSError) as error:
            if not self._broken:  # else it was reported when it broke, and its fragments play up to there
                self._broken = True
                raise self._error(error) from error
        finally:
            if self._new and not plays(self._path):  # no frame came, or none got as far as the disk
                with suppress(OSError):  # it does no harm
                    self._path.unlink()
            self._new = False
            if self._lock is not None:
                self._lock.release()

    def _planes(self, shown: Pixels, size: tuple[int, int], widened: float) -> Yuv420:
        fits = widened == 1.0 and size_of(shown) == size
        if isinstance(shown, Yuv420) and fits and colours_of(shown) == self._colours:
            return shown
        return Yuv420.of(fit(as_bgr(shown), size[1], size[0], widened), *self._colours)

    def _start(self, shown: Pixels, stamp_ns: int, aspect: float) -> VideoStream:
        self._first_pts = self._last_pts = _ticks(stamp_ns)
        self._last_pts -= 1
        self._container = av.open(f"file:{self._path}", "w", format="mp4", options=_MUXER)
        self._container.metadata["comment"] = MARK
        stream = self._container.add_stream(self._encoder.codec, rate=self._rate)
        assert isinstance(stream, VideoStream)
        # yuv420p halves the colour planes, so sides are even: an odd one grows by a pixel; none is cut off.
        stream.height, stream.width = (side + side % 2 for side in size_of(shown))
        context = stream.codec_context
        set_up(context, self._encoder, self._rate)
        self._aspect = aspect
        context.sample_aspect_ratio = Fraction(aspect).limit_denominator(255)  # H.264 has two bytes for each
        context.time_base = _TIME_BASE
        context.gop_size = max(1, round(_KEY_SECONDS * self._rate))
        context.thread_count = 1  # a second one saves no CPU time, and the network needs that core
        self._colours = matrix, full_range = colours_of(shown)
        context.colorspace, context.color_range = matrix, ColorRange.JPEG if full_range else ColorRange.MPEG
        self._stream = stream
        return stream

    def _error(self, error: Exception) -> SinkError:
        words = getattr(error, "strerror", None) or str(error)
        return SinkError(f"sink {self.uri}: cannot be written ({words})")


def _ticks(stamp_ns: int) -> int:
    return round(stamp_ns * _TIME_BASE.denominator / 1e9)


def plays(path: Path) -> bool:
    """Whether a frame can be read from it."""
    try:
        with av.open(f"file:{path}") as container:
            return any(packet.size and not packet.is_corrupt for packet in container.demux(video=0))
    except (av.error.FFmpegError, OSError, IndexError):  # it has not even a stream
        return False


def _slate(last: Frame, health: Health) -> Image:
    """A dark picture that says that the camera is silent, and since when it is known."""
    picture = np.full((last.height, last.width, 3), 24, np.uint8)
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(health.wall_ns / 1e9))
    height, y = text_height(picture), picture.shape[0] // 3
    for text, ink in ((str(health.signal), RED), (health.camera, WHITE), (when, WHITE)):
        write(picture, text, (max(0, (picture.shape[1] - text_width(text, height)) // 2), y), height, ink)
        y += height
    return picture
