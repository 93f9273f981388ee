"""What `perception bench --compare` finds: engines, threads, sizes and cameras side by side."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text


@dataclass(frozen=True)
class Quartiles:
    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(*map(float, np.percentile(values, (25, 50, 75))))

    def __str__(self) -> str:
        return f"{_three_digits(self.median)} ({_three_digits(self.lower)}–{_three_digits(self.upper)})"


@dataclass(frozen=True)
class Variant:
    """One engine with so many threads, on frames of one size, called by so many cameras at a time.

    Attributes:
        threads: CPU threads of one run; 0: one for each physical core.
        frame, input: height and width of the camera's frames and of the network's input.
        open_ms: from loading the bundle to the first scene, the runtime being imported and its engine built.
        agreement: share of labels that are the reference's on the same frames; of a network without labels,
            share of values within their tolerance, in the output that has least of them. None where the
            reference cannot run.
        network_ms: one run of the engine on a prepared image.
        network_fps: runs per second, of all cameras together; median over the rounds.
        network_ratio: that rate over the slowest variant's.
        perceive_ms, perceive_fps, perceive_ratio: the same of the embedding API, frame to scene.
        perceive_fps_per_camera: the rate that one camera has.
        overhead_ms: what the embedding API takes on top of the network, median less median.
    """

    engine: str
    precision: str
    threads: int
    frame: tuple[int, int]
    input: tuple[int, int]
    cameras: int
    open_ms: float
    agreement: float | None
    network_ms: Quartiles
    network_fps: float
    network_ratio: float
    perceive_ms: Quartiles
    perceive_fps: float
    perceive_fps_per_camera: float
    perceive_ratio: float
    overhead_ms: float

    @property
    def settings(self) -> dict[str, str]:
        """What it was measured at, for people."""
        height, width = self.frame
        return {"threads": str(self.threads), "size": f"{width}×{height}", "cameras": str(self.cameras)}


@dataclass(frozen=True)
class Comparison:
    """All variants, for people (`table`) and for programs (`as_json`).

    Attributes:
        rounds, frames: turns of each variant, and frames that each camera gives in one.
        not_run: engine → why it could not be measured.
    """

    model: str
    source: str
    cores: int
    rounds: int
    frames: int
    reference: str
    variants: tuple[Variant, ...]
    not_run: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def varied(self) -> list[str]:
        """The settings that are not the same for all."""
        settings = [variant.settings for variant in self.variants]
        return [name for name in settings[0] if len({one[name] for one in settings}) > 1]

    def table(self) -> RenderableType:
        same = [
            f"{name} {value}" for name, value in self.variants[0].settings.items() if name not in self.varied
        ]
        heading = (
            f"{self.model}, {self.source}, {self.cores} cores; {', '.join(same)}\n"
            f"medians (quartiles) of {self.rounds} rounds in turn; × the slowest's rate"
        )
        groups: dict[str, list[Variant]] = {}
        for one in self.variants:
            settings = ", ".join(f"{name} {one.settings[name]}" for name in self.varied)
            groups.setdefault(settings, []).append(one)
        tables = [table for settings, those in groups.items() for table in self._tables(settings, those)]
        refusals = Table("not run", "why")
        for engine, why in self.not_run.items():
            refusals.add_row(engine, Text(why))
        return Group(Text(heading), *tables, *([refusals] if self.not_run else []))

    def _tables(self, settings: str, variants: Sequence[Variant]) -> list[Table]:
        """Of variants at the same settings; each is at most 80 columns wide."""
        behind = f"; {settings}" if settings else ""
        times = _table(f"ms a frame{behind}", "network", "embedding API", "overhead")
        rates = _table(f"frames/s{behind}", "network", "embedding API", "each camera")
        starts = _table(f"answers and start{behind}", f"as {self.reference}", "ms to open")
        for one in variants:
            times.add_row(one.engine, str(one.network_ms), str(one.perceive_ms), f"{one.overhead_ms:.2f}")
            rates.add_row(
                one.engine,
                f"{one.network_fps:.1f} ×{one.network_ratio:.2f}",
                f"{one.perceive_fps:.1f} ×{one.perceive_ratio:.2f}",
                f"{one.perceive_fps_per_camera:.1f}",
            )
            agreement = "" if one.agreement is None else f"{one.agreement:.2%}"
            starts.add_row(one.engine, agreement, f"{one.open_ms:.0f}")
        return [times, rates, starts]


def _table(title: str, *columns: str) -> Table:
    right = [Column(name, justify="right", no_wrap=True) for name in columns]
    return Table(Column("engine", no_wrap=True), *right, title=title, title_justify="left")


def _three_digits(ms: float) -> str:
    return f"{ms:.3g}" if ms < 999.5 else f"{ms:.0f}"
