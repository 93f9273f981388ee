"""Which images of a stream without a clock have waited on their way."""

from collections import deque
from statistics import median

_PAUSE_NS = 250_000_000  # so long a scene may be old at most
_PAUSE_PERIODS = 2.5  # and where images come more slowly, one of them may be missing
_KEPT = 5  # intervals that tell the period: few, as a camera slows down at night


class Queued:
    """Tells it by the arrivals alone.

    Where nothing came for a while, because the network or this process stood still, what was sent meanwhile
    comes afterwards: all at once, and as if it were new. So after a pause nobody knows how old the first
    image is, nor those that follow one another faster than they are taken.
    """

    def __init__(self) -> None:
        self._intervals: deque[int] = deque(maxlen=_KEPT)
        self._arrival: int | None = None
        self._waited = False

    def restart(self) -> None:
        """Another connection: nothing has been sent over it before."""
        self._arrival, self._waited = None, False

    def waited(self, arrival_ns: int) -> bool:
        """Whether the image that arrived then may have waited; told of each one, in their order."""
        earlier, self._arrival = self._arrival, arrival_ns
        if earlier is None:
            return False
        interval = arrival_ns - earlier
        period = median(self._intervals) if self._intervals else interval
        if self._waited and interval < period / 2:
            return True
        self._waited = interval > max(_PAUSE_NS, _PAUSE_PERIODS * period)
        self._intervals.append(interval)
        return self._waited
