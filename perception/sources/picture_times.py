"""What a video file says of when each picture is shown."""

from fractions import Fraction
from heapq import heappop, heappush
from typing import Any

import av
from av.container import InputContainer

_NO_TIMES = 0x80  # AVFMT_NOTIMESTAMPS: raw streams, where FFmpeg makes times up


def is_timed(container: InputContainer) -> bool:
    """Whether the file carries times, and is no raw stream."""
    return not container.format.flags & _NO_TIMES


class PictureTimes:
    """Call `take` for each packet of the video, and `next` for each picture that comes or cannot be decoded.

    AVI numbers its chunks in the order of decoding, and says no more: where pictures are reordered, the
    n-th one shown has the n-th of those times.
    """

    def __init__(self, container: InputContainer, rate: float) -> None:
        self._timed, self._by_order = is_timed(container), container.format.name == "avi"
        self._period = 1 / Fraction(rate)
        self._waiting: list[Fraction] = []

    def take(self, packet: "av.Packet[Any]") -> None:
        if self._by_order and packet.size and packet.dts is not None and packet.time_base is not None:
            heappush(self._waiting, packet.dts * packet.time_base)

    def next(self, picture: av.VideoFrame | None, sequence: int) -> Fraction | None:
        """In seconds; None: it has no time."""
        if not self._timed:
            return sequence * self._period
        if self._by_order:
            return heappop(self._waiting) if self._waiting else None
        if picture is None or picture.pts is None or picture.time_base is None:
            return None
        return picture.pts * picture.time_base
