"""A recorded video, decoded by FFmpeg."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from perception.errors import SourceError
from perception.frame import Drop, DropReason, Frame
from perception.sources.base import SourceKind
from perception.types import Image

_FALLBACK_RATE = 25.0
_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class VideoSource:
    """The first video stream of a file, turned upright where the file says how it was held.

    Frames are stamped by the file's own clock, so a variable frame rate is kept. Damaged frames are dropped
    as undecodable. A file that ends before the length it declares raises SourceError after its last frame.

    Raises:
        SourceError: the file cannot be read, or holds no video.
    """

    def __init__(self, path: Path, camera: str = "front") -> None:
        self.uri = str(path)
        self.notes: list[str] = []
        self.live = False
        self._camera = camera
        try:
            self._container = av.open(str(path))
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
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or _FALLBACK_RATE)
        self.length: int | None = self._stream.frames or round(self._declared_seconds() * self.rate) or None

    def __iter__(self) -> Iterator[Frame | Drop]:
        sequence = packets = 0
        first: float | None = None  # seconds
        end = 0.0  # seconds, of the last packet
        cut = False
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:  # the last packet is empty: it makes the decoder hand out what it holds back
                    packets += 1
                    cut = packet.is_corrupt
                    if packet.pts is not None:
                        end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                try:
                    pictures = packet.decode()
                except av.error.InvalidDataError:
                    if not cut:  # a packet cut short is reported as the cut
                        yield self._damaged(sequence)
                        sequence += 1
                    continue
                for picture in pictures:
                    if picture.is_corrupt:
                        yield self._damaged(sequence)
                    else:
                        now = sequence / self.rate if picture.time is None else picture.time
                        first = now if first is None else first
                        stamp_ns = round((now - first) * 1e9)
                        yield Frame(_upright(picture), stamp_ns, sequence=sequence, camera=self._camera)
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


def _upright(picture: av.VideoFrame) -> Image:
    # One thread, as for decoding: see VideoSource.
    image = picture.to_ndarray(format="bgr24", threads=1).astype(np.uint8, copy=False)
    turn = _ROTATIONS.get(picture.rotation % 360)
    return image if turn is None else cv2.rotate(image, turn).astype(np.uint8, copy=False)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


KIND = SourceKind(
    "a video file (drive.mp4)",
    lambda given, how: VideoSource(Path(given.uri.place), how.camera),
    on_disk=True,
)
