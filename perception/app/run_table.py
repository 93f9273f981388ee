"""The report of a run as tables, for people: at most 80 columns wide."""

import json
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from perception.console import Console
from perception.engines.base import ASKED_FOR
from perception.health.types import SinkState
from perception.node.report import Report
from perception.node.seen import RoadUsers


def show_reports(reports: Sequence[Report], as_json: bool) -> None:
    """Print one, or where there are several cameras, one for each."""
    if as_json:
        found = {one.camera: one.as_json() for one in reports}
        print(json.dumps(found if len(reports) > 1 else reports[0].as_json(), indent=2))
    else:
        for one in reports:
            Console().print(run_table(one))


def run_table(report: Report) -> RenderableType:
    """What ran and how fast, then what was seen, how far to trust it, and where it was written."""
    lost = sum(report.dropped.values())
    facts = {
        f"source {report.camera}": report.source,
        "engine": f"{report.model} on {report.engine}{_why(report)}",
        "frames": f"{report.captured} captured = {report.published} published + {lost} dropped",
        "rate": f"{report.fps:.1f} frames/s over {report.seconds:.1f} s",
        "cpu": f"{report.process_cpu_share:.0%} of {report.cores} cores{_stages(report.cpu_share)}",
    }
    if report.dropped:
        facts["drops"] = _counts(report.dropped)
    if report.connections:
        facts["camera"] = "1 connection" if report.connections == 1 else f"{report.connections} connections"
    if report.restarts:
        facts["restarts"] = f"{report.restarts} stages died or hung, and were replaced"
    shown: list[RenderableType] = [_grid(facts)]
    if report.published:
        shown += [_times(report), _grid({"seen": _seen(report), "trust": _trust(report)})]
    shown.append(_grid({"sinks": "\n".join(_account(sink) for sink in report.sinks)}))
    return Group(*shown, *(Text(message, "yellow") for message in report.messages))


def _stages(cpu_share: float | None) -> str:
    if cpu_share is None:
        return "; of the network's part nothing is known, as its engine has threads of its own"
    return f", {cpu_share:.0%} in the stages"


def _why(report: Report) -> str:
    """Of the engine's choice; why others cannot run is for `perception doctor`."""
    return "" if report.engine_reason == ASKED_FOR else f": {report.engine_reason.partition(';')[0]}"


def _grid(facts: dict[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(min_width=8)
    for name, value in facts.items():
        if value:
            grid.add_row(Text(name, "bold"), Text(value))
    return grid


def _times(report: Report) -> Table:
    times = Table("ms a frame")
    for head in ("p50", "p95", "p99", "CPU time"):
        times.add_column(head, justify="right")
    for name, stage in report.stages.items():
        cpu = "" if stage.cpu is None else f"{stage.cpu:.2f}"
        times.add_row(name, f"{stage.p50:.2f}", f"{stage.p95:.2f}", f"{stage.p99:.2f}", cpu)
    return times


def _seen(report: Report) -> str:
    """A line for each class, and one for the lanes; empty where the network looks for neither."""
    seen, of = report.seen, f"of {report.published} frames"
    if seen.road_users is None:
        return ""
    lines = [_road_users(name, one, report.published) for name, one in seen.road_users.items()]
    lines = lines or ["no road users"]
    if seen.lanes:
        lines.append(f"lanes in {seen.lanes} {of}, the ego lane in {seen.ego_lanes}")
    elif seen.lanes is not None:
        lines.append("no lanes")
    return "\n".join(lines)


def _road_users(name: str, seen: RoadUsers, frames: int) -> str:
    name = name.replace("_", " ")
    if frames == 1:
        return f"{name}: {seen.instances}"
    tracks = f"{seen.tracks} {'track' if seen.tracks == 1 else 'tracks'}, " if seen.tracks else ""
    return f"{name}: {tracks}in {seen.frames} of {frames} frames, {seen.instances / frames:.1f} a frame"


def _trust(report: Report) -> str:
    """The share of scenes that are not ok, and why."""
    wrong = {"stale": report.stale, "unreliable": report.unreliable, "not ready": report.not_ready}
    count = sum(wrong.values())
    if not count:
        return "all frames"
    found = f"; pictures {_counts(report.findings)}" if report.findings else ""
    share = f"{count} of {report.published} frames ({count / report.published:.0%}) are not to be trusted"
    return f"{share}: {_counts(wrong)}{found}"


def _counts(those: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in those.items() if count)


def _account(sink: SinkState) -> str:
    lost = "".join(f", {count} lost: {reason}" for reason, count in sink.lost.items())
    return f"{sink.uri}: {sink.written} written{lost}"
