"""How old frames are on arrival, of which what they waited in this process is not the transport's."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from perception.frame import Frame
from perception.health.degradation import Degradation
from perception.health.latency import StageTimes
from perception.health.monitor import Monitor
from perception.health.types import Link, LinkState
from perception.node.accounting import Accounting
from perception.node.capture import Capture
from perception.node.in_flight import FramesInFlight


class LateCamera:
    """One frame that was captured 300 ms ago, of which it waited 100 ms to be decoded."""

    uri, rate, live, length = "late", 25.0, True, None
    link = Link(LinkState.STREAMING, waited_ms=100.0)

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(np.zeros((2, 2, 3), np.uint8), 0, host_ns=time.monotonic_ns() - 300_000_000)


class Recording(LateCamera):
    live = False


def transport_ms(source: Any) -> list[float]:
    times = StageTimes(("transport", "read"))
    in_flight = cast(FramesInFlight, SimpleNamespace(take_in=lambda one: None, end=lambda: None))
    monitor = Monitor("front", 25.0, times, live=True)
    Capture(source, in_flight, Accounting(), monitor, times, Degradation(), history=0, frames=None).run()
    return list(times.since("transport", 0))


def test_what_a_frame_waited_here_is_not_the_transports() -> None:
    assert transport_ms(LateCamera()) == [pytest.approx(200, abs=50)]


def test_a_recording_has_no_transport() -> None:
    assert transport_ms(Recording()) == []
