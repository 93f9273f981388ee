"""A recorded video, decoded by FFmpeg."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from perception.errors import SourceError
from perception.frame import Drop, DropReason, Frame
from perception.sources.base import SourceKind
from perception.sources.deinterlace import Deinterlacer
from perception.sources.pictures import Pictures
from perception.sources.tracks import choose_track, read_track

_FALLBACK_RATE = 25.0


class VideoSource:
    """A video track of a file: see `choose_track`; its pictures as `Pictures` shows them.

    Frames are stamped by the file's own clock, so a variable frame rate is kept. Damaged frames are dropped
    as undecodable. A file that ends before the length it declares raises SourceError after its last frame.

    Args:
        track: its number among the file's video tracks; None: the one that FFmpeg would play.

    Raises:
        SourceError: the file cannot be read, or holds no video.
    """

    def __init__(self, path: Path, camera: str = "front", track: int | None = None) -> None:
        self.uri = str(path)
        self.notes: list[str] = []
        self.live = False
        self._camera = camera
        try:
            self._container = av.open(str(path))
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(f"source {path}: not a readable video ({_words(error)})") from error
        try:
            self._stream, which = choose_track(self._container.streams.video, track)
        except ValueError as error:
            self._container.close()
            raise SourceError(f"source {path}: not a readable video ({error})") from error
        self._pictures = Pictures(self._stream, self.uri, self.notes)
        if which:
            self._pictures.note(which)
        # One thread: the node decodes ahead of the network anyway, so more would only take its cores.
        self._stream.codec_context.thread_count = 1
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or _FALLBACK_RATE)
        self.length: int | None = self._stream.frames or round(self._declared_seconds() * self.rate) or None

    def __iter__(self) -> Iterator[Frame | Drop]:
        sequence = packets = 0
        first: float | None = None  # seconds
        end = 0.0  # seconds, of the last packet
        cut = False
        deinterlacer = Deinterlacer(self._pictures.note)
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:  # the last packet is empty: it makes the decoder hand out what it holds back
                    packets += 1
                    cut = packet.is_corrupt
                    if packet.pts is not None:
                        end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                pictures: Sequence[av.VideoFrame | None]
                try:
                    pictures = packet.decode()
                except av.error.InvalidDataError:
                    pictures = () if cut else (None,)  # a packet cut short is reported as the cut
                for picture in deinterlacer.feed(pictures, last=not packet.size):
                    if picture is None:
                        yield self._damaged(sequence)
                    else:
                        now = sequence / self.rate if picture.time is None else picture.time
                        first = now if first is None else first
                        stamp_ns = round((now - first) * 1e9)
                        image, aspect = self._pictures.read(picture)
                        yield Frame(image, stamp_ns, 0, sequence, camera=self._camera, pixel_aspect=aspect)
                    sequence += 1
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(
                f"source {self.uri}: broke after {sequence} frames ({_words(error)})"
            ) from error
        # Some containers count their frames; others say how long they play, and sound may play longer.
        slack = 1.0 if len(self._container.streams) > 1 else 2 / self.rate
        if cut or packets < self._stream.frames or end + slack < self._declared_seconds():
            expected = f" of {self.length}" if self.length and self.length > sequence else ""
            raise SourceError(f"source {self.uri}: the file is cut off after {sequence}{expected} frames")

    def close(self) -> None:
        self._container.close()

    def _declared_seconds(self) -> float:
        return float((self._container.duration or 0) / av.time_base)

    def _damaged(self, sequence: int) -> Drop:
        return Drop(sequence, DropReason.UNDECODABLE, f"{self.uri}: frame {sequence} is damaged")


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


KIND = SourceKind(
    "a video file (drive.mp4)",
    lambda given, how: VideoSource(Path(given.uri.place), how.camera, **given.options),
    read=lambda uri: uri.options({"track": read_track}),
    on_disk=True,
)
