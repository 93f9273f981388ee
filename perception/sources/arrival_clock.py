"""When the images of a stream without a clock were taken."""

from collections import deque
from statistics import median

_PAUSE_NS = 250_000_000  # so long a scene may be old at most
_PAUSE_PERIODS = 2.5  # and where images come more slowly, one of them may be missing
_KEPT = 5  # intervals that give the period: few, as a camera slows down at night


class ArrivalClock:
    """By the arrivals alone, and rather too early than too late.

    Where nothing came for a while, because the network or this process stood still, what was sent meanwhile
    comes afterwards: all at once, and as if it were new. So after a pause the images count as taken a period
    after one another from before it, until one comes that had to be waited for.
    """

    def __init__(self) -> None:
        self._intervals: deque[int] = deque(maxlen=_KEPT)
        self._arrival: int | None = None
        self._taken = 0
        self._waited = False

    def restart(self) -> None:
        """Another connection: nothing has been sent over it before."""
        self._arrival, self._waited = None, False

    def taken(self, arrival_ns: int) -> int:
        """When the image was taken that arrived then, in ns by the host's clock; for each, in order."""
        earlier, self._arrival = self._arrival, arrival_ns
        if earlier is None:
            self._taken = arrival_ns
            return arrival_ns
        interval = arrival_ns - earlier
        period = median(self._intervals) if self._intervals else interval
        if not (self._waited and interval < period / 2):
            self._waited = interval > max(_PAUSE_NS, _PAUSE_PERIODS * period)
            self._intervals.append(interval)
        self._taken = min(round(self._taken + period), arrival_ns) if self._waited else arrival_ns
        return self._taken
