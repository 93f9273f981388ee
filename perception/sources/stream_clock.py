"""When a frame was captured: a stream's own clock, mapped to the host's monotonic time."""

from collections.abc import Sequence
from dataclasses import dataclass

from perception.types import NS_PER_S

_JUMP_NS = NS_PER_S  # a step of the stream's clock, against the arrivals, that is no delay but another time
_FORGET = 500e-6  # how fast the quickest transfer is forgotten; two quartz clocks part by up to 200e-6
# A delay that stays comes of a clock that is off by more, or of a longer way: then it is forgotten as well.
_LATE_NS, _FORGET_LATE_S = 150_000_000, 10.0
_GAP_NS = 100_000_000  # a longer silence is itself a delay, in which none is forgotten


@dataclass(slots=True)
class StreamClock:
    """Maps a stream's presentation times to the host's clock by its quickest transfers.

    A stamp is the presentation time plus the lower envelope of arrival − presentation: the frames that came
    quickest show how the clocks stand to each other, those that waited somewhere come out older. The shortest
    delay itself stays unknown, as no receiver can see it. The envelope forgets slowly, and so follows clocks
    that drift. Stamps never run back, and are never later than the arrival.

    Attributes:
        patient: frames may wait for as long as who reads them takes: no delay is taken for the usual one.
        jumps: how often the stream's clock was set again.
    """

    patient: bool = False
    jumps: int = 0
    _offset: float | None = None  # ns: host − stream
    _pts: int = 0
    _arrival: int = 0
    _stamp: int = 0

    def restart(self) -> None:
        """The stream begins again, with a clock of its own; stamps still never run back."""
        self._offset = None

    def expect(self, times: Sequence[tuple[int, int]]) -> None:
        """Begin with frames that came all at once: the one that waited least counts for all.

        Args:
            times: presentation time and arrival of each, in ns.
        """
        (first, arrival), *others = times
        self._pts, self._arrival, self._offset = first, arrival, arrival - first
        for pts, came in others:
            if abs(pts - first) > _JUMP_NS:  # the clock jumps among them
                break
            first, self._offset = pts, min(self._offset, came - pts)

    def stamp(self, pts_ns: int | None, arrival_ns: int) -> int:
        """When a frame was captured, by the host's clock in ns; None: its stream has no usable clock."""
        stamp = arrival_ns if pts_ns is None else pts_ns + self._envelope(pts_ns, arrival_ns)
        self._stamp = min(max(stamp, self._stamp + 1), arrival_ns)
        return self._stamp

    def _envelope(self, pts_ns: int, arrival_ns: int) -> int:
        offset = arrival_ns - pts_ns
        if self._offset is None:
            self._offset = offset
        else:
            step, waited = pts_ns - self._pts, arrival_ns - self._arrival
            late = offset - self._offset
            if step < -_JUMP_NS or step - waited > _JUMP_NS:
                self.jumps += 1
                self._offset = offset
            elif late > _LATE_NS:
                if not self.patient:
                    self._offset += late * min(waited, _GAP_NS) / 1e9 / _FORGET_LATE_S
            else:
                self._offset = min(offset, self._offset + _FORGET * waited)
        self._pts, self._arrival = pts_ns, arrival_ns
        return round(self._offset)
