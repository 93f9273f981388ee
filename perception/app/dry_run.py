"""`perception run --dry-run`: what a run would open and write."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from perception.app.build import check_single, open_sources
from perception.app.config import AUTO, RunConfig
from perception.app.place import with_place
from perception.app.wiring import calibration_of, ego_mask_of
from perception.bundle.bundle import Bundle
from perception.decode.instances import choose_least, choose_way
from perception.node.arguments import policy_of
from perception.sinks.base import SinkUri


@dataclass(frozen=True)
class Plan:
    """Rows of what it is and what is known of it, for people and for programs."""

    rows: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        found: dict[str, list[str]] = {}
        for name, value in self.rows:
            found.setdefault(name, []).append(value)
        return found

    def table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, value in self.rows:
            table.add_row(name, Text(value))
        return table


def plan(settings: RunConfig) -> Plan:
    """What a run by these settings would open. Recordings are opened; a camera is not called.

    Raises:
        PerceptionError: something cannot be opened, as in the run itself.
    """
    rows = []
    for camera, source in open_sources(settings).items():
        with closing(source):
            check_single(source, settings)
            policy = policy_of(source, settings.policy)
            length = min(filter(None, (settings.frames, source.length)), default=None)
            about = "live" if source.live else f"{source.rate:g} frames/s"
            frames = f", {length} frames" if length else ""
            rows.append((f"source {camera}", f"{source.uri}: {about}{frames}, policy {policy}"))
            calibration = calibration_of(source, settings.sources[camera], settings, camera)
            if calibration is not None:
                what = "a lens alone: no metres" if calibration.mount is None else "lens and mount"
                rows.append((f"calibration {camera}", f"{calibration.name}: {what}"))
            mask = settings.by_camera(settings.ego_mask).get(camera)
            if mask is not None:
                found = "looked for in the recording" if mask == AUTO else mask
                if mask != AUTO:
                    ego_mask_of(source, settings.sources[camera], settings, camera)
                rows.append((f"ego mask {camera}", found))
    bundle = Bundle.load(settings.model)
    bundle = bundle.resized(settings.pixels) if settings.pixels is not None else bundle
    info, classes = bundle.info, bundle.classes
    least = choose_least(info, classes, settings.instances, settings.min_score or None)
    shown = ", ".join(f"{classes.names[i]} {score:.2f}" for i, score in least.items())
    way = choose_way(info, settings.instances)
    rows += [
        ("model", f"{info.name} {info.version} at {info.input.pixels} pixels, {bundle.folder}"),
        ("engine", settings.engine + (", the fastest that runs here" if settings.engine == "auto" else "")),
        ("instances", f"by {way}, from scores of {shown}" if way else "none"),
    ]
    if settings.denoise:
        rows.append(("denoise", str(Bundle.load(settings.denoise).folder)))
    for sink in (settings if settings.sinks else with_place(settings)).sinks:
        sink.check_needs()
        rows.append(("sink", f"{sink}: {_would(sink)}"))
    return Plan(rows)


def _would(sink: SinkUri) -> str:
    """What the run does at that place."""
    if sink.path is None:
        return "served while the run lasts"
    if "{camera}" in str(sink.path):
        return "one for each camera"
    if not sink.path.exists():
        return "new"
    return "what an earlier run wrote there is replaced" if sink.path.is_dir() else "overwritten"
