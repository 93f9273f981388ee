import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.health.latency import Latency


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_percentiles_are_exact_to_one_percent(durations: list[float], percent: int) -> None:
    latency = Latency()
    for ms in durations:
        latency.add(ms)
    exact = float(np.percentile(durations, percent, method="inverted_cdf"))
    assert latency.percentile(percent) == pytest.approx(exact, rel=0.011)


def test_nothing_measured_is_zero() -> None:
    assert Latency().percentile(99) == 0
    assert Latency().count == 0


def test_extremes_are_counted() -> None:
    latency = Latency()
    latency.add(0.0)
    latency.add(1e12)
    assert latency.count == 2
