"""Frames and healths on their way to a sink that is well, slow, hung or broken, and how a queue ends."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from threading import Event
from typing import Any

import numpy as np
import pytest

from perception.engines.background import LEFT_BEHIND
from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health, Level, NodeState
from perception.pixels import Yuv420
from perception.scene import Scene, Signal
from perception.sinks import queue as sink_queue
from perception.sinks.queue import SinkQueue
from perception.types import Policy
from tests.sinks.queue_sinks import FakeSink, fail, nothing, offered, until
from tests.sinks.queue_stage import FULL_DISK, Deed, publication


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_queue, "_BACK_OFF_S", (0.01, 0.05))


def health(published: int = 0) -> Health:
    return Health("front", NodeState.ACTIVE, Signal.OK, Level.OK, published=published)


def error(one: SinkQueue) -> str:
    return one.state.error


def test_every_frame_arrives_in_order_and_the_offerer_waits_for_room() -> None:
    sink = FakeSink(repeat(lambda: time.sleep(0.005)))
    one = SinkQueue("out.mp4", lambda: sink, Policy.EVERY_FRAME, capacity=2)
    start = time.monotonic()
    for sequence in range(12):
        one.offer(publication(sequence))
    assert time.monotonic() - start > 0.04  # nine at least were written
    one.close()
    one.close()  # does nothing
    assert sink.frames == list(range(12))
    assert (one.state.written, one.state.lost, one.state.queued) == (12, {}, 0)
    assert sink.closed == 1 and one.failure is None and not one.broken


def test_freshest_never_waits_and_loses_the_oldest() -> None:
    go = Event()
    sink = FakeSink(repeat(lambda: go.wait(5)))
    one = SinkQueue("out.mp4", lambda: sink, Policy.FRESHEST, capacity=2)
    one.offer(publication(0))
    until(lambda: one.state.queued == 1 and not one._queue)  # it is being written
    start = time.monotonic()
    for sequence in range(1, 10):
        one.offer(publication(sequence))
    assert time.monotonic() - start < 0.5
    assert one.state.lost == {"queue full": 7} and one.state.queued == 3
    time.sleep(0.02)
    assert one.state.oldest_ms >= 20  # it hangs, and that shows
    go.set()
    one.close()
    assert sink.frames == [0, 8, 9]
    assert one.state.oldest_ms == 0


def test_a_failure_costs_frames_until_it_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "perception")
    again = Event()
    first, second = FakeSink(iter([nothing, fail(FULL_DISK)])), FakeSink(repeat(nothing))
    openings: Iterator[Deed] = iter([lambda: first, fail(FULL_DISK), lambda: again.wait(5) and second])

    def opener() -> FakeSink:
        sink = next(openings)()
        assert isinstance(sink, FakeSink)
        return sink

    one = SinkQueue("out.mp4", opener, Policy.FRESHEST)
    one.offer(publication(0))
    until(lambda: one.state.written == 1)
    one.offer(publication(1))
    until(lambda: one.broken)
    for sequence in range(2, 5):
        one.offer(publication(sequence))
    assert error(one) == "No space left on device"
    assert one.state.lost == {"No space left on device": 4} and offered(one) == 5
    until(lambda: first.closed == 1)
    again.set()
    until(lambda: one._accepts)
    one.offer(publication(5))
    until(lambda: not one.broken)
    one.close()
    assert first.frames + second.frames == [0, 5] and error(one) == ""
    assert str(one.failure) == "sink out.mp4: cannot be written (No space left on device)"
    events = [(record.event, getattr(record, "lost", None)) for record in caplog.records]  # type: ignore[attr-defined]
    assert events == [("sink_broken", None), ("sink_recovered", 4)]


def test_the_reason_is_what_the_system_said() -> None:
    def deed() -> None:
        raise SinkError("sink rtsp://u:secret@h/: cannot be written") from FULL_DISK

    for deeds, reason in [
        (deed, "No space left on device"),
        (fail(SinkError("sink rtsp://u:secret@h/x: refused")), "sink rtsp://u:***@h/x: refused"),
    ]:
        one = SinkQueue("rtsp://u:secret@h/x", lambda deeds=deeds: FakeSink(repeat(deeds)), Policy.FRESHEST)  # type: ignore[misc]
        one.offer(publication(0))
        until(lambda one=one: one.broken)  # type: ignore[misc]
        assert one.state.lost == {reason: 1} and one.state.uri == "rtsp://u:***@h/x"
        one.close()


def test_under_every_frame_a_broken_sink_makes_nobody_wait() -> None:
    one = SinkQueue("out.mp4", lambda: FakeSink(repeat(fail(FULL_DISK))), Policy.EVERY_FRAME, capacity=1)
    start = time.monotonic()
    for sequence in range(500):
        one.offer(publication(sequence))
    assert time.monotonic() - start < 3
    one.close()
    assert one.state.lost == {"No space left on device": 500} and isinstance(one.failure, SinkError)


def test_under_every_frame_a_hung_sink_makes_nobody_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_queue, "_PATIENCE_S", 0.05)
    go = Event()
    sink = FakeSink(repeat(lambda: go.wait(5)))
    one = SinkQueue("out.mp4", lambda: sink, Policy.EVERY_FRAME, capacity=1)
    for sequence in range(50):
        one.offer(publication(sequence))
    assert one.broken and one.state.lost == {"hung": 48} and "hung for" in str(one.failure)
    go.set()
    until(lambda: not one.broken)
    one.offer(publication(50))
    one.close()
    assert sink.frames == [0, 1, 50] and offered(one) == 51


@pytest.mark.parametrize("policy", list(Policy))
def test_one_that_hangs_at_the_end_is_abandoned(policy: Policy, caplog: pytest.LogCaptureFixture) -> None:
    go = Event()
    one = SinkQueue("out.mp4", lambda: FakeSink(repeat(lambda: go.wait(5))), policy)
    for sequence in range(3):
        one.offer(publication(sequence))
    start = time.monotonic()
    if policy is Policy.EVERY_FRAME:
        with pytest.raises(SinkError, match=r"hung for 0\.05 s while it was closed; 3 frames are lost"):
            one.close(0.05)
    else:
        one.close(0.05)
        assert "3 frames are lost" in caplog.text
    assert time.monotonic() - start < 1
    assert one.state.lost == {"hung": 3} and one.state.queued == 0
    assert one._thread.name == LEFT_BEHIND  # so that the command does not unload what it still is in
    go.set()
    one._thread.join(5)
    assert not one._thread.is_alive()
    assert one.state.lost == {"hung": 3} and one.state.written == 0  # what it does now counts no more


def test_one_that_is_slow_to_end_is_waited_for() -> None:
    sink = FakeSink(repeat(lambda: time.sleep(0.1)))
    one = SinkQueue("out.mp4", lambda: sink, Policy.EVERY_FRAME)
    for sequence in range(4):
        one.offer(publication(sequence))
    one.close(0.3)  # less than it takes in all
    assert sink.frames == [0, 1, 2, 3]


def test_a_file_that_cannot_be_finished_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    for policy in Policy:
        sink = FakeSink(repeat(nothing), closing=fail(SinkError("sink out.mp4: cannot be finished")))
        one = SinkQueue("out.mp4", lambda sink=sink: sink, policy)  # type: ignore[misc]
        one.offer(publication(0))
        if policy is Policy.EVERY_FRAME:
            with pytest.raises(SinkError, match="cannot be finished"):
                one.close()
        else:
            one.close()
            assert "cannot be finished" in caplog.text
        assert one.state.written == 1


def test_a_fault_in_a_sink_does_not_vanish() -> None:
    sinks = iter([FakeSink(iter([fail(ZeroDivisionError("by hand"))])), FakeSink(repeat(nothing))])
    one = SinkQueue("out.mp4", lambda: next(sinks), Policy.FRESHEST)
    one.offer(publication(0))
    until(lambda: one._accepts and one.broken)
    assert one.state.lost == {"fault in the sink: ZeroDivisionError": 1}
    one.offer(publication(1))
    until(lambda: one.state.written == 1)
    with pytest.raises(ZeroDivisionError, match="by hand"):
        one.close()


def test_wrong_use_fails_at_once() -> None:
    with pytest.raises(SinkError, match="below a file"):
        SinkQueue("out.mp4", fail(SinkError("below a file")), Policy.FRESHEST)  # type: ignore[arg-type]


def test_health_is_written_without_frames_and_only_the_newest() -> None:
    go = Event()
    sink = FakeSink(repeat(lambda: go.wait(5)))
    one = SinkQueue("out.mp4", lambda: sink, Policy.FRESHEST)
    one.write_health(health(1))
    until(lambda: sink.healths == [1])
    one.offer(publication(0))
    until(lambda: one.state.queued == 1 and not one._queue)
    for number in range(2, 9):
        one.write_health(health(number))
    go.set()
    one.close()
    assert sink.healths == [1, 8]


def test_a_health_that_cannot_be_written_costs_no_frame_that_was_written() -> None:
    class Deaf(FakeSink):
        def write_health(self, health: Health) -> None:
            raise FULL_DISK

    one = SinkQueue("out.mp4", lambda: Deaf(repeat(nothing)), Policy.FRESHEST)
    one.offer(publication(0))
    until(lambda: one.state.written == 1)
    one.write_health(health())
    until(lambda: one.broken)
    one.close()
    assert (one.state.written, one.state.lost) == (1, {})


@pytest.mark.parametrize("takes_planes", [True, False])
def test_an_overlay_in_planes_reaches_others_as_an_image(takes_planes: bool) -> None:
    given: list[object] = []

    class Sink(FakeSink):
        def write(self, frame: Frame, scene: Scene, overlay: Any) -> None:
            given.append(overlay)

    sink = Sink(repeat(nothing))
    if takes_planes:
        sink.takes_planes = True  # type: ignore[attr-defined]
    planes = Yuv420(np.full((3, 2), 128, np.uint8))
    one = SinkQueue("out.mp4", lambda: sink, Policy.EVERY_FRAME)
    one.offer(replace(publication(0), overlay=planes))
    one.close()
    [overlay] = given
    if takes_planes:
        assert overlay is planes
    else:
        np.testing.assert_array_equal(overlay, planes.bgr)
