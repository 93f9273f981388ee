"""Pictures of H.264 and H.265 as their source has encoded them: they need not be encoded again."""

import av
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from perception.frame import Coded
from perception.sources.connection import Packet

_START = b"\0\0\0\1"
_SETS = {"h264": frozenset({7, 8}), "hevc": frozenset({32, 33, 34})}  # parameter sets' types of NAL unit
_SLICES = {"h264": range(1, 6), "hevc": range(32)}  # types of what a picture itself is in


class AccessUnits:
    """Turns one track's packets into `Coded`: Annex B, with the parameter sets before each key frame.

    FFmpeg's filter puts them before IDR pictures only, and not at all where a stream tells them once.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._context = stream.codec_context
        self._codec = self._context.name
        self._filter: BitStreamFilterContext | None = None
        self._sets = b""
        if self._codec in _SETS:
            self._filter = BitStreamFilterContext(f"{self._codec}_mp4toannexb", stream)
            told = self._context.extradata or b""
            self._sets = self._parameter_sets(told) if told.startswith((_START, _START[1:])) else b""

    def of(self, packet: Packet, picture: av.VideoFrame) -> Coded | None:
        """The picture, of which the packet is empty then; None where the packet is not it and it alone."""
        reordered = self._context.has_b_frames or packet.pts is None or packet.pts != picture.pts
        if self._filter is None or reordered or not packet.size:
            return None
        key = packet.is_keyframe
        try:
            data = b"".join(bytes(one) for one in self._filter.filter(packet))
        except av.error.FFmpegError:  # it could be decoded all the same
            return None
        if key and (sets := self._parameter_sets(data)):
            self._sets = sets
        elif key:
            data = self._sets + data
        if key and not self._sets:
            return None
        return Coded("h264" if self._codec == "h264" else "h265", data, key)

    def _parameter_sets(self, data: bytes) -> bytes:
        """Those before the first slice."""
        found = []
        for unit in data.split(_START[1:])[1:]:
            kind = unit[0] & 31 if self._codec == "h264" else unit[0] >> 1 & 63
            if kind in _SLICES[self._codec]:
                break
            if kind in _SETS[self._codec]:
                found.append(_START + unit.rstrip(b"\0"))  # a set ends in a bit that is 1
        return b"".join(found)
