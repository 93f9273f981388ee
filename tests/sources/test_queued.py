"""What may have waited on its way, told by the arrivals alone."""

from itertools import accumulate

import pytest

from perception.sources.queued import Queued

MS = 1_000_000


def waited(intervals_ms: list[float]) -> list[bool]:
    """Of the images that come so long after one another."""
    queued = Queued()
    arrivals = accumulate(intervals_ms, initial=0.0)
    return [queued.waited(round(arrival * MS)) for arrival in arrivals][1:]


@pytest.mark.parametrize("period", [5, 16, 40, 200, 500, 3000])
def test_regular_arrivals_never_wait(period: float) -> None:
    assert waited([period] * 20) == [False] * 20
    assert waited([period * 0.6, period * 1.4] * 10) == [False] * 20  # nor those with jitter


def test_after_a_pause_what_comes_at_once_has_waited() -> None:
    burst = [2000.0, 1.0, 0.5, 3.0, 12.0]
    assert waited([40.0] * 8 + burst + [30.0, 40.0, 1.0, 40.0])[8:] == [True] * 5 + [False] * 4


def test_a_camera_that_slows_down_is_followed() -> None:
    assert waited([40.0] * 8 + [500.0] * 8)[8:] == [True] * 3 + [False] * 5


def test_another_connection_begins_anew() -> None:
    queued = Queued()
    assert [queued.waited(time * MS) for time in (0, 40, 80, 120)] == [False] * 4
    queued.restart()
    assert not queued.waited(5000 * MS)
    assert not queued.waited(5040 * MS)
