"""What a run came to: frames, drops, latencies, use of the cores, and the engine."""

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from perception.health import SinkState

_RATIO = 1.01  # of neighbouring bins: percentiles are exact to one percent, in memory that does not grow
_LEAST_MS = 1e-3
_BINS = math.ceil(math.log(1e6 / _LEAST_MS, _RATIO))  # up to a thousand seconds


def usable_cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Latency:
    """A distribution of durations, as a histogram with logarithmic bins."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self.cpu_s = 0.0  # what the calling thread spent of a core

    def add(self, ms: float, cpu_s: float = 0.0) -> None:
        place = int(math.log(max(ms, _LEAST_MS) / _LEAST_MS, _RATIO))
        self._counts[min(place, _BINS - 1)] += 1
        self.cpu_s += cpu_s

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    def merge(self, other: "Latency") -> None:
        """Count what the other one counted, too."""
        self._counts += other._counts
        self.cpu_s += other.cpu_s

    def percentile(self, percent: float) -> float:
        """ms that `percent` of the durations do not exceed; 0 where there are none."""
        if not self.count:
            return 0.0
        place = int(np.searchsorted(self._counts.cumsum(), self.count * percent / 100))
        return float(_LEAST_MS * _RATIO ** (place + 0.5))


class Stages:
    """How long each stage takes, in wall time and in CPU time of its thread. Any thread may measure."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.latencies = {name: Latency() for name in names}
        self._lock = Lock()

    @contextmanager
    def measure(self, name: str, timings_ms: dict[str, float]) -> Iterator[None]:
        """Count what the block takes, and put it into the frame's own timings."""
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            timings_ms[name] = 1000 * (time.perf_counter() - start)
            self.add(name, timings_ms[name], time.thread_time() - cpu)

    def add(self, name: str, ms: float, cpu_s: float = 0.0) -> None:
        with self._lock:
            self.latencies[name].add(ms, cpu_s)


@dataclass(frozen=True)
class StageReport:
    """Latency in ms a frame, and CPU time in ms a published frame (None: the stage only waits for others)."""

    p50: float
    p95: float
    p99: float
    cpu: float | None


@dataclass(frozen=True)
class Report:
    """The end of a run, for people (`table`) and for programs (`as_json`).

    Attributes:
        cpu_share: the stages' own CPU time over wall time × cores: 1 means that the cores did nothing else.
        process_cpu_share: the same of all CPU time of the process: what is above `cpu_share` is overhead.
        sinks: what each made of the published frames.
        dropped: frames by reason; captured = published + all dropped.
        stale, not_ready, unreliable: of the published ones.
        findings: for how many frames each image check says that the scene may mislead.
        connections: how often a live source's was made; 0 for a recording.
        restarts: stages that died or hung, and were replaced.
        engines_passed_over: why each engine that "auto" tried before this one was not taken, in full.
        messages: what the first drops said, and what the source noted.
    """

    source: str
    sinks: tuple[SinkState, ...]
    model: str
    engine: str
    engine_reason: str
    engines_passed_over: tuple[str, ...]
    captured: int
    published: int
    stale: int
    dropped: dict[str, int]
    messages: tuple[str, ...]
    seconds: float
    fps: float
    cores: int
    cpu_share: float
    process_cpu_share: float
    stages: dict[str, StageReport]
    failure: str | None = None
    not_ready: int = 0
    unreliable: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    restarts: int = 0
    camera: str = "front"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> RenderableType:
        amiss = ((self.stale, "stale"), (self.unreliable, "unreliable"), (self.not_ready, "not ready"))
        those = "".join(f", {count} of them {status}" for count, status in amiss if count)
        lost = sum(self.dropped.values())
        facts = {
            "source": self.source,
            "sinks": "\n".join(_account(sink) for sink in self.sinks),
            "engine": f"{self.model} on {self.engine} ({self.engine_reason})",
            "frames": f"{self.captured} captured = {self.published} published{those} + {lost} dropped",
            "drops": ", ".join(f"{count} {reason}" for reason, count in self.dropped.items()) or "none",
            "rate": f"{self.fps:.1f} frames/s over {self.seconds:.1f} s",
            "cpu": f"{self.cpu_share:.0%} of {self.cores} cores in the stages, "
            f"{self.process_cpu_share:.0%} in all",
        }
        if self.findings:
            facts["unreliable"] = ", ".join(f"{name}: {count}" for name, count in self.findings.items())
        if self.connections:
            facts["camera"] = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        if self.restarts:
            facts["restarts"] = f"{self.restarts} stages died or hung, and were replaced"
        grid = Table.grid(padding=(0, 2))
        for name, value in facts.items():
            grid.add_row(Text(name, "bold"), Text(value))
        times = Table("ms a frame")
        for head in ("p50", "p95", "p99", "CPU time"):
            times.add_column(head, justify="right")
        for name, stage in self.stages.items():
            cpu = "" if stage.cpu is None else f"{stage.cpu:.2f}"
            times.add_row(name, f"{stage.p50:.2f}", f"{stage.p95:.2f}", f"{stage.p99:.2f}", cpu)
        shown = [grid, times] if self.published else [grid]
        return Group(*shown, *(Text(message, "yellow") for message in self.messages))


def _account(sink: SinkState) -> str:
    lost = "".join(f", {count} lost: {reason}" for reason, count in sink.lost.items())
    return f"{sink.uri}: {sink.written} written{lost}"


def stage_reports(latencies: Mapping[str, Latency], published: int) -> dict[str, StageReport]:
    """For each stage that anything went through; CPU time is of a published frame."""
    return {
        name: StageReport(
            latency.percentile(50),
            latency.percentile(95),
            latency.percentile(99),
            None if name == "end_to_end" else 1000 * latency.cpu_s / max(published, 1),
        )
        for name, latency in latencies.items()
        if latency.count
    }
