"""A stream's clock in the host's time: what holds for all stamps, and delays worked out by hand."""

from hypothesis import given, settings
from hypothesis import strategies as st

from perception.sources.stream_clock import StreamClock

MS = 1_000_000
FRAME = 33 * MS
HOST = 5_000_000 * MS  # when the stream's clock shows 0


def stamps(frames: list[tuple[int | None, int]]) -> list[int]:
    """Of frames with a presentation time and a delay (ns), one every FRAME."""
    clock = StreamClock()
    return [clock.stamp(pts, arrival) for pts, arrival in frames]


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-(10**13), 10**13), st.integers(0, 3_000 * MS)),
        min_size=1,
        max_size=50,
    )
)
def test_stamps_never_run_back_and_are_never_in_the_future(steps: list[tuple[int | None, int]]) -> None:
    clock, arrival, before = StreamClock(), HOST, 0
    for pts, wait in steps:
        arrival += wait
        stamp = clock.stamp(pts, arrival)
        assert before <= stamp <= arrival
        before = stamp


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.integers(-(10**9), 10**9))
def test_each_frame_is_as_old_as_it_waited_longer_than_the_quickest(
    delays_ms: list[int], origin: int
) -> None:
    """The first frame comes at once, the others later, but never before an earlier one."""
    clock = StreamClock()
    clock.stamp(origin, HOST)
    latest = HOST
    for number, delay_ms in enumerate(delays_ms, 1):
        captured = HOST + number * FRAME
        latest = max(latest, captured + delay_ms * MS)
        stamp = clock.stamp(origin + number * FRAME, latest)
        # Of a delay above 150 ms a tenth is forgotten in a second, of others 0.5 ms.
        forgotten = (latest - HOST) / 1e9 * (0.1 * 400 * MS + 1 * MS)
        assert captured <= stamp <= max(captured, min(captured + forgotten, latest))


def test_a_burst_after_a_pause_is_old() -> None:
    clock = StreamClock()
    for number in range(10):
        clock.stamp(number * FRAME, HOST + number * FRAME)
    came = HOST + 20 * FRAME
    ages = [came - clock.stamp(number * FRAME, came + number) for number in range(10, 21)]
    assert all(abs(age - (20 - number) * FRAME) < 5 * MS for number, age in enumerate(ages, 10))


@settings(max_examples=20)
@given(st.floats(-200e-6, 200e-6), st.integers(0, 20))
def test_a_drifting_clock_is_followed(drift: float, jitter_ms: int) -> None:
    """After ten minutes at 200 ppm the clocks are 120 ms apart; ages stay within the jitter and 2 ms."""
    clock = StreamClock()
    for number in range(0, 18_000, 5):
        captured = HOST + number * FRAME
        arrival = captured + (number * 7919 % (jitter_ms + 1)) * MS
        stamp = clock.stamp(round(number * FRAME * (1 + drift)), arrival)
    assert abs(stamp - captured) < (jitter_ms + 2) * MS


@given(st.sampled_from([-3600, -2, 2, 3600, 2**32 // 90_000]))
def test_a_clock_that_jumps_is_set_anew(seconds: int) -> None:
    clock = StreamClock()
    for number in range(10):
        clock.stamp(number * FRAME, HOST + number * FRAME)
    assert clock.jumps == 0
    for number in range(10, 20):
        arrival = HOST + number * FRAME
        assert clock.stamp(number * FRAME + seconds * 1000 * MS, arrival) == arrival
    assert clock.jumps == 1


def test_without_a_clock_frames_are_stamped_on_arrival() -> None:
    assert stamps([(None, HOST), (None, HOST + 5), (None, HOST + FRAME)]) == [HOST, HOST + 5, HOST + FRAME]


def test_a_new_connection_begins_a_new_clock_but_not_an_earlier_time() -> None:
    clock = StreamClock()
    clock.stamp(0, HOST)
    late = clock.stamp(FRAME, HOST + FRAME)
    clock.restart()
    assert clock.stamp(10**12, HOST + 2 * FRAME) == HOST + 2 * FRAME > late
    assert clock.jumps == 0
