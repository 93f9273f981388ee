"""What a queue says of its frames, whatever its sink does."""

import time
from collections.abc import Iterator
from itertools import count
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.errors import SinkError
from perception.sinks import queue as sink_queue
from perception.sinks.queue import SinkQueue
from perception.types import Policy
from tests.sinks.queue_sinks import FakeSink, fail, nothing, offered
from tests.sinks.queue_stage import FULL_DISK, Deed, publication

DEEDS: dict[str, Deed] = {
    "works": nothing,
    "slow": lambda: time.sleep(0.002),
    "fails": fail(SinkError("sink out.mp4: refused")),
    "full": fail(FULL_DISK),
}


@settings(max_examples=40, deadline=None)
@given(
    policy=st.sampled_from(Policy),
    capacity=st.integers(1, 4),
    deeds=st.lists(st.sampled_from(list(DEEDS)), min_size=1, max_size=30),
    openings=st.lists(st.booleans(), max_size=4),
    frames=st.integers(0, 40),
    hangs=st.booleans(),
    gap_ms=st.sampled_from([0, 0, 1]),
)
def test_the_account_is_exact_at_every_moment(
    policy: Policy,
    capacity: int,
    deeds: list[str],
    openings: list[bool],
    frames: int,
    hangs: bool,
    gap_ms: int,
) -> None:
    """Whatever the sink does: frames are written once, in order, and the rest is lost for a reason."""
    go = Event()
    end: list[Deed] = [lambda: go.wait(5)] if hangs and policy is Policy.FRESHEST else []
    behaviour = iter([DEEDS[deed] for deed in deeds] + end)
    sinks: list[FakeSink] = []
    tries = count()

    def opener() -> FakeSink:
        attempt = next(tries)
        if 0 < attempt <= len(openings) and not openings[attempt - 1]:
            raise FULL_DISK
        sinks.append(FakeSink(Rest(behaviour)))
        return sinks[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sink_queue, "_BACK_OFF_S", (0.0005, 0.002))
        one = SinkQueue("out.mp4", opener, policy, capacity)
        for sequence in range(frames):
            one.offer(publication(sequence))
            assert offered(one) == sequence + 1
            assert one.state.queued <= capacity + 1
            if gap_ms:
                time.sleep(gap_ms / 1000)
        try:
            one.close(0.03 if end else 5.0)
        except SinkError:  # a frame that was queued failed
            assert policy is Policy.EVERY_FRAME
        state = one.state
        written = [sequence for sink in sinks for sequence in sink.frames]
        go.set()
        one._thread.join(5)
    assert state.queued == 0 and offered(one) == frames
    assert state == one.state  # a hung one that wakes changes nothing
    assert written == sorted(set(written)) and len(written) == state.written
    assert all(sink.closed >= 1 for sink in sinks)
    if not {"fails", "full"} & set(deeds) and policy is Policy.EVERY_FRAME:
        assert state.lost == {}


class Rest:
    """The deeds that are left, then nothing goes wrong any more."""

    def __init__(self, deeds: Iterator[Deed]) -> None:
        self.deeds = deeds

    def __iter__(self) -> Iterator[Deed]:
        return self

    def __next__(self) -> Deed:
        return next(self.deeds, nothing)
