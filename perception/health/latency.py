"""How long the stages of a frame take, and how old scenes are: over a whole run, and lately."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
import numpy.typing as npt

_RATIO = 1.01  # of neighbouring bins: percentiles are exact to one percent, in memory that does not grow
_LEAST_MS = 1e-3
_BINS = math.ceil(math.log(1e6 / _LEAST_MS, _RATIO))  # up to a thousand seconds
RECENT_KEPT = 2048  # durations: ten seconds at 200 fps


class Latency:
    """A distribution of durations: all as a histogram with logarithmic bins, the last ones as they are.

    Attributes:
        cpu_s: what the threads that took them spent of a core.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self._at_ns = np.zeros(RECENT_KEPT, np.int64)
        self._ms = np.zeros(RECENT_KEPT, np.float64)
        self._added = 0
        self.cpu_s = 0.0

    def add(self, ms: float, cpu_s: float = 0.0, *, at_ns: int | None = None) -> None:
        """One more, at a time by the host's monotonic clock; None: now."""
        place = int(math.log(max(ms, _LEAST_MS) / _LEAST_MS, _RATIO))
        self._counts[min(place, _BINS - 1)] += 1
        place = self._added % RECENT_KEPT
        self._at_ns[place], self._ms[place] = time.monotonic_ns() if at_ns is None else at_ns, ms
        self._added += 1
        self.cpu_s += cpu_s

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    def merge(self, other: "Latency") -> None:
        """Count what the other one counted over its whole run, too."""
        self._counts += other._counts
        self.cpu_s += other.cpu_s

    def percentile(self, percent: float) -> float:
        """ms that `percent` of the durations do not exceed; 0 where there are none."""
        if not self.count:
            return 0.0
        place = int(np.searchsorted(self._counts.cumsum(), self.count * percent / 100))
        return float(_LEAST_MS * _RATIO ** (place + 0.5))

    def since(self, at_ns: int) -> npt.NDArray[np.float64]:
        """float64 (n,): ms of those added at that time or later, at most the last 2048, in no order."""
        filled = min(self._added, RECENT_KEPT)
        found: npt.NDArray[np.float64] = self._ms[:filled][self._at_ns[:filled] >= at_ns]
        return found


def typical_and_worst(ms: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Median and 99th percentile; 0, 0 where there are none."""
    if not ms.size:
        return 0.0, 0.0
    median, worst = np.percentile(ms, (50, 99))
    return float(median), float(worst)


class StageTimes:
    """How long each stage takes, in wall time and in CPU time of its thread. Any thread may add and ask."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.latencies = {name: Latency() for name in names}
        self._lock = Lock()

    def add(self, name: str, ms: float, cpu_s: float = 0.0, *, at_ns: int | None = None) -> None:
        with self._lock:
            self.latencies[name].add(ms, cpu_s, at_ns=at_ns)

    def since(self, name: str, at_ns: int) -> npt.NDArray[np.float64]:
        """See `Latency.since`; empty for a stage that is not measured."""
        with self._lock:
            latency = self.latencies.get(name)
            return np.zeros(0) if latency is None else latency.since(at_ns)


class Stopwatch:
    """Measures the stages of one frame, in one thread after the other.

    Attributes:
        timings_ms: how long each stage took.

    Args:
        times: where the stages are counted, too.
    """

    def __init__(self, times: StageTimes | None = None) -> None:
        self.timings_ms: dict[str, float] = {}
        self._times = times

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count what the block takes."""
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            ms = self.timings_ms[name] = 1000 * (time.perf_counter() - start)
            if self._times is not None:
                self._times.add(name, ms, time.thread_time() - cpu)
