"""How long the stages of a frame take."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np

_RATIO = 1.01  # of neighbouring bins: percentiles are exact to one percent, in memory that does not grow


_LEAST_MS = 1e-3


_BINS = math.ceil(math.log(1e6 / _LEAST_MS, _RATIO))  # up to a thousand seconds


class Latency:
    """A distribution of durations, as a histogram with logarithmic bins."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self.cpu_s = 0.0  # what the calling thread spent of a core

    def add(self, ms: float, cpu_s: float = 0.0) -> None:
        place = int(math.log(max(ms, _LEAST_MS) / _LEAST_MS, _RATIO))
        self._counts[min(place, _BINS - 1)] += 1
        self.cpu_s += cpu_s

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    def merge(self, other: "Latency") -> None:
        """Count what the other one counted, too."""
        self._counts += other._counts
        self.cpu_s += other.cpu_s

    def percentile(self, percent: float) -> float:
        """ms that `percent` of the durations do not exceed; 0 where there are none."""
        if not self.count:
            return 0.0
        place = int(np.searchsorted(self._counts.cumsum(), self.count * percent / 100))
        return float(_LEAST_MS * _RATIO ** (place + 0.5))


class Stages:
    """How long each stage takes, in wall time and in CPU time of its thread. Any thread may measure."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.latencies = {name: Latency() for name in names}
        self._lock = Lock()

    @contextmanager
    def measure(self, name: str, timings_ms: dict[str, float]) -> Iterator[None]:
        """Count what the block takes, and put it into the frame's own timings."""
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            timings_ms[name] = 1000 * (time.perf_counter() - start)
            self.add(name, timings_ms[name], time.thread_time() - cpu)

    def add(self, name: str, ms: float, cpu_s: float = 0.0) -> None:
        with self._lock:
            self.latencies[name].add(ms, cpu_s)
