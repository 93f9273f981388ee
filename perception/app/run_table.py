"""The report of a run as a table."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from perception.health.types import SinkState
from perception.node.report import Report


def run_table(report: Report) -> RenderableType:
    """What became of the frames, then the latencies of the stages, where anything was published."""
    kinds = ((report.stale, "stale"), (report.unreliable, "unreliable"), (report.not_ready, "not ready"))
    those = "".join(f", {count} of them {status}" for count, status in kinds if count)
    lost = sum(report.dropped.values())
    facts = {
        "source": report.source,
        "sinks": "\n".join(_account(sink) for sink in report.sinks),
        "engine": f"{report.model} on {report.engine} ({report.engine_reason})",
        "frames": f"{report.captured} captured = {report.published} published{those} + {lost} dropped",
        "drops": ", ".join(f"{count} {reason}" for reason, count in report.dropped.items()) or "none",
        "rate": f"{report.fps:.1f} frames/s over {report.seconds:.1f} s",
        "cpu": f"{report.cpu_share:.0%} of {report.cores} cores in the stages, "
        f"{report.process_cpu_share:.0%} in all",
    }
    if report.findings:
        facts["unreliable"] = ", ".join(f"{name}: {count}" for name, count in report.findings.items())
    if report.connections:
        facts["camera"] = "1 connection" if report.connections == 1 else f"{report.connections} connections"
    if report.restarts:
        facts["restarts"] = f"{report.restarts} stages died or hung, and were replaced"
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(Text(name, "bold"), Text(value))
    times = Table("ms a frame")
    for head in ("p50", "p95", "p99", "CPU time"):
        times.add_column(head, justify="right")
    for name, stage in report.stages.items():
        cpu = "" if stage.cpu is None else f"{stage.cpu:.2f}"
        times.add_row(name, f"{stage.p50:.2f}", f"{stage.p95:.2f}", f"{stage.p99:.2f}", cpu)
    shown = [grid, times] if report.published else [grid]
    return Group(*shown, *(Text(message, "yellow") for message in report.messages))


def _account(sink: SinkState) -> str:
    lost = "".join(f", {count} lost: {reason}" for reason, count in sink.lost.items())
    return f"{sink.uri}: {sink.written} written{lost}"
