"""When the images of a stream without a clock were taken."""

from collections import deque
from statistics import median_low

_PAUSE_NS = 250_000_000  # so long a scene may be old at most
_PAUSE_PERIODS = 2.5  # and where images come more slowly, one of them may be missing
# Images in a row that had to be waited for before they count as new again: this process may be held up itself
# while it reads what is queued, and one image alone that came late shows nothing.
_SURE = 3
_KEPT = 5  # intervals that give the period: few, as a camera slows down at night


class ArrivalClock:
    """By the arrivals alone, and rather too early than too late.

    Where nothing came for a while, because the network or this process stood still, what was sent meanwhile
    comes afterwards: all at once, and as if it were new. So after a pause the images count as taken a period
    after one another from before it, until some come that had to be waited for.
    """

    def __init__(self) -> None:
        self._intervals: deque[int] = deque(maxlen=_KEPT)
        self._arrival: int | None = None
        self._taken = 0
        self._unsure = 0  # images that must still be waited for

    def restart(self) -> None:
        """Another connection: nothing has been sent over it before."""
        self._arrival, self._unsure = None, 0

    def taken(self, arrival_ns: int) -> int:
        """When the image was taken that arrived then, in ns by the host's clock; for each, in order."""
        earlier, self._arrival = self._arrival, arrival_ns
        if earlier is None:
            self._taken = arrival_ns
            return arrival_ns
        interval = arrival_ns - earlier
        # The low one: of two intervals, one of which was the pause, the other is the period.
        period = median_low(self._intervals) if self._intervals else interval
        queued = self._unsure > 0 and interval < period / 2
        if not queued:
            self._intervals.append(interval)
        if queued or interval > max(_PAUSE_NS, _PAUSE_PERIODS * period):
            self._unsure = _SURE
        elif self._unsure:
            self._unsure -= 1
        self._taken = min(round(self._taken + period), arrival_ns) if self._unsure else arrival_ns
        return self._taken
