"""How long an queue pauses, waits and counts; time passes only where it would be waited for."""

import errno
import logging
import os
from collections.abc import Iterator
from functools import partial

import pytest

from perception.errors import SinkError
from perception.health.types import Health, Level, NodeState
from perception.scene import Signal
from perception.sinks.base import Sink
from perception.sinks.queue import SinkQueue
from perception.types import Policy
from tests.sinks.queue_stage import FULL_DISK, Deed, FakeSink, Stage, leave, make, publication, set_stage

WELL = Health("front", NodeState.ACTIVE, Signal.OK, Level.OK)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return set_stage(monkeypatch)


def offers(one: SinkQueue, *counts: int) -> Iterator[Deed]:
    """At each turn so many frames."""
    numbers = iter(range(1000))

    def offer(count: int) -> None:
        for _ in range(count):
            one.offer(publication(next(numbers)))

    return (partial(offer, count) for count in counts)


def test_pauses_before_a_sink_is_opened_again_double_up_to_ten_seconds(stage: Stage) -> None:
    broken, well = FakeSink([FULL_DISK]), FakeSink()
    one = make(stage, [broken, *[FULL_DISK] * 6, well])
    stage.deeds = offers(one, 1, 1)
    stage.run()
    assert stage.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert well.frames == [1]


def test_a_sink_that_works_again_starts_again_with_the_shortest_pause(stage: Stage) -> None:
    """It fails, needs four tries, writes, and fails again: the next try is soon, not after eight seconds."""
    one = make(
        stage, [FakeSink([FULL_DISK]), *[FULL_DISK] * 3, FakeSink([None, FULL_DISK]), FULL_DISK, FakeSink()]
    )
    stage.deeds = offers(one, 1, 1, 1, 1)
    stage.run()
    assert stage.pauses == [0.5, 1.0, 2.0, 4.0, 0.5, 1.0]
    assert one.state.written == 2 and one.state.error == ""


def test_a_sink_that_opens_but_writes_nothing_is_tried_ever_more_seldom(stage: Stage) -> None:
    one = make(stage, [*[FakeSink([FULL_DISK]) for _ in range(4)], FakeSink()])
    stage.deeds = offers(one, 1, 1, 1, 1, 1)
    stage.run()
    assert stage.pauses == [0.5, 1.0, 2.0, 4.0]
    assert one.state.lost == {"No space left on device": 4} and one.state.written == 1


def test_a_close_ends_the_pause_and_opens_nothing(stage: Stage) -> None:
    one = make(stage, [FakeSink([FULL_DISK])])  # a second opening would raise StopIteration
    stage.deeds = offers(one, 1)
    stage.in_pause = one.close
    stage.run()
    assert stage.pauses == [] and one.broken


def test_a_sink_opened_while_the_queue_was_closed_takes_nothing_more(stage: Stage) -> None:
    """A frame that came then would wait for ever."""
    late = FakeSink(close=lambda: one.offer(publication(1)))

    def openings() -> Iterator[Sink]:
        yield FakeSink([FULL_DISK])
        one.close()
        yield late

    one = make(stage, openings())
    stage.deeds = offers(one, 1)
    stage.run()
    assert late.frames == []
    assert one.state.queued == 0 and sum(one.state.lost.values()) == 2


def test_frames_offered_in_a_pause_are_lost_under_the_same_reason(stage: Stage) -> None:
    one = make(stage, [FakeSink([FULL_DISK]), FULL_DISK, FakeSink()])
    stage.deeds = offers(one, 3)  # one at hand and two that wait
    stage.in_pause = lambda: one.offer(publication(7))
    stage.run()
    assert one.state.lost == {"No space left on device": 5}
    assert one.broken  # until a write succeeds


def recoveries(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.lost for record in caplog.records if hasattr(record, "lost")]


def test_each_recovery_says_how_many_frames_were_lost_since_the_last_write(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perception")
    one = make(stage, [FakeSink([FULL_DISK]), FakeSink([None, None, FULL_DISK]), FakeSink([None, None])])
    stage.deeds = offers(one, 3, 2, 2, 2)
    stage.run()
    assert recoveries(caplog) == [3, 2]
    assert one.state.lost == {"No space left on device": 5} and one.state.written == 4


def test_frames_lost_while_it_worked_are_no_loss_of_the_failure(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Six frames at once overflow a queue of four: two are lost before the first write, none after."""
    caplog.set_level(logging.INFO, "perception")
    one = make(stage, [FakeSink([None, None, None, None, FULL_DISK]), FakeSink()])
    stage.deeds = offers(one, 6, 1, 1)
    stage.run()
    assert one.state.lost == {"queue full": 2, "No space left on device": 1}
    assert recoveries(caplog) == [1]


def test_a_failure_is_logged_once_until_it_recovers(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    one = make(stage, [FakeSink([FULL_DISK]), FULL_DISK, FakeSink([FULL_DISK]), FakeSink()])
    stage.deeds = offers(one, 1, 1, 1)
    stage.run()
    assert [record.event for record in caplog.records] == ["sink_broken"]  # type: ignore[attr-defined]


def test_where_every_frame_counts_who_offers_waits_half_a_minute_and_then_never_again(stage: Stage) -> None:
    one = make(stage, [FakeSink()], Policy.EVERY_FRAME, capacity=1)
    for number in range(3):  # nobody takes them: the thread does not run
        one.offer(publication(number))
    assert stage.pauses == [30.0]
    assert one.state.lost == {"hung": 2} and str(one.failure) == "sink out.mp4: hung for 30 s"


def test_where_every_frame_counts_who_offers_goes_on_once_there_is_room(stage: Stage) -> None:
    sink = FakeSink()
    one = make(stage, [sink], Policy.EVERY_FRAME, capacity=1)
    one.offer(publication(0))
    stage.deeds = iter([leave])
    stage.in_pause = stage.run
    one.offer(publication(1))  # meanwhile the first one is written
    assert stage.pauses == [] and sink.frames == [0]
    stage.run()
    assert sink.frames == [0, 1] and one.state.lost == {}


def test_the_age_of_the_oldest_frame_counts_from_its_offer(stage: Stage) -> None:
    ages: list[float] = []
    one = make(stage, [FakeSink(write=lambda: ages.append(one.state.oldest_ms))])
    one.offer(publication(0))
    stage.now += 2
    one.offer(publication(1))
    stage.now += 1
    assert one.state.oldest_ms == pytest.approx(3000) and one.state.queued == 2
    stage.run()
    assert ages == pytest.approx([3000, 1000])  # that being written counts as well
    assert one.state.oldest_ms == 0


def test_writing_is_timed_by_the_wall_and_by_the_thread(stage: Stage) -> None:
    one = make(stage, [FakeSink(write=lambda: setattr(stage, "now", stage.now + 0.2))])
    stage.deeds = offers(one, 2)
    stage.run()
    assert one.writing.count == 2
    assert one.writing.percentile(50) == pytest.approx(200, rel=0.02)
    assert one.writing.cpu_s == pytest.approx(0.1)


def test_a_sink_that_hangs_at_the_end_is_left_after_the_limit(stage: Stage) -> None:
    one = make(stage, [FakeSink()], Policy.EVERY_FRAME)
    one.offer(publication(0))
    stage.joins = [(1e6, lambda: None)]
    start = stage.now
    with pytest.raises(SinkError, match="hung for 5 s while it was closed; 1 frames are lost"):
        one.close(5.0)
    assert stage.now - start == pytest.approx(5)
    assert one.state.lost == {"hung": 1}


@pytest.mark.parametrize("progress", ["write", "health"])
def test_whatever_a_closing_sink_gets_done_gives_it_the_limit_again(stage: Stage, progress: str) -> None:
    """It gets something done after 4 s, then nothing: it is left 5 s after that, not 5 s after the close."""
    one = make(stage, [FakeSink()], Policy.EVERY_FRAME)
    if progress == "write":
        one.offer(publication(0))
    else:
        one.write_health(WELL)
    stage.joins = [(4.0, stage.run), (1e6, lambda: None)]
    start = stage.now
    with pytest.raises(SinkError, match="0 frames are lost"):
        one.close(5.0)
    assert stage.now - start == pytest.approx(9)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_is_full_at_the_start_is_waited_for_where_frames_give_way(
    stage: Stage, code: int
) -> None:
    faults = [OSError(code, os.strerror(code))] * 2
    sink = FakeSink()

    def opener() -> FakeSink:
        if faults:
            raise SinkError("sink out: cannot be written") from faults.pop()
        return sink

    with pytest.raises(SinkError):
        SinkQueue("out", opener, Policy.EVERY_FRAME)
    queue = stage.queue = SinkQueue("out", opener, Policy.FRESHEST)
    assert queue.wants_overlay and queue.broken
    queue.offer(publication(0))
    assert queue.state.lost == {os.strerror(code): 1}
    stage.deeds = iter([lambda: queue.offer(publication(1))])
    stage.run()
    assert queue.state.written == 1 and not queue.broken
    assert stage.pauses == [0.5]


@pytest.mark.parametrize("fault", [None, OSError(errno.EACCES, "Permission denied"), ValueError("by hand")])
def test_any_other_fault_at_the_start_is_raised(fault: Exception | None) -> None:
    def opener() -> FakeSink:
        raise SinkError("sink out: cannot be written") from fault

    with pytest.raises(SinkError):
        SinkQueue("out", opener, Policy.FRESHEST)
