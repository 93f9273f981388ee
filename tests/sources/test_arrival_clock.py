"""When images were taken, told by the arrivals alone."""

from itertools import accumulate

import pytest

from perception.sources.arrival_clock import ArrivalClock

MS = 1_000_000


def ages_ms(intervals_ms: list[float]) -> list[float]:
    """Of the images that come so long after one another, when they come."""
    queued = ArrivalClock()
    arrivals = [round(arrival * MS) for arrival in accumulate(intervals_ms, initial=0.0)]
    return [(arrival - queued.taken(arrival)) / MS for arrival in arrivals][1:]


@pytest.mark.parametrize("period", [5, 16, 40, 200, 500, 3000])
def test_regular_arrivals_are_new(period: float) -> None:
    assert ages_ms([period] * 20) == [0] * 20
    assert ages_ms([period * 0.6, period * 1.4] * 10) == [0] * 20  # also with jitter


def test_after_a_pause_what_comes_at_once_was_taken_during_the_pause() -> None:
    burst = [2000.0, 1.0, 1.0, 1.0]
    later = [30.0, 40.0, 40.0, 1.0, 40.0]
    found = ages_ms([40.0] * 8 + burst + later)[8:]
    assert found == [1960, 1921, 1882, 1843, 1833, 1833, 0, 0, 0]


def test_a_burst_that_is_read_with_a_halt_in_it_is_not_new() -> None:
    """This process is itself held up in the middle of what is queued, twice in a row at most."""
    burst = [2000.0, *10 * [1.0], 60.0, *10 * [1.0], 30.0, 70.0, *10 * [1.0]]
    found = ages_ms([40.0] * 8 + burst)[8:]
    assert min(found) > 500


@pytest.mark.parametrize("known", [1, 2, 3])
def test_a_pause_right_after_the_first_images_is_one(known: int) -> None:
    found = ages_ms([40.0] * known + [2000.0] + 20 * [1.0])[known:]
    assert found[0] == 1960 and found[-1] == 2000 - 21 * 40 + 20


def test_a_queue_is_empty_once_it_is_read_up_to_now() -> None:
    found = ages_ms([40.0] * 8 + [400.0] + [2.0] * 15)[8:]
    assert found[0] == 360 and found[5] == 170 and found[-1] == 0


def test_a_camera_that_slows_down_is_followed() -> None:
    assert [age > 0 for age in ages_ms([40.0] * 8 + [500.0] * 8)[8:]] == [True] * 5 + [False] * 3


def test_another_connection_begins_anew() -> None:
    queued = ArrivalClock()
    for time in (0, 40, 80, 120):
        queued.taken(time * MS)
    queued.restart()
    assert queued.taken(5000 * MS) == 5000 * MS
    assert queued.taken(5040 * MS) == 5040 * MS
