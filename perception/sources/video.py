"""A recorded video, decoded by FFmpeg."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from perception.errors import ConfigError, SourceError
from perception.frame import Drop, DropReason, Frame
from perception.sources.base import SourceKind
from perception.sources.durations import Extent, declared_seconds
from perception.sources.picture_times import PictureTimes, is_timed
from perception.sources.rates import DEFAULT, header_rate, read_rate
from perception.sources.splice import Timeline, spliced
from perception.types import Image

# A backward step of MPEG's stamps is for `Timeline` to judge: FFmpeg takes each for 26.5 h gone by.
_OPTIONS = {"correct_ts_overflow": "0"}
_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class VideoSource:
    """The first video stream of a file, turned upright where the file says how it was held.

    Frames are stamped by the file's own clock, so a variable frame rate is kept; those of a raw stream, which
    has none, by `rate`, else the rate in its headers, else 25. Recordings put one after another go on along
    one timeline. Damaged frames are dropped as undecodable. A file that ends before the length that it
    declares for its video raises SourceError after its last frame.

    Args:
        rate: frames per second of a raw stream.

    Raises:
        SourceError: the file cannot be read, or holds no video.
        ConfigError: a rate is given, and the file has its own clock.
    """

    def __init__(self, path: Path, camera: str = "front", rate: float | None = None) -> None:
        self.uri, self._path = str(path), path
        self.notes: list[str] = []
        self.live = False
        self._camera = camera
        try:
            self._container = av.open(str(path), options=_OPTIONS)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"source {path}: not a readable video ({_words(error)})") from error
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:  # None: a codec that FFmpeg does not know
            self._container.close()
            what = "its codec is not known" if streams else "holds no video stream"
            raise SourceError(f"source {path}: not a readable video ({what})")
        self._stream = streams[0]
        # One thread: the node decodes ahead of the network anyway, so more would only take its cores.
        self._stream.codec_context.thread_count = 1
        timed = is_timed(self._container)
        if timed and rate is not None:
            self._container.close()
            raise ConfigError(f"source {path}: rate is refused: its frames carry times; leave it out")
        said = header_rate(self._stream)
        self._assumed = not timed and rate is None and said is None
        if timed:
            said = float(self._stream.average_rate or self._stream.guessed_rate or DEFAULT)
        self.rate = rate or said or DEFAULT
        self.length: int | None = (
            self._stream.frames or round(declared_seconds(self._container, self._stream) * self.rate) or None
        )

    def __iter__(self) -> Iterator[Frame | Drop]:
        sequence = 0
        times, timeline = (
            PictureTimes(self._container, self.rate),
            Timeline(self.rate, wraps=self._container.format.name in ("mpegts", "mpeg")),
        )
        extent = Extent(self._path, self._container, self._stream, 1 / self.rate)
        try:
            for packet in self._container.demux():
                extent.take(packet)
                if packet.stream is not self._stream:
                    continue
                times.take(packet)
                try:
                    pictures = self._stream.decode(packet)
                except av.error.InvalidDataError:
                    if not extent.broken:  # a packet cut short is reported as the cut
                        times.next(None, sequence)
                        yield self._damaged(sequence)
                        sequence += 1
                    continue
                for picture in pictures:
                    seconds = times.next(picture, sequence)
                    if picture.is_corrupt:
                        yield self._damaged(sequence)
                    else:
                        yield self._frame(picture, seconds, sequence, timeline)
                    sequence += 1
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(
                f"source {self.uri}: broke after {sequence} frames ({_words(error)})"
            ) from error
        if self._assumed and sequence > 1:
            self.notes.append(f"{self.uri}: says no rate; taken for {self.rate:g} a second, ?rate= sets it")
        if extent.cut_off():
            expected = f" of {self.length}" if self.length and self.length > sequence else ""
            raise SourceError(f"source {self.uri}: the file is cut off after {sequence}{expected} frames")

    def close(self) -> None:
        self._container.close()

    def _frame(
        self, picture: av.VideoFrame, seconds: Fraction | None, sequence: int, timeline: Timeline
    ) -> Frame:
        earlier = timeline.recording
        stamp_ns = timeline.stamp_ns(seconds, sequence)
        if timeline.recording > earlier:
            self.notes.append(f"{self.uri}: {spliced(sequence)}")
        return Frame(
            _upright(picture),
            stamp_ns,
            sequence=sequence,
            camera=self._camera,
            recording=timeline.recording,
        )

    def _damaged(self, sequence: int) -> Drop:
        return Drop(sequence, DropReason.UNDECODABLE, f"{self.uri}: frame {sequence} is damaged")


def _upright(picture: av.VideoFrame) -> Image:
    # One thread, as for decoding: see VideoSource.
    image = picture.to_ndarray(format="bgr24", threads=1).astype(np.uint8, copy=False)
    turn = _ROTATIONS.get(picture.rotation % 360)
    return image if turn is None else cv2.rotate(image, turn).astype(np.uint8, copy=False)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


KIND = SourceKind(
    "a video file (drive.mp4)",
    lambda given, how: VideoSource(Path(given.uri.place), how.camera, given.options.get("rate")),
    read=lambda uri: uri.options({"rate": read_rate}),
    on_disk=True,
)
