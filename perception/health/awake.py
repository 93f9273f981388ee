"""A clock that stands still while the whole process does: stopped by a signal, in a frozen container.

What waited for an answer meanwhile did not hang. While the machine is suspended CLOCK_MONOTONIC, by which
ages are judged, stands still by itself: `suspended_ns` says for how long.
"""

import time
from collections.abc import Callable
from functools import cache
from threading import Condition, Event, Lock, Thread

from perception.types import NS_PER_S

BEAT_S = 0.1
LONGEST_BEAT_NS = NS_PER_S // 2  # all of it counts; of a longer one the rest was a pause


class AwakeClock:
    """Goes on by half a second at most from one beat to the next. From any thread."""

    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._lock = Lock()
        self._beat_ns = self._awake_ns = monotonic_ns()

    def beat(self) -> None:
        """The process is awake."""
        with self._lock:
            now_ns = self._monotonic_ns()
            self._awake_ns += min(now_ns - self._beat_ns, LONGEST_BEAT_NS)
            self._beat_ns = now_ns

    def now_ns(self) -> int:
        """As the monotonic clock, less all pauses of the process since it began."""
        with self._lock:
            return self._awake_ns + min(self._monotonic_ns() - self._beat_ns, LONGEST_BEAT_NS)

    def now_s(self) -> float:
        return self.now_ns() / NS_PER_S


@cache
def awake_clock() -> AwakeClock:
    """The process's own, which a thread keeps going."""
    clock, never = AwakeClock(), Event()

    def work() -> None:
        while not never.wait(BEAT_S):
            clock.beat()

    Thread(target=work, name="heartbeat", daemon=True).start()
    return clock


def suspended_ns() -> int:
    """For how long the machine was suspended since some time in the past: only differences count."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


def wait_awake(changed: Condition, holds: Callable[[], bool], seconds: float) -> bool:
    """As `changed.wait_for(holds, seconds)`, but pauses of the process do not count."""
    clock = awake_clock()
    until = clock.now_s() + seconds
    while not (found := holds()) and (left := until - clock.now_s()) > 0:
        changed.wait(left)
    return found
