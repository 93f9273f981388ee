"""Packets into pictures, one by one, each as soon as it is whole."""

from collections.abc import Iterator, Sequence

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from perception.sources.connection import Packet, arrival_of
from perception.sources.damage import Gaps

_HEALED_NS = 2_000_000_000  # without a key frame, after so long damage has been painted over


class Decoder:
    """Decodes the packets of one connection.

    What comes before the first good picture, which takes a key frame, gives nothing. A picture that is
    built upon a damaged or a missing one counts as damaged itself, up to the next key frame.
    """

    def __init__(self, context: VideoCodecContext) -> None:
        context.thread_count = 1  # several would hold several pictures back
        context.copy_opaque = True
        context.flags |= Flags.output_corrupt  # so that they can be counted
        self._context = context
        self._alone = context.codec.intra_only  # each picture stands for itself
        self._gaps = Gaps(context)
        self._begun = self._skipping = False
        self._damaged_ns: int | None = None  # when a picture was, upon which others are built

    def decode(self, packet: Packet) -> Iterator[av.VideoFrame | None]:
        """Its pictures; None for one that is damaged, or that cannot be decoded after `skip`."""
        key, now_ns = packet.is_keyframe or self._alone, arrival_of(packet).whole_ns
        if key or (self._damaged_ns and now_ns - self._damaged_ns > _HEALED_NS):
            self._damaged_ns = None
        if self._gaps.before(packet):
            self._damaged_ns = now_ns
        try:
            pictures = self._context.decode(packet)
        except av.error.FFmpegError:
            self._damaged_ns = now_ns
            if key or self._begun:
                yield None
            return
        for picture in pictures:
            if picture.is_corrupt:
                self._damaged_ns = now_ns
            self._begun |= self._damaged_ns is None
            if self._begun:
                yield None if self._damaged_ns else picture
        if self._skipping and not pictures and not key:
            yield None
        self._skipping &= not key

    def unneeded(self, packets: Sequence[Packet]) -> int:
        """How many of the first packets need not be decoded when only the last picture is wanted."""
        if self._alone:
            return len(packets) - 1
        return max((index for index, packet in enumerate(packets) if packet.is_keyframe), default=0)

    def skip(self) -> None:
        """The packets before the next one are missing: forget what was decoded, until a key frame comes."""
        if not self._alone:
            self._gaps.forget()
            self._context.flush_buffers()
            self._skipping = self._begun
