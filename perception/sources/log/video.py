"""Video whose pictures come one message each."""

from collections.abc import Iterator, Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from perception.frame import Coded
from perception.picture_size import MAX_PIXELS
from perception.pixels import Pixels
from perception.sources.log.units import FrameNumbers, ParameterSets
from perception.sources.memory import bound_pictures
from perception.sources.pictures import Pictures

T = TypeVar("T")

_FORMATS: dict[str, Literal["h264", "h265"]] = {"h264": "h264", "hevc": "h265"}


class Shown(NamedTuple):
    """A picture, the width of its pixels over their height, and its message, where that shows the same."""

    pixels: Pixels
    aspect: float
    coded: Coded | None


class VideoMessages(Generic[T]):
    """Decodes the messages of one topic. Where one is damaged or missing, so are the pictures up to the next
    key frame: decoders would show them smeared.

    Args:
        codec: h264 or hevc.
        uri: what the user calls the recording, for the notes.
        notes: what the user should know, each once.
    """

    def __init__(self, codec: str, uri: str, notes: list[str], max_pixels: int = MAX_PIXELS) -> None:
        self.codec = codec
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, VideoCodecContext)
        bound_pictures(context, max_pixels)
        context.thread_count = 1  # several would hold several pictures back
        context.flags |= Flags.output_corrupt  # so that they differ from lost ones
        self._context = context
        self._pictures = Pictures(context, uri, notes)
        self._numbers = FrameNumbers() if codec == "h264" else None
        self._sets = ParameterSets(_FORMATS[codec])
        self._waiting: dict[int, tuple[T, bytes]] = {}
        self._count = 0
        self._sound = False

    def feed(self, item: T, data: bytes) -> Iterator[tuple[T, Shown | None]]:
        """The messages whose pictures are there now; None: it cannot be shown."""
        number, self._count = self._count, self._count + 1
        if not data or (self._numbers and self._numbers.missing(data)):
            yield from self._lose()
        self._waiting[number] = item, data
        self._sets.take(data)
        try:
            packet = av.Packet(data)
            packet.pts = number
            pictures = self._context.decode(packet) if data else []  # no data would end the stream
        except av.error.FFmpegError:
            yield from self._lose()
            return
        yield from self._shown(pictures)
        if self._waiting and not self._context.has_b_frames:
            yield from self._lose()

    def flush(self) -> Iterator[tuple[T, Shown | None]]:
        """The rest, after the last message."""
        try:
            pictures = self._context.decode(None)
        except av.error.FFmpegError:
            pictures = []
        yield from self._shown(pictures)
        yield from self._given_up()

    def _shown(self, pictures: Sequence[av.VideoFrame]) -> Iterator[tuple[T, Shown | None]]:
        for picture in pictures:
            item, data = self._waiting.pop(-1 if picture.pts is None else picture.pts, (None, b""))
            if item is None:
                self._pictures.note("messages hold several pictures; the first one of each is shown")
                continue
            self._sound = not picture.is_corrupt and (self._sound or picture.key_frame)
            if not self._sound:
                yield item, None
                continue
            pixels, aspect = self._pictures.read(picture)
            yield item, Shown(pixels, aspect, self._coded(picture, data))

    def _coded(self, picture: av.VideoFrame, data: bytes) -> Coded | None:
        if self._context.has_b_frames or not self._pictures.as_stored:
            return None
        key = picture.key_frame
        return Coded(_FORMATS[self.codec], self._sets.complete(data) if key else data, key)

    def _lose(self) -> Iterator[tuple[T, None]]:
        self._sound = False
        self._context.flush_buffers()
        yield from self._given_up()

    def _given_up(self) -> Iterator[tuple[T, None]]:
        for item, _ in self._waiting.values():
            yield item, None
        self._waiting.clear()
