"""Which delays a stream's clock forgets, and how fast: worked out by hand."""

import math

import pytest

from perception.sources.stream_clock import StreamClock

MS = 1_000_000
S = 1000 * MS
FRAME = 33 * MS
HOST = 5_000_000 * MS  # when the stream's clock shows 0


class Stream:
    """A stream at 30 fps: frames are captured at even times, and come after a delay."""

    def __init__(self, patient: bool = False) -> None:
        self.clock, self.number = StreamClock(patient), 0

    def frames(self, seconds: float, delay_ms: float) -> float:
        """The age in ms at which the last frame of so many seconds came, by its stamp."""
        for _ in range(round(seconds * S / FRAME)):
            self.number += 1
            arrival = HOST + self.number * FRAME + round(delay_ms * MS)
            age = arrival - self.clock.stamp(self.number * FRAME, arrival)
        return age / MS


def test_a_long_delay_that_stays_is_forgotten_by_a_tenth_a_second() -> None:
    """It comes of a longer way, or of a clock that is off: after a while it is the usual one."""
    stream = Stream()
    assert stream.frames(2, delay_ms=0) == 0
    assert stream.frames(1, delay_ms=400) == pytest.approx(400 * math.exp(-0.1), rel=0.01)
    assert stream.frames(4, delay_ms=400) == pytest.approx(400 * math.exp(-0.5), rel=0.01)


def test_a_delay_is_forgotten_so_only_down_to_150_ms() -> None:
    """Below, half a millisecond a second goes on: frames that wait in a buffer stay as old as they are."""
    stream = Stream()
    stream.frames(2, delay_ms=0)
    at_10_s = stream.frames(10, delay_ms=400)
    assert 145 <= at_10_s <= 150
    assert stream.frames(20, delay_ms=400) == pytest.approx(at_10_s - 20 * 0.5, abs=0.1)


@pytest.mark.parametrize(("delay_ms", "after_10_s"), [(100, 95), (149, 144)])
def test_a_short_delay_is_hardly_forgotten(delay_ms: float, after_10_s: float) -> None:
    stream = Stream()
    stream.frames(2, delay_ms=0)
    assert stream.frames(10, delay_ms) == pytest.approx(after_10_s, abs=0.1)


def test_where_the_reader_may_keep_frames_waiting_no_delay_is_forgotten() -> None:
    stream = Stream(patient=True)
    stream.frames(2, delay_ms=0)
    assert stream.frames(30, delay_ms=400) == pytest.approx(400)


def test_a_silence_counts_for_a_tenth_of_a_second_at_most() -> None:
    """After 20 s without a frame one comes 400 ms late: a hundredth is forgotten, not all of it."""
    clock = StreamClock()
    clock.stamp(0, HOST)
    captured = HOST + 20 * S
    arrival = captured + 400 * MS
    assert arrival - clock.stamp(20 * S, arrival) == pytest.approx(400 * MS * 0.99, rel=1e-6)


def test_a_quicker_transfer_sets_the_clock_at_once() -> None:
    stream = Stream()
    assert stream.frames(2, delay_ms=200) == 0  # the shortest delay seen counts as none
    assert stream.frames(1, delay_ms=50) == 0
    assert stream.frames(FRAME / S, delay_ms=80) == pytest.approx(30, abs=0.1)


def test_a_clock_set_back_by_less_than_a_second_is_no_other_clock() -> None:
    stream = Stream()
    stream.frames(2, delay_ms=0)
    arrival = HOST + (stream.number + 1) * FRAME
    stream.clock.stamp((stream.number + 1) * FRAME - 900 * MS, arrival)
    assert stream.clock.jumps == 0
    stream.clock.stamp((stream.number + 2) * FRAME - 2000 * MS, arrival + FRAME)
    assert stream.clock.jumps == 1


def test_a_silence_of_the_stream_is_no_jump_of_its_clock() -> None:
    clock = StreamClock()
    clock.stamp(0, HOST)
    assert clock.stamp(60 * S, HOST + 60 * S) == HOST + 60 * S
    assert clock.jumps == 0
