"""What a run came to: frames, drops, latencies, use of the cores, and the engine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from perception.engines.machine import usable_cores
from perception.health.latency import Latency
from perception.health.types import SinkState
from perception.node.seen import Counts, Seen
from perception.node.supervisor import Pipeline
from perception.perceiver import Perceiver
from perception.scene import Status
from perception.sources.base import is_live


@dataclass(frozen=True)
class StageReport:
    """Latency in ms a frame, and CPU time in ms a published frame (None: the stage only waits for others)."""

    p50: float
    p95: float
    p99: float
    cpu: float | None


@dataclass(frozen=True)
class Report:
    """The end of a run. `perception.app.run_table` shows it to people.

    Attributes:
        cpu_share: the stages' own CPU time over wall time × cores: 1 means that the cores did nothing else;
            None where the engine computes in threads of its own.
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
    cpu_share: float | None
    process_cpu_share: float
    stages: dict[str, StageReport]
    failure: str | None = None
    not_ready: int = 0
    unreliable: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    restarts: int = 0
    camera: str = "front"
    seen: Seen = field(default_factory=Seen)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def report_of(
    pipeline: Pipeline,
    perceiver: Perceiver,
    counts: Counts,
    *,
    restarts: int,
    seconds: float,
    process_cpu_s: float,
    failure: str | None,
) -> Report:
    """What a run came to that took so long, and so much CPU time of the process."""
    account, engine = pipeline.accounting.account(), perceiver.engine.info
    writing = Latency()
    for queue in pipeline.queues:
        writing.merge(queue.writing)
    latencies = pipeline.times.latencies | {"write": writing}
    core_seconds = max(seconds * usable_cores(), 1e-9)
    elsewhere = engine is not None and engine.own_threads
    return Report(
        camera=pipeline.camera,
        source=pipeline.source.uri,
        sinks=tuple(queue.state for queue in pipeline.queues),
        model=perceiver.model,
        engine=engine.name if engine else perceiver.engine.name,
        engine_reason=engine.reason if engine else "not ready yet",
        engines_passed_over=engine.passed_over if engine else (),
        captured=account.captured,
        published=account.published,
        stale=account.statuses.get(Status.STALE, 0),
        not_ready=account.statuses.get(Status.NOT_READY, 0),
        unreliable=account.statuses.get(Status.UNRELIABLE, 0),
        findings=dict(counts.flagged),
        seen=counts.seen(),
        dropped={str(reason): count for reason, count in account.dropped.items()},
        connections=pipeline.source.link.connections if is_live(pipeline.source) else 0,
        restarts=restarts,
        messages=(*perceiver.notes, *pipeline.source.notes, *pipeline.accounting.messages),
        seconds=seconds,
        fps=account.published / max(seconds, 1e-9),
        cores=usable_cores(),
        cpu_share=None if elsewhere else sum(one.cpu_s for one in latencies.values()) / core_seconds,
        process_cpu_share=process_cpu_s / core_seconds,
        stages=stage_reports(latencies, account.published, *(["infer"] if elsewhere else [])),
        failure=failure,
    )


def stage_reports(latencies: Mapping[str, Latency], published: int, *unknown: str) -> dict[str, StageReport]:
    """For each stage that anything went through; CPU time is of a published frame, or `unknown`."""
    return {
        name: StageReport(
            latency.percentile(50),
            latency.percentile(95),
            latency.percentile(99),
            None
            if name in ("transport", "end_to_end", *unknown)
            else 1000 * latency.cpu_s / max(published, 1),
        )
        for name, latency in latencies.items()
        if latency.count
    }
