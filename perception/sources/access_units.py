"""Pictures of H.264 and H.265 as their source has encoded them: they need not be encoded again."""

from fractions import Fraction
from typing import Literal

import av
from av.video.codeccontext import VideoCodecContext

from perception.frame import Coded
from perception.sources.connection import Packet

_START = b"\0\0\0\1"
_SETS = {"h264": frozenset({7, 8}), "h265": frozenset({32, 33, 34})}  # parameter sets' types of NAL unit
_SLICES = {"h264": range(1, 6), "h265": range(32)}  # types of what a picture itself is in


class AccessUnits:
    """Turns one track's packets into `Coded`: Annex B, with the parameter sets before each key frame.

    FFmpeg's own filter puts them before IDR pictures only, and reads a stream that may be closed by then.
    """

    def __init__(self, context: VideoCodecContext) -> None:
        self._context = context
        self._format: Literal["h264", "h265"] = "h265" if context.name == "hevc" else "h264"
        self._width, ahead = lengths_and_sets(context.extradata or b"", self._format)
        self._sets = parameter_sets(ahead, self._format)

    def of(self, packet: Packet, picture: av.VideoFrame) -> Coded | None:
        """The picture; None where the packet is not it and it alone."""
        context = self._context
        if context.name not in ("h264", "hevc") or context.has_b_frames or packet.pts is None:
            return None
        data = annex_b(bytes(packet), self._width)
        if not data or _time(packet) != _time(picture):
            return None
        if packet.is_keyframe:
            if sets := parameter_sets(data, self._format):
                self._sets = sets
            elif self._sets:
                data = self._sets + data
            else:
                return None
        return Coded(self._format, data, packet.is_keyframe)


def _time(one: "Packet | av.VideoFrame") -> Fraction | int | None:
    """When it is shown: a filter between the two may count in another unit."""
    return one.pts if one.pts is None or one.time_base is None else one.pts * one.time_base


def lengths_and_sets(extradata: bytes, form: str) -> tuple[int, bytes]:
    """What a stream tells ahead of its packets.

    Returns:
        How many bytes of length stand before each NAL unit, 0 in Annex B; and NAL units, in Annex B.
    """
    hevc = form == "h265"
    header = 22 if hevc else 5  # bytes: ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1
    if len(extradata) <= header or extradata[0] != 1:
        return 0, extradata
    place, units = header + hevc, []
    for _ in range(extradata[header] if hevc else 2):  # groups: one for each type
        begin, place = place + hevc, place + (3 if hevc else 1)  # the type stands in each unit, too
        count = int.from_bytes(extradata[begin:place]) & (0xFFFF if hevc else 31)
        while count and place < len(extradata):
            end = place + 2 + int.from_bytes(extradata[place : place + 2])
            units.append(extradata[place + 2 : end])
            place, count = end, count - 1
    return (extradata[header - 1] & 3) + 1, b"".join(_START + unit for unit in units)


def annex_b(data: bytes, width: int) -> bytes:
    """NAL units behind start codes instead of their lengths of `width` bytes; empty: they are no such."""
    if not width:
        return data
    parts: list[bytes] = []
    place = 0
    while place < len(data):
        begin = place + width
        place = begin + int.from_bytes(data[begin - width : begin])
        if place > len(data) or begin > len(data):
            return b""
        parts += _START, data[begin:place]
    return b"".join(parts)


def parameter_sets(data: bytes, form: str) -> bytes:
    """Those before the first slice, in Annex B as the data are."""
    found = []
    for unit in data.split(_START[1:])[1:]:
        kind = -1 if not unit else unit[0] >> 1 & 63 if form == "h265" else unit[0] & 31
        if kind in _SLICES[form]:
            break
        if kind in _SETS[form]:
            found.append(_START + unit.rstrip(b"\0"))  # a set ends in a bit that is 1
    return b"".join(found)
