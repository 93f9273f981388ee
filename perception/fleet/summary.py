"""What a fleet came to: summary.json for programs, a table for people."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from perception.fleet.record import DriveRecord, Users, read_written

if TYPE_CHECKING:
    from rich.console import RenderableType

    from perception.fleet.plan import Setup

SUMMARY = "summary.json"


class Summary(BaseModel):
    """Of the drives that were asked for, in this run and in earlier ones.

    Attributes:
        drives, done, resumed: how many there are, are finished, and were so before.
        failures: why, by the drives' names.
        retried: attempts that failed, and were made again.
        frames, dropped: of the finished drives.
        seconds: that this run took.
        rate: frames a second that this run published; 0 where it had nothing to do.
        work_seconds: of all workers, also those of earlier runs.
        seen: by class, and "lanes".
        statuses: scenes by status.
        events: how often each condition of health began.
        joined: drives that were cut and joined; `differing`: frames in which pieces disagreed at their seams.
    """

    model_config = ConfigDict(frozen=True)

    drives: int
    done: int
    resumed: int
    failures: dict[str, str]
    retried: int
    engine: str
    model: str
    versions: dict[str, str]
    frames: int
    dropped: int
    seconds: float
    rate: float
    work_seconds: float
    seen: dict[str, Users]
    statuses: dict[str, int]
    events: dict[str, int]
    joined: int
    differing: int

    def as_json(self) -> dict[str, Any]:
        return self.model_dump()

    def write(self, out: Path) -> None:
        """Whole or not at all. Raises: OSError."""
        draft = out / f".{SUMMARY}.{os.getpid()}"
        draft.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(out / SUMMARY)

    def table(self) -> "RenderableType":
        from rich.console import Group  # noqa: PLC0415 - a fleet without a terminal does without rich
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        grid = Table.grid(padding=(0, 2))
        grid.add_column(min_width=8)
        for name, value in self._facts().items():
            grid.add_row(Text(name, "bold"), Text(value))
        shown: list[RenderableType] = [grid]
        if self.seen:
            seen = Table("seen", box=None)
            for head in ("frames", "share", "tracks"):
                seen.add_column(head, justify="right")
            for name, one in self.seen.items():
                share = f"{one.frames / max(self.frames, 1):.0%}"
                seen.add_row(name.replace("_", " "), f"{one.frames}", share, f"{one.tracks or ''}")
            shown.append(seen)
        return Group(*shown, *(Text(f"{name} failed: {why}", "red") for name, why in self.failures.items()))

    def _facts(self) -> dict[str, str]:
        facts = {
            "drives": f"{self.drives} = {self.done} done + {len(self.failures)} failed",
            "frames": f"{self.frames} published, {self.dropped} dropped",
            "engine": f"{self.model} on {self.engine}",
            "rate": f"{self.rate:.1f} frames/s over {self.seconds:.1f} s",
        }
        if left := self.drives - self.done - len(self.failures):
            facts["drives"] += f" + {left} not done; run it again to go on"
        if self.resumed:
            facts["drives"] += f"; {self.resumed} were done before"
        if self.retried:
            facts["retried"] = f"{self.retried} attempts failed, and were made again"
        if self.joined:
            facts["pieces"] = f"{self.joined} drives were cut and joined"
            if self.differing:
                facts["pieces"] += f"; {self.differing} frames before a seam differ"
        if wrong := {name: count for name, count in self.statuses.items() if name != "ok"}:
            facts["trust"] = f"{_counts(wrong)} of {self.frames} frames"
        if self.events:
            facts["events"] = _counts(self.events)
        return facts


def summarise(
    records: Sequence[DriveRecord],
    new: Sequence[DriveRecord],
    failures: Mapping[str, str],
    *,
    drives: int,
    retried: int,
    seconds: float,
    setup: "Setup",
) -> Summary:
    """Sum up finished drives.

    Args:
        records: of all of them.
        new: those among them that this run has finished.
        drives: how many there are to be.
    """
    seen: dict[str, Users] = {}
    statuses, events = Counter[str](), Counter[str]()
    for record in records:
        statuses.update(record.statuses)
        events.update(record.events)
        for name, users in record.seen.items():
            seen[name] = seen.get(name, Users()) + users
    frames = sum(record.frames for record in new)
    pieces = [record.pieces for record in records if record.pieces is not None]
    return Summary(
        drives=drives,
        done=len(records),
        resumed=len(records) - len(new),
        failures=dict(failures),
        retried=retried,
        engine=setup.engine,
        model=setup.model,
        versions=setup.facts["versions"],
        frames=sum(record.frames for record in records),
        dropped=sum(record.dropped for record in records),
        seconds=round(seconds, 3),
        rate=round(frames / max(seconds, 1e-9), 2),
        work_seconds=round(sum(record.seconds for record in records), 3),
        seen=dict(sorted(seen.items(), key=lambda one: -one[1].frames)),
        statuses=dict(statuses),
        events=dict(events),
        joined=len(pieces),
        differing=sum(one.differing_frames for one in pieces),
    )


def _counts(those: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in those.items())


def read_failures(out: Path) -> dict[str, str]:
    """Why drives failed, by their names, as the fleet's summary.json has them; none where there is none.

    Raises:
        DataError: it is broken.
    """
    summary = read_written(out / SUMMARY, Summary, "run the fleet again")
    return {} if summary is None else summary.failures
