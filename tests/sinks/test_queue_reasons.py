"""Reasons for which frames are lost stay few, whatever a library writes into its errors."""

import time
from itertools import count

import pytest

from perception.errors import SinkError
from perception.sinks import queue as sink_queue
from perception.sinks.queue import SinkQueue
from perception.types import Policy
from tests.sinks.queue_sinks import FakeSink, fail, offered
from tests.sinks.queue_stage import publication


def test_reasons_that_name_the_frame_are_counted_together_beyond_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each would be a series of Prometheus, and stand in each health; a day of failures is 8,640."""
    monkeypatch.setattr(sink_queue, "_BACK_OFF_S", (0.0001, 0.0001))
    sink = FakeSink(fail(SinkError(f"sink bus: frame {number} is not published")) for number in count())
    one = SinkQueue("bus", lambda: sink, Policy.FRESHEST)
    given = 0
    while sink.closed < 40:  # it fails, is closed, and opened again; what comes meanwhile is lost likewise
        one.offer(publication(given))
        given += 1
        time.sleep(0.0005)
    one.close()
    lost = one.state.lost
    assert sum(lost.values()) == given == offered(one)
    assert len(lost) == 17
    assert lost["other reasons"] >= 40 - 16
