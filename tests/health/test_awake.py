"""The clock that stands still while the process does."""

from hypothesis import given
from hypothesis import strategies as st

from perception.health.awake import LONGEST_BEAT_NS, AwakeClock

S = 1_000_000_000


class Time:
    def __init__(self) -> None:
        self.now_ns = 10**12

    def __call__(self) -> int:
        return self.now_ns


def test_a_pause_of_seven_seconds_is_half_a_second_however_soon_it_is_asked() -> None:
    time = Time()
    clock = AwakeClock(time)
    begun = clock.now_ns()
    time.now_ns += S // 10
    clock.beat()
    assert clock.now_ns() - begun == S // 10
    time.now_ns += 7 * S  # stopped, and asked before the next beat
    assert clock.now_ns() - begun == S // 10 + LONGEST_BEAT_NS
    clock.beat()
    assert clock.now_ns() - begun == S // 10 + LONGEST_BEAT_NS


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * S)), max_size=30))
def test_it_never_goes_back_and_never_ahead_of_the_monotonic_clock(steps: list[tuple[bool, int]]) -> None:
    time = Time()
    clock = AwakeClock(time)
    last, first = clock.now_ns(), time.now_ns
    for beats, step in steps:
        time.now_ns += step
        if beats:
            clock.beat()
        assert last <= clock.now_ns() <= last + step
        assert clock.now_ns() - first <= time.now_ns - first
        last = clock.now_ns()
