import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.health.rates import BURST, FEWEST, INTERVALS, SOME, Rate
from perception.types import NS_PER_MS, NS_PER_S


def told(times_ns: list[int], nominal: float = 30.0) -> Rate:
    rate = Rate(nominal)
    for at in times_ns:
        rate.arrived(at)
    return rate


@settings(max_examples=60)
@given(st.floats(0.5, 200), st.integers(12, 300), st.integers(0, 10**15), st.floats(0, 0.99))
def test_a_steady_rate_is_exact(hertz: float, count: int, start: int, later: float) -> None:
    """Whenever it is asked within a period, at any pace, from one in two seconds to 200 a second."""
    rate = told([start + round(k * NS_PER_S / hertz) for k in range(count)])
    now = start + round((count - 1 + later) * NS_PER_S / hertz)
    assert rate.per_second(now) == pytest.approx(hertz, rel=1e-3)
    assert rate.period_s == pytest.approx(1 / hertz, rel=1e-3)
    assert rate.jitter_ms == pytest.approx(0, abs=1e-5)
    assert rate.silent_ms(now) == pytest.approx(1000 * later / hertz, abs=1e-3)


@given(st.lists(st.integers(1, 10**10), min_size=FEWEST, max_size=200))
def test_period_and_jitter_are_medians(intervals: list[int]) -> None:
    times = [0]
    for interval in intervals:
        times.append(times[-1] + interval)
    rate, last = told(times), intervals[-INTERVALS:]
    means = [statistics.mean(last[k : k + BURST]) for k in range(len(last) - BURST + 1)]
    assert rate.period_s == pytest.approx(statistics.median(means) / NS_PER_S)
    middle = statistics.median(last)
    deviation = statistics.median(abs(one - middle) for one in last)
    assert rate.jitter_ms == pytest.approx(deviation / NS_PER_MS, abs=1e-9)


def test_a_gap_does_not_change_the_period() -> None:
    rate = told(
        [k * 40 * NS_PER_MS for k in range(20)] + [60 * NS_PER_S + k * 40 * NS_PER_MS for k in range(20)]
    )
    assert rate.period_s == pytest.approx(0.040)


def test_bursts_do_not_change_the_period() -> None:
    rate = told(
        [k // 3 * 100 * NS_PER_MS + k % 3 * NS_PER_MS for k in range(60)]
    )  # three at once, ten times a second
    assert rate.period_s == pytest.approx(0.0333, rel=0.35)  # not the 1 ms that most intervals last


def test_the_nominal_rate_counts_until_enough_came() -> None:
    few = [k * 10 * NS_PER_MS for k in range(FEWEST)]  # one interval less
    assert told([]).period_s == told(few).period_s == pytest.approx(1 / 30)
    assert told([*few, FEWEST * 10 * NS_PER_MS]).period_s == pytest.approx(0.01)


def test_of_a_slower_camera_a_few_frames_tell() -> None:
    """Else each of its first ones would be late."""
    slow = [k * 200 * NS_PER_MS for k in range(SOME + 1)]
    assert told(slow[:-1]).period_s == pytest.approx(1 / 30)
    assert told(slow).period_s == pytest.approx(0.2)
    gap = [0, *(5 * NS_PER_S + k * 40 * NS_PER_MS for k in range(SOME))]
    assert told(gap, nominal=25).period_s == pytest.approx(0.04)


def test_frames_of_one_moment_have_the_nominal_period() -> None:
    assert told([5 * NS_PER_S] * 20).period_s == pytest.approx(1 / 30)


def test_a_time_before_the_last_one_counts_as_the_same() -> None:
    rate = told([0, 100 * NS_PER_MS, 50 * NS_PER_MS, 200 * NS_PER_MS])
    assert rate.silent_ms(200 * NS_PER_MS) == 0


def test_silence_lowers_the_rate_to_nothing() -> None:
    rate = told([k * 40 * NS_PER_MS for k in range(100)])  # 25 a second, the last at 3.96 s
    at_last, after_1_s, after_3_s = (rate.per_second(round(now * NS_PER_S)) for now in (3.96, 4.96, 6.97))
    assert at_last == pytest.approx(25)
    assert 11 < after_1_s < 15  # half of the last two seconds was silent
    assert after_3_s == 0
    assert rate.silent_ms(round(6.97 * NS_PER_S)) == pytest.approx(3010)


def test_the_rate_is_steady_over_bursts_and_soon_at_a_new_pace() -> None:
    rate = Rate(30)
    for k in range(150):  # two at once, 15 times a second
        now = round((k // 2 / 15 + k % 2 * 0.001) * NS_PER_S)
        rate.arrived(now)
        assert k < 60 or 28 < rate.per_second(now) < 32
    for k in range(1, 26):
        rate.arrived(now + k * 100 * NS_PER_MS)
    assert rate.per_second(now + 2500 * NS_PER_MS) == pytest.approx(10, rel=0.05)


def test_nothing_has_come() -> None:
    rate = Rate(30)
    assert rate.silent_ms(7) is None
    assert (rate.per_second(7), rate.jitter_ms) == (0, 0)
