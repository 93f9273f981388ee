"""Durations: over a whole run, and of the last seconds."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.health.latency import (
    RECENT_KEPT,
    Latency,
    StageTimes,
    Stopwatch,
    typical_and_worst,
)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 30)), max_size=50), st.integers(0, 30))
def test_the_median_of_the_durations_since_a_time(spent: list[tuple[float, int]], since: int) -> None:
    latency = Latency()
    for ms, at in spent:
        latency.add(ms, at_ns=at)
    within = [ms for ms, at in spent if at >= since]
    median, worst = typical_and_worst(latency.since(since))
    assert median == pytest.approx(statistics.median(within) if within else 0)
    assert median <= worst <= max(within, default=0)
    assert sorted(latency.since(since)) == sorted(within)


def test_one_slow_in_a_hundred_is_the_99th_percentile() -> None:
    window = Latency()
    for k in range(101):
        window.add(float(k), at_ns=0)
    assert typical_and_worst(window.since(0)) == (50, 99)


def test_only_the_last_durations_are_kept() -> None:
    window = Latency()
    for k in range(RECENT_KEPT + 10):
        window.add(float(k), at_ns=0)
    assert window.since(0).size == RECENT_KEPT
    assert window.since(0).min() == 10


def test_a_stopwatch_counts_a_stage_for_its_frame_and_for_the_run() -> None:
    times = StageTimes(("infer", "draw"))
    first, second = Stopwatch(times), Stopwatch(times)
    for one in (first, second):
        with one.measure("infer"):
            pass
    with second.measure("draw"):
        pass
    assert list(first.timings_ms) == ["infer"]
    assert list(second.timings_ms) == ["infer", "draw"]
    assert (times.latencies["infer"].count, times.latencies["draw"].count) == (2, 1)


def test_a_stage_that_fails_is_counted_too() -> None:
    times = StageTimes(("infer",))
    stopwatch = Stopwatch(times)
    with pytest.raises(ZeroDivisionError), stopwatch.measure("infer"):
        raise ZeroDivisionError
    assert times.latencies["infer"].count == 1
    assert "infer" in stopwatch.timings_ms
