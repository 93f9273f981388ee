"""`perception bench --against`: another command in turn with our own, both measured from outside."""

import shlex
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from perception.app.bench.outside import OUT, SOURCE, Spent, filled, run
from perception.engines.machine import usable_cores

TURNS = 3  # of each; the first one is preceded by one that does not count: files come into the cache


@dataclass(frozen=True, slots=True)
class Side:
    """Medians of one command's turns; see `Spent`."""

    command: str
    fps: float
    first_s: float
    cpu_ms: float
    peak_mb: float
    frames: int

    @classmethod
    def of(cls, command: Sequence[str], turns: Sequence[Spent]) -> "Side":
        def median(value: Callable[[Spent], float]) -> float:
            return statistics.median(map(value, turns))

        return cls(
            shlex.join(command),
            median(lambda one: one.frames / one.seconds),
            median(lambda one: one.first_s),
            median(lambda one: 1000 * one.cpu_s / one.frames),
            median(lambda one: one.peak_mb),
            turns[0].frames,
        )


ROWS = {
    "fps": ("frames/s, from start to end", "{:.1f}"),
    "cpu_ms": ("CPU ms a frame", "{:.1f}"),
    "peak_mb": ("peak memory, MB", "{:.0f}"),
    "first_s": ("s to the first bytes written", "{:.2f}"),
    "frames": ("frames written", "{}"),
}


@dataclass(frozen=True, slots=True)
class Duel:
    """Both sides on the same source and cores, for people (`table`) and for programs (`as_json`)."""

    source: str
    cores: int
    ours: Side
    theirs: Side

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratios": self.ratios}

    @property
    def ratios(self) -> dict[str, float]:
        """Ours over theirs, of the figures that are shown."""
        names = [one.name for one in fields(Side) if one.name in ROWS]
        return {name: getattr(self.ours, name) / max(getattr(self.theirs, name), 1e-9) for name in names}

    def table(self) -> RenderableType:
        heading = f"{self.source}, {self.cores} cores; medians of {TURNS} runs in turn"
        commands = f"ours: {self.ours.command}\ntheirs: {self.theirs.command}"
        shown = Table("", *(Column(name, justify="right") for name in ("ours", "theirs", "ours/theirs")))
        for name, (words, form) in ROWS.items():
            values = (form.format(getattr(side, name)) for side in (self.ours, self.theirs))
            shown.add_row(words, *values, f"{self.ratios[name]:.2f}")
        return Group(Text(heading), Text(commands), shown)


def against(
    theirs: Sequence[str],
    ours: Sequence[str],
    source: str,
    progress: Callable[[Sequence[Any]], Iterable[Any]] = iter,
) -> Duel:
    """Run both commands in turn, each into an empty folder.

    Args:
        theirs, ours: with places for `SOURCE` and for the folder `OUT`.
        progress: wraps the sequence of turns, such as `rich.progress.track`.

    Raises:
        ConfigError: a command cannot be run, fails, or writes no frame.
    """
    spent: dict[int, list[Spent]] = {0: [], 1: []}
    for turn in progress(list(range(2 * (TURNS + 1)))):
        with TemporaryDirectory() as folder:
            command = filled((ours, theirs)[turn % 2], {SOURCE: source, OUT: folder})
            spent[turn % 2].append(run(command, Path(folder)))
    return Duel(source, usable_cores(), Side.of(ours, spent[0][1:]), Side.of(theirs, spent[1][1:]))
