"""The clock that stands still while the process does."""

import time
from threading import Condition
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.health.awake import LONGEST_BEAT_NS, AwakeClock, awake_clock, wait_awake

S = 1_000_000_000


class Time:
    def __init__(self) -> None:
        self.now_ns = 10**12

    def __call__(self) -> int:
        return self.now_ns


def test_a_pause_of_seven_seconds_is_half_a_second_however_soon_it_is_asked() -> None:
    now = Time()
    clock = AwakeClock(now)
    begun = clock.now_ns()
    now.now_ns += S // 10
    clock.beat()
    assert clock.now_ns() - begun == S // 10
    now.now_ns += 7 * S  # stopped, and asked before the next beat
    assert clock.now_ns() - begun == S // 10 + LONGEST_BEAT_NS
    clock.beat()
    assert clock.now_ns() - begun == S // 10 + LONGEST_BEAT_NS


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * S)), max_size=30))
def test_it_never_goes_back_and_never_ahead_of_the_monotonic_clock(steps: list[tuple[bool, int]]) -> None:
    now = Time()
    clock = AwakeClock(now)
    last, first = clock.now_ns(), now.now_ns
    for beats, step in steps:
        now.now_ns += step
        if beats:
            clock.beat()
        assert last <= clock.now_ns() <= last + step
        assert clock.now_ns() - first <= now.now_ns - first
        last = clock.now_ns()


class Pausing:
    """A condition of which each wait takes as long as it may; in the second one the process is stopped."""

    def __init__(self, now: Time, clock: AwakeClock) -> None:
        self._now, self._clock, self.waits = now, clock, 0

    def wait(self, seconds: float) -> None:
        self.waits += 1
        if self.waits == 2:
            self._now.now_ns += 3600 * S
            self._clock.beat()
        for _ in range(10):  # beats go on meanwhile
            self._now.now_ns += round(min(seconds, 1.0) * S / 10)
            self._clock.beat()


def test_waiting_goes_on_after_a_pause_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour's, in 30 s of patience: 29.5 s of it are left, since half a second of the pause counts."""
    now = Time()
    clock = AwakeClock(now)
    monkeypatch.setattr("perception.health.awake.awake_clock", lambda: clock)
    changed = Pausing(now, clock)
    assert not wait_awake(cast(Condition, changed), lambda: False, 30.0)
    assert 29 <= changed.waits <= 31
    assert wait_awake(cast(Condition, changed), lambda: changed.waits > 40, 30.0)
    assert changed.waits == 41


def test_the_processs_own_clock_goes_on() -> None:
    clock = awake_clock()
    assert clock is awake_clock()
    begun, deadline = clock.now_ns(), time.monotonic() + 20
    while clock.now_ns() - begun < 2 * LONGEST_BEAT_NS:  # beyond what it would do without a beat
        assert time.monotonic() < deadline
        time.sleep(0.05)
