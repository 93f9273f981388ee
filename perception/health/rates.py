"""How often something comes, and how steadily, over the last seconds."""

from collections import deque

import numpy as np

from perception.types import NS_PER_MS, NS_PER_S

WINDOW_NS = 2 * NS_PER_S  # long enough to be steady over bursts, short enough to show a new pace soon
INTERVALS = 64  # the period is their median: two seconds at 30 fps
BURST = 4  # frames that a network may hand on at once: the period is a mean over so many intervals
FEWEST = 10  # intervals that tell more than the nominal rate does, even with a gap among them
SOME = 3  # that tell of a camera slower than that, as many a network camera is, which says nothing of it


class Rate:
    """Arrivals, by the times in ns at which they came. Not for several threads at once.

    Args:
        nominal: a second; what counts as long as too few have come to tell.
    """

    def __init__(self, nominal: float) -> None:
        self.nominal = nominal
        self._times: deque[int] = deque(maxlen=4096)  # of the last seconds; bounds a flood
        self._intervals: deque[int] = deque(maxlen=INTERVALS)
        self._median_ns: float | None = None  # worked out when it is wanted

    def arrived(self, at_ns: int) -> None:
        """One more; a time before the last one counts as the same."""
        if self._times:
            at_ns = max(at_ns, self._times[-1])
            self._intervals.append(at_ns - self._times[-1])
        self._times.append(at_ns)
        self._median_ns = None

    @property
    def period_s(self) -> float:
        """The usual interval, in s; at first the nominal one.

        The median, so that a gap does not count, of means over a few, so that bursts do not either.
        """
        if len(self._intervals) < FEWEST:
            slow_ns = float(np.median(self._intervals)) if len(self._intervals) >= SOME else 0.0
            return max(1 / self.nominal, slow_ns / NS_PER_S)
        if self._median_ns is None:
            passed = np.cumsum(np.array((0, *self._intervals), np.int64))
            self._median_ns = float(np.median(passed[BURST:] - passed[:-BURST])) / BURST
        return self._median_ns / NS_PER_S if self._median_ns else 1 / self.nominal

    @property
    def jitter_ms(self) -> float:
        """Median absolute deviation of the last intervals from their median."""
        if len(self._intervals) < FEWEST:
            return 0.0
        intervals = np.asarray(self._intervals)
        return float(np.median(np.abs(intervals - np.median(intervals)))) / NS_PER_MS

    def silent_ms(self, now_ns: int) -> float | None:
        """Since the last arrival; None before the first."""
        return max(0, now_ns - self._times[-1]) / NS_PER_MS if self._times else None

    def per_second(self, now_ns: int) -> float:
        """Over the last two seconds, or four periods if they are longer; 0 where fewer than two came."""
        times, window_ns = self._times, max(WINDOW_NS, round(4 * self.period_s * NS_PER_S))
        while len(times) > 1 and now_ns - times[0] > window_ns:
            times.popleft()
        if len(times) < 2:
            return 0.0
        # The next one is not late before a period has passed; from then on silence counts.
        until = max(times[-1], now_ns - round(self.period_s * NS_PER_S))
        return (len(times) - 1) * NS_PER_S / max(until - times[0], 1)
