"""What the supervisor over a node notices, ends and publishes; time passes only between its ticks."""

import logging
from dataclasses import replace
from itertools import count, islice, pairwise
from typing import cast

import pytest

from perception.errors import EngineError, SourceError
from perception.health.types import Health, Level, Link, LinkState, NodeState, SinkState
from perception.node.supervisor import Limits, Supervisor
from perception.scene import Signal, Status
from perception.sinks.queue import SinkQueue
from tests.node.supervised import SINK, URI, S, Supervised


def test_a_source_that_streams_and_gives_nothing_for_ten_seconds_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says that it is connected, so no second connection is made: its reader hangs for good."""
    one = Supervised(monkeypatch)
    one.run(12)
    assert one.fatal_at is not None and 10 < one.fatal_at <= 10.2
    assert one.stopped
    with pytest.raises(SourceError, match=f"source {URI}: reading hangs for 10 s"):
        one.raise_fatal()


def test_a_source_hangs_ten_seconds_after_its_last_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch)
    one.period_s = 0.04
    one.then_set(3.0, period_s=None)
    one.run(20)
    assert one.fatal_at is not None and 12.9 < one.fatal_at <= 13.2
    assert one.stopped


def test_a_reader_that_gives_a_frame_now_and_then_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch)
    one.period_s = 9.5
    one.run(60)
    one.raise_fatal()
    assert one.fatal_at is None and not one.stopped


def test_a_camera_of_which_nothing_is_read_for_want_of_room_is_not_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every frame counts, and a sink stalls: it is the node that keeps the camera waiting."""
    one = Supervised(monkeypatch, freshest=False, give_up_s=3.0)
    one.period_s = 0.04
    one.then_set(2.0, period_s=None)
    one.then(2.0, lambda: one.in_flight.__dict__.update(waits=True))
    one.then(20.0, lambda: one.in_flight.__dict__.update(waits=False))
    one.run(30)
    assert {health.signal for health in one.healths if one.at(health) < 20} <= {Signal.OK, Signal.STALE}
    assert {health.signal for health in one.healths if 2.5 < one.at(health) < 20} == {Signal.OK}
    assert one.fatal_at is not None and 22.9 < one.fatal_at <= 23.3


@pytest.mark.parametrize("state", [LinkState.CONNECTING, LinkState.LOST, LinkState.ENDED])
def test_a_camera_that_says_it_is_not_there_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, state: LinkState
) -> None:
    one = Supervised(monkeypatch)
    one.link = Link(state)
    one.run(60)
    one.raise_fatal()
    assert one.fatal_at is None and not one.stopped


def test_the_reader_of_a_recording_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch, live=False, freshest=False, give_up_s=5.0)
    one.run(60)
    assert one.fatal_at is None


@pytest.mark.parametrize("state", [LinkState.CONNECTING, LinkState.LOST, LinkState.STREAMING])
def test_a_silent_camera_is_given_up_after_as_long_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, state: LinkState
) -> None:
    one = Supervised(monkeypatch, give_up_s=5.0)
    one.link = Link(state, "connection refused")
    one.run(8)
    assert one.fatal_at is not None and 5 < one.fatal_at <= 5.2
    with pytest.raises(SourceError, match=rf"{URI}: no frame for 5 s \(connection refused\); given up"):
        one.raise_fatal()


def test_a_camera_that_has_ended_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch, give_up_s=5.0)
    one.link = Link(LinkState.ENDED)
    one.run(8)
    assert one.fatal_at is None


def test_an_engine_that_hangs_three_times_in_a_row_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = Supervised(monkeypatch, hang_s=2.0)
    one.link = Link(LinkState.LOST)
    for seconds in (1.0, 2.0, 3.0):
        one.then_set(seconds, hung=1)
    one.run(5)
    assert set(one.asked_s) == {2.0}
    assert one.fatal_at is not None and 3 <= one.fatal_at <= 3.2
    with pytest.raises(EngineError, match="hung 3 times in a row for 2 s; given up"):
        one.raise_fatal()
    assert [getattr(record, "event", "") for record in caplog.records].count("worker_hung") == 3
    assert one.healths[-1].restarts == one.supervisor.hangs == 3


def test_several_workers_that_hang_at_once_are_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch)
    one.link = Link(LinkState.LOST)
    one.hung = 3
    one.then_set(2.0, hung=4)
    one.run(4)
    assert one.fatal_at is None and one.supervisor.hangs == 7


def test_a_scene_between_two_hangs_shows_that_the_engine_works(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch)
    one.period_s = 0.04
    for seconds in range(1, 9):
        one.then_set(float(seconds), hung=1)
    one.run(10)
    one.raise_fatal()
    assert one.fatal_at is None and one.supervisor.hangs == 8


def test_where_every_frame_counts_no_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch, live=False, freshest=False)
    one.hung = 1
    one.run(2)
    assert one.asked_s == [] and one.supervisor.hangs == 0


def test_a_fault_of_the_supervisor_itself_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch)
    one.then_set(1.0, fault=ZeroDivisionError("by hand"))
    one.run(5)
    assert one.fatal_at is not None and one.seconds < 1.2
    with pytest.raises(ZeroDivisionError, match="by hand"):
        one.raise_fatal()


def test_the_first_reason_to_end_the_run_is_the_one_that_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch)
    for seconds in (1.0, 2.0, 3.0):
        one.then_set(seconds, hung=1)
    one.run(15)  # the reader hangs as well
    assert one.fatal_at is not None
    with pytest.raises(EngineError):
        one.raise_fatal()


def test_health_goes_each_second_to_sinks_and_listeners_and_once_more_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Supervised(monkeypatch)
    one.period_s = 0.04
    one.run(5.5)
    steady = [one.at(health) for health in one.healths if 1 < one.at(health) < 5.5]
    gaps = [after - before for before, after in pairwise(steady)]
    assert len(steady) >= 4 and all(0.999 < gap <= 1.2 for gap in gaps)
    assert one.at(one.healths[0]) <= 0.1
    assert one.at(one.healths[-1]) == pytest.approx(5.5, abs=0.1)
    assert one.sink_healths == one.healths
    assert all(health.sinks == (SINK,) and health.wall_ns == 5 for health in one.healths)
    assert one.healths[-1].link == "streaming" and one.healths[-1].infer_ms == (20.0, 20.0)


def test_a_stalled_camera_is_reported_at_once_and_so_is_its_return(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 25 fps a stall of two periods, 80 ms, is reported a quarter of a period later."""
    one = Supervised(monkeypatch)
    one.period_s = 0.04
    one.then_set(3.01, period_s=None)
    one.then_set(5.0, period_s=0.04)
    one.run(8)
    changes = [(0.0, Signal.NO_SIGNAL)]
    for health in one.healths:
        if health.signal is not changes[-1][1]:
            changes.append((one.at(health), health.signal))
    found = [(signal, round(seconds, 2)) for seconds, signal in changes if seconds > 1]
    assert [signal for signal, _ in found] == [Signal.STALE, Signal.NO_SIGNAL, Signal.OK]
    for (_, seconds), expected in zip(found, (3.08, 4.0, 5.0), strict=True):
        assert expected - 0.001 <= seconds <= expected + 0.03
    assert one.pipeline.signal is Signal.OK


@pytest.mark.parametrize("begin_s", [0.01, 0.02, 0.03])
def test_a_stall_is_reported_within_two_and_a_quarter_periods(
    monkeypatch: pytest.MonkeyPatch, begin_s: float
) -> None:
    """However the frames fall between the ticks of the supervisor."""
    one = Supervised(monkeypatch)
    one.then_set(begin_s - 0.005, period_s=0.04)
    one.then_set(begin_s + 2.0 + 0.005, period_s=None)  # after 51 frames
    one.run(3)
    stale = next(health for health in one.healths if health.signal is Signal.STALE)
    assert 0.08 <= one.at(stale) - begin_s - 2.0 + 1e-6 <= 0.09 + 2e-6
    assert stale.silent_ms is not None and 80 <= stale.silent_ms + 1e-3 <= 90.01


def test_a_condition_is_logged_when_it_comes_and_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perception.health")
    one = Supervised(monkeypatch)
    one.period_s = 0.04
    one.then_set(3.0, period_s=None)
    one.then_set(6.0, period_s=0.04)
    one.run(15)
    events = [
        (record.event, getattr(record, "condition", ""), record.levelno)  # type: ignore[attr-defined]
        for record in caplog.records
    ]
    signal = [(event, level) for event, condition, level in events if condition == "signal"]
    assert signal == [("condition", logging.ERROR), ("condition_over", logging.INFO)]
    assert one.healths[-1].level is Level.OK


def test_of_a_recording_no_condition_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perception.health")
    one = Supervised(monkeypatch, live=False, freshest=False, max_age_ms=100.0)
    one.period_s, one.age_ms = 0.04, 500.0
    one.run(10)
    assert any(health.conditions for health in one.healths) and not caplog.records


def test_before_the_node_is_active_silence_is_no_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch, state=NodeState.INACTIVE)
    one.link = Link(LinkState.CONNECTING)
    one.run(5)
    assert one.healths and all(health.conditions == () for health in one.healths)


@pytest.mark.parametrize("give_up_s", [None, 5.0])
def test_a_pause_of_the_whole_process_is_no_silence_of_the_camera(
    monkeypatch: pytest.MonkeyPatch, give_up_s: float | None
) -> None:
    """Nobody could take a frame in: it has as long as ever from then on."""
    one = Supervised(monkeypatch, give_up_s=give_up_s)
    one.period_s = 0.04
    one.then_set(3.0, period_s=None)
    one.then(4.0, lambda: one.pause(60.0))
    limit_s = give_up_s or 10.0
    one.run(64.0 + limit_s - 0.5)
    assert one.fatal_at is None and not one.stopped
    one = Supervised(monkeypatch, give_up_s=give_up_s)
    one.period_s = 0.04
    one.then_set(3.0, period_s=None)
    one.then(4.0, lambda: one.pause(60.0))
    one.run(100)
    assert one.fatal_at is not None and 64 + limit_s < one.fatal_at <= 64.3 + limit_s


def test_the_last_health_says_why_the_node_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Supervised(monkeypatch)
    one.period_s = 0.04
    one.then(2.0, lambda: one.fail("ZeroDivisionError: by hand"))
    one.run(2.1)
    last = one.healths[-1]
    assert last.level is Level.ERROR and last.state is NodeState.ERROR
    assert ("ended", "ended early: ZeroDivisionError: by hand") in [
        (condition.name, condition.reason) for condition in last.conditions
    ]


def test_after_the_machine_was_suspended_nothing_is_told_until_a_frame_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By the monotonic clock, which stood still, the last scene is 10 ms old; by any other, two hours."""
    one = Supervised(monkeypatch)
    one.period_s = 0.04
    one.then(3.005, lambda: setattr(one, "suspended_ns", 7200 * S))
    one.then_set(3.005, period_s=None)
    signals = []
    for thousandth in range(2990, 3190, 5):
        one.then(
            thousandth / 1000, lambda: signals.append((one.seconds, one.monitor.signal(one.now_ns, one.link)))
        )
    one.then_set(3.1, period_s=0.04)
    one.run(4)
    lost = [seconds for seconds, signal in signals if signal is Signal.NO_SIGNAL]
    assert 3.005 <= lost[0] <= 3.02 and 3.09 <= lost[-1] < 3.15
    assert len(lost) == sum(lost[0] <= seconds <= lost[-1] for seconds, _ in signals)
    assert one.healths[-1].signal is Signal.OK
    assert any("suspended for 7200 s" in record.message for record in caplog.records)


def test_no_sink_was_given_more_than_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Supervised(monkeypatch)
    sequences = count()

    class Queue:
        @property
        def state(self) -> SinkState:
            state = replace(SINK, written=node.accounting.published)
            for sequence in islice(sequences, 3):
                node.accounting.capture(sequence)
                node.accounting.publish(sequence, Status.OK)
            return state

        def write_health(self, health: Health) -> None: ...

    pipeline = replace(node.pipeline, queues=[cast(SinkQueue, Queue())])
    Supervisor(pipeline, Limits(), freshest=True, on_health=node.healths.append).look(node.now_ns)
    [health] = node.healths
    assert health.sinks[0].written <= health.published == 3
