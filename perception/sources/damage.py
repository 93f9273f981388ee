"""Which pictures of a video are damaged: what is built upon lost ones is shown smeared, without a word."""

from collections.abc import Iterable
from typing import Any

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from perception.sources.access_units import annex_b, lengths_and_sets
from perception.sources.log.units import FrameNumbers

HEALED = 60  # pictures: without a key frame, after so many damage has been painted over


class Gaps:
    """Finds access units of H.264 that are missing; of other codecs none. For each packet, in order."""

    def __init__(self, context: VideoCodecContext) -> None:
        self._numbers = FrameNumbers() if context.name == "h264" else None
        self._width, ahead = lengths_and_sets(context.extradata or b"", "h264")
        if self._numbers:
            self._numbers.missing(ahead)

    def before(self, packet: "av.Packet[Any]") -> bool:
        """Whether one is missing that this packet's picture may be built upon."""
        if self._numbers is None:
            return False
        return self._numbers.missing(annex_b(bytes(packet), self._width)) and not packet.is_keyframe

    def forget(self) -> None:
        """The packets before the next one were left out."""
        if self._numbers is not None:
            self._numbers.forget()


class Damage:
    """Of a file: after a packet that is damaged or missing so are all pictures up to the next key frame.

    Args:
        context: that decodes it, before its first picture.
    """

    def __init__(self, context: VideoCodecContext) -> None:
        context.copy_opaque = True
        context.flags |= Flags.output_corrupt  # so that they can be counted
        self._alone = context.codec.intra_only  # each picture stands for itself
        self._gaps = Gaps(context)
        self._count = self._key = 0  # packets, and which of them was the latest key frame
        self._since: int | None = None  # from this packet on
        self._latest = 0  # that was damaged, or missing

    def taken(self, packet: "av.Packet[Any]") -> "av.Packet[Any]":
        """The packet, before it is decoded."""
        if packet.size:
            self._count += 1
            if packet.is_keyframe:
                self._key = self._count
            packet.opaque = self._count, self._key
            if self._gaps.before(packet):
                self._lose(self._count)
        return packet

    def broke(self) -> None:
        """The packet could not be decoded."""
        self._lose(self._count)

    def sound(self, pictures: Iterable[av.VideoFrame]) -> list[av.VideoFrame | None]:
        """Those that are decoded, in the order in which they come; None for a damaged one."""
        return [picture if self._is_sound(picture) else None for picture in pictures]

    def _is_sound(self, picture: av.VideoFrame) -> bool:
        if picture.is_corrupt:  # as long as it is built upon what was before the beginning, or a jump
            return False
        assert isinstance(picture.opaque, tuple)
        number, key = picture.opaque
        if self._since is None or key > self._since or number > self._latest + HEALED:
            return True
        return bool(number < self._since)

    def _lose(self, number: int) -> None:
        if self._alone:
            return
        if self._since is None or self._key > self._since or number > self._latest + HEALED:
            self._since = number
        self._latest = number
