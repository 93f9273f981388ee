"""A camera's life frame by frame, in simulated time, and what a monitor says of it."""

from typing import Any

from perception.frame import Drop, DropReason
from perception.health.latency import StageTimes
from perception.health.monitor import Monitor
from perception.health.types import Finding, Health, Level, Link, LinkState, NodeState
from perception.node.accounting import Accounting
from perception.scene import Status
from perception.types import NS_PER_MS, NS_PER_S

STREAMING = Link(LinkState.STREAMING, connections=1)
PERIOD = 40 * NS_PER_MS


class Camera:
    """A camera at 25 fps that a monitor watches; asked each 20 ms, as by a thread."""

    def __init__(self, rate: float = 25.0, **options: Any) -> None:
        self.times = StageTimes(("infer", "end_to_end"))
        self.monitor = Monitor("front", rate, self.times, **({"live": True} | options))
        self.accounting, self.now = Accounting(), 0
        self.told: dict[str, Any] = {"link": STREAMING}
        self.status, self.age_ms, self.infer_ms = Status.OK, 40.0, 20.0
        self.drop = DropReason.SUPERSEDED
        self.findings: tuple[Finding, ...] = ()
        self.published_share = 1.0
        self.moments: list[Health] = []

    def frames(self, seconds: float, interval_ns: int = PERIOD) -> Health:
        return self._run(seconds, interval_ns)

    def silence(self, seconds: float) -> Health:
        return self._run(seconds, None)

    def _run(self, seconds: float, interval_ns: int | None) -> Health:
        end, next_ns = self.now + round(seconds * NS_PER_S), self.now
        while self.now < end:
            if interval_ns and self.now >= next_ns:
                next_ns += interval_ns
                self._frame()
            health = self.ask()
            self.now += 20 * NS_PER_MS
        return health

    def _frame(self) -> None:
        sequence = self.accounting.captured
        self.monitor.arrived(self.now)
        self.accounting.capture(sequence)
        if (sequence * 7919) % 100 < 100 * self.published_share:
            self.times.add("infer", self.infer_ms, at_ns=self.now)
            self.times.add("end_to_end", self.age_ms, at_ns=self.now)
            self.accounting.publish(sequence, self.status)
            self.monitor.published(self.findings, self.now)
        else:
            self.accounting.drop(Drop(sequence, self.drop, ""))

    def ask(self, state: NodeState = NodeState.ACTIVE) -> Health:
        health = self.monitor.health(self.now, 5, state=state, account=self.accounting.account(), **self.told)
        self.moments.append(health)
        return health


def told(health: Health) -> dict[str, Level]:
    return {condition.name: condition.level for condition in health.conditions}


def reason(health: Health, name: str) -> str:
    return next(condition.reason for condition in health.conditions if condition.name == name)
