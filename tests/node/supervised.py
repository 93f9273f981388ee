"""A Supervisor in one thread, with time that passes only where it waits for its next tick."""

import heapq
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from perception.frame import Drop, DropReason
from perception.health.degradation import Degradation, Step
from perception.health.latency import StageTimes
from perception.health.lifecycle import LifeCycle
from perception.health.monitor import Monitor
from perception.health.types import Health, Link, LinkState, NodeState, SinkState
from perception.node import supervisor as module
from perception.node.accounting import Accounting
from perception.node.capture import Capture
from perception.node.in_flight import FramesInFlight
from perception.node.supervisor import Limits, Pipeline, Supervisor
from perception.node.worker_pool import Hung, WorkerPool
from perception.scene import Status
from perception.sinks.queue import SinkQueue
from perception.sources.base import Source

S = 1_000_000_000
URI, RATE = "rtsp://camera/front", 25.0
SINK = SinkState("out.mp4", 7, {})


class Supervised:
    """A node's surroundings, as its supervisor sees them, and what the supervisor makes of them.

    Time is in seconds since it began. Where `period_s` is set, frames come so often, of `fails` of them the
    engine fails on one, and of `every` of them one is published, `age_ms` old, of which `transport_ms` before
    it arrived. `hung` is how many workers hang when it next looks for them.

    Attributes:
        fatal_at: when the supervisor ended the run, if it did; `raise_fatal` raises why.
        stopped: how often the source was stopped.
        healths: what `on_health` was given; `at` says when.
        sink_healths: what the sink was given.
        asked_s: with which limits the workers were asked for calls that hang.
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        *,
        live: bool = True,
        freshest: bool = True,
        state: NodeState = NodeState.ACTIVE,
        **limits: Any,
    ) -> None:
        self.now_ns, self.suspended_ns = 10**12, 5
        self.link = Link(LinkState.STREAMING, connections=1)
        self.period_s: float | None = None
        self.every, self.fails, self.age_ms, self.hung = 1, 0, 40.0, 0
        self.transport_ms, self.decode_ms = 0.0, 20.0
        self.fault: Exception | None = None
        self.fatal_at: float | None = None
        self.stopped = 0
        self.healths: list[Health] = []
        self.sink_healths: list[Health] = []
        self.asked_s: list[float] = []
        self._fatal: Exception | None = None
        self._begun_ns, self._frames = self.now_ns, count()
        self._deeds: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._end_s = self._paused_s = 0.0
        patch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: self.now_ns, time_ns=lambda: 5))
        patch.setattr(module, "suspended_ns", lambda: self.suspended_ns)
        patch.setattr(module, "Event", lambda: SimpleNamespace(wait=self._wait))
        patch.setattr(module, "Thread", lambda target, name, daemon: SimpleNamespace(start=target))
        source = _LiveSource(self) if live else SimpleNamespace(uri="drive.mp4", rate=RATE, live=False)
        self.life = LifeCycle()
        self.life.to(NodeState.INACTIVE)
        if state is not NodeState.INACTIVE:
            self.life.to(state)
        kept = Limits(**({"max_age_ms": 250.0, "min_rate": 1.0} | limits))
        self.times, self.degradation = (
            StageTimes(("transport", "infer", "decode", "end_to_end")),
            Degradation(),
        )
        self.monitor = Monitor(
            "front",
            RATE,
            self.times,
            live=live,
            max_age_ms=kept.max_age_ms,
            min_rate=kept.min_rate or None,
        )
        self.accounting = Accounting()
        self.in_flight = SimpleNamespace(abort=self._abort, waits=False)
        self.pipeline = Pipeline(
            "front",
            cast(Source, source),
            cast(Capture, SimpleNamespace(stop=lambda: None, restarts=0)),
            cast(FramesInFlight, self.in_flight),
            cast(WorkerPool, SimpleNamespace(count=1, replace_hung=self._replace_hung)),
            [cast(SinkQueue, SimpleNamespace(state=SINK, write_health=self.sink_healths.append))],
            self.accounting,
            self.times,
            self.monitor,
            self.degradation,
            self.life,
        )
        self.supervisor = Supervisor(self.pipeline, kept, freshest=freshest, on_health=self.healths.append)

    @property
    def step(self) -> Step:
        return self.degradation.step

    def raise_fatal(self) -> None:
        if self._fatal is not None:
            raise self._fatal

    def pause(self, seconds: float) -> None:
        """The whole process: nobody ticks."""
        self._paused_s = seconds

    def fail(self, why: str) -> None:
        """What the node does where it ends early."""
        self.supervisor.failure = why
        self.life.to(NodeState.ERROR)

    @property
    def seconds(self) -> float:
        return (self.now_ns - self._begun_ns) / S

    @staticmethod
    def at(health: Health) -> float:
        return (health.stamp_ns - 10**12) / S

    def then(self, seconds: float, deed: Callable[[], None]) -> None:
        """Do it at that time."""
        heapq.heappush(self._deeds, (seconds, next(self._numbers), deed))

    def then_set(self, seconds: float, **attributes: Any) -> None:
        self.then(seconds, lambda: self.__dict__.update(attributes))

    def run(self, seconds: float) -> None:
        """The whole life of the supervisor: until then, or until it ends by a fault of its own."""
        self._end_s = seconds
        self.then(0.0, self._frame)
        self.supervisor.start()

    def _wait(self, timeout_s: float) -> bool:
        assert 0 < timeout_s <= 1, "it would notice nothing meanwhile"
        until = self.seconds + timeout_s + self._paused_s
        self._paused_s = 0.0
        while self._deeds and self._deeds[0][0] <= until:
            seconds, _, deed = heapq.heappop(self._deeds)
            self.now_ns = self._begun_ns + round(seconds * S)
            deed()
        self.now_ns = self._begun_ns + round(until * S)
        return self.seconds >= self._end_s

    def _frame(self) -> None:
        if self.period_s is None:
            self.then(self.seconds + 0.01, self._frame)
            return
        self.then(self.seconds + self.period_s, self._frame)
        sequence = next(self._frames)
        self.monitor.arrived(self.now_ns)
        self.times.add("transport", self.transport_ms, at_ns=self.now_ns)
        if self.fails and sequence % self.fails == 0:
            self.accounting.capture(sequence)
            self.accounting.drop(Drop(sequence, DropReason.FAILED, "it failed"))
        elif sequence % self.every == 0:
            self.times.add("infer", 20.0, at_ns=self.now_ns)
            self.times.add("decode", self.decode_ms, at_ns=self.now_ns)
            self.times.add("end_to_end", self.age_ms, at_ns=self.now_ns)
            self.accounting.capture(sequence)
            self.accounting.publish(sequence, Status.OK)
            self.monitor.published((), self.now_ns)

    def _replace_hung(self, limit_s: float, owner: object) -> Hung:
        if self.fault is not None:
            raise self.fault
        assert owner is self.pipeline.in_flight
        self.asked_s.append(limit_s)
        hung, self.hung = self.hung, 0
        return Hung(hung, in_a_row=hung > 0)

    def _abort(self, failure: Exception) -> None:
        if self._fatal is None:
            self._fatal, self.fatal_at = failure, self.seconds


class _LiveSource:
    uri, rate, live = URI, RATE, True

    def __init__(self, owner: Supervised) -> None:
        self._owner = owner

    @property
    def link(self) -> Link:
        return self._owner.link

    def stop(self) -> None:
        self._owner.stopped += 1
