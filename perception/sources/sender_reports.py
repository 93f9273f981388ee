"""A network camera's own wall clock, as its sender reports give it (RTCP, RFC 3550, 6.4.1)."""

import struct
from typing import Any

import av

_JUMP_NS = 50_000_000  # reports say when they were sent to some ms; a clock that is set steps by more
_APART_NS = 100_000_000  # arrivals jitter by less, a clock that is set steps by more
_PRODUCER_TIME = struct.Struct("<q")  # AVProducerReferenceTime: µs since 1970, and more
_REPORT = struct.Struct("<I4xQI")  # AVRTCPSenderReport: source, NTP time in s/2^32, RTP time, and more


def camera_ns(packet: "av.Packet[Any]") -> int:
    """When the packet's image was captured by the camera's clock, in ns since 1970; 0: it reports none."""
    if not packet.has_sidedata("prft"):
        return 0
    (microseconds,) = _PRODUCER_TIME.unpack_from(bytes(packet.get_sidedata("prft")))
    return int(microseconds) * 1000


class SenderReports:
    """Follows the reports of one connection."""

    def __init__(self) -> None:
        self._latest: tuple[int, int] | None = None

    def jumped(self, packet: "av.Packet[Any]") -> bool:
        """Whether the camera's clock was set since the last report.

        FFmpeg derives the times of a stream with several tracks from it, so that they jump as well.
        """
        if packet.time_base is None or not packet.has_sidedata("rtcp_sr"):
            return False
        _, ntp, rtp = _REPORT.unpack_from(bytes(packet.get_sidedata("rtcp_sr")))
        earlier, self._latest = self._latest, (ntp, rtp)
        if earlier is None:
            return False
        by_wall = (ntp - earlier[0]) * 10**9 / 2**32
        ticks = (rtp - earlier[1] + 2**31) % 2**32 - 2**31
        return bool(abs(by_wall - float(ticks * packet.time_base) * 1e9) > _JUMP_NS)


class WallClock:
    """Says `Frame.wall_ns`: by the camera's clock where it reports it, right or wrong, else this computer's.

    Ages never come from it.

    Attributes:
        note: which clock counts, for people; empty: this computer's.
    """

    def __init__(self) -> None:
        self.note = ""
        self._ahead_ns = 0
        self._set = 0

    def wall_ns(self, camera_ns: int, host_ns: int) -> int:
        """Of an image, captured then by the camera's clock (0: unknown) and by this computer's."""
        if not camera_ns:
            return host_ns
        ahead_ns = camera_ns - host_ns
        if self.note and abs(ahead_ns - self._ahead_ns) > _APART_NS:
            self._set += 1
            self.note = ""
        self._ahead_ns = ahead_ns
        if not self.note:
            again = f"; they jumped apart {self._set} times" if self._set else ""
            self.note = f"wall times are the camera's own, {_apart(ahead_ns)} this computer's{again}"
        return camera_ns


def _apart(ahead_ns: int) -> str:
    seconds = abs(ahead_ns) / 1e9
    length = f"{seconds:.1f} s" if seconds < 86_400 else f"{seconds / 86_400:.0f} days"
    return f"{length} {'ahead of' if ahead_ns > 0 else 'behind'}"
