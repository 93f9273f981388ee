"""Two runs compared as a whole, for people (`table`) and for programs (`as_json`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from perception.app.diff.compare import FrameDifference, Labels, Matches
from perception.app.diff.run import Run
from perception.app.diff.runs import Pairing

_SHOWN = 5  # frames by name


@dataclass(frozen=True, slots=True)
class Bar:
    """What was asked for: a figure, and the least that it may be."""

    figure: str
    value: float
    least: float

    @property
    def passed(self) -> bool:
        return self.value >= self.least


@dataclass(frozen=True)
class Report:
    """All that differs between the runs A and B.

    Attributes:
        asked: the least of labels, instances, lanes and frames; empty: all must be identical.
        names: of classes, by id.
    """

    a: str
    b: str
    pairing: Pairing
    frames: Sequence[FrameDifference]
    asked: Mapping[str, float]
    names: Mapping[int, str]

    @cached_property
    def labels(self) -> Labels:
        return sum((one.labels for one in self.frames if one.labels is not None), Labels())

    @cached_property
    def instances(self) -> Matches:
        return sum((one.instances for one in self.frames), Matches())

    @cached_property
    def lanes(self) -> Matches:
        return sum((one.lanes for one in self.frames), Matches())

    @property
    def statuses(self) -> list[FrameDifference]:
        """Frames whose status differs."""
        return [one for one in self.frames if one.statuses[0] != one.statuses[1]]

    @property
    def bars(self) -> list[Bar]:
        everything = len(self.frames) + len(self.pairing.only_a) + len(self.pairing.only_b)
        if not self.asked:
            return [Bar("identical", sum(one.identical for one in self.frames) / everything, 1.0)]
        figures = {
            "frames": (len(self.frames) - len(self.statuses)) / everything,
            "labels": self.labels.agreement,
            "instances": self.instances.agreement,
            "lanes": self.lanes.agreement,
        }
        asked = {"frames": 1.0} | dict(self.asked)
        return [Bar(name, value, asked[name]) for name, value in figures.items() if name in asked]

    @property
    def within(self) -> bool:
        return all(bar.passed for bar in self.bars)

    @property
    def worst(self) -> list[FrameDifference]:
        """Those that are not identical, the one that agrees least first."""
        differing = [one for one in self.frames if not one.identical]
        return sorted(differing, key=lambda one: one.agreement)

    def as_json(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "within": self.within,
            "bars": [
                {"figure": bar.figure, "value": bar.value, "least": bar.least, "passed": bar.passed}
                for bar in self.bars
            ],
            "paired_by": self.pairing.by,
            "paired": len(self.frames),
            "identical": sum(one.identical for one in self.frames),
            "only_a": self.pairing.only_a,
            "only_b": self.pairing.only_b,
            "labels": self._labels_json(self.labels),
            "instances": _matches_json(self.instances, "iou") | {"class_changes": self.instances.changed},
            "lanes": _matches_json(self.lanes, "distance_px"),
            "frames": [self._frame_json(one) for one in self.frames],
        }

    def _frame_json(self, one: FrameDifference) -> dict[str, Any]:
        return {
            "stem": one.stem,
            "statuses": list(one.statuses),
            "identical": one.identical,
            "labels": None if one.labels is None else self._labels_json(one.labels),
            "instances": _matches_json(one.instances, "iou") | {"class_changes": one.instances.changed},
            "lanes": _matches_json(one.lanes, "distance_px"),
        }

    def _labels_json(self, labels: Labels) -> dict[str, Any]:
        return {
            "agreement": labels.agreement,
            "iou": {self.names.get(one, str(one)): iou for one, iou in labels.iou.items()},
        }

    def table(self) -> RenderableType:
        by = {"stem": "names", "stamp_ns": "stamps", "wall_ns": "stamps of the wall clock"}[self.pairing.by]
        heading = f"A {self.a}\nB {self.b}\n{len(self.frames)} frames paired by their {by}"
        return Group(Text(heading), self._figures(), *self._classes(), *self._named(), Text(self._verdict()))

    def _figures(self) -> Table:
        columns = "agree", "matched", "only A", "only B", "mean IoU, or px", "scores differ by"
        table = Table("", *(Column(name, justify="right") for name in columns))
        table.add_row("labels", f"{self.labels.agreement:.3%}", "", "", "", "")
        for name, one, unit in (("road users", self.instances, ""), ("lane boundaries", self.lanes, " px")):
            near, score = (
                "" if mean is None else f"{mean:.3f}"
                for mean in (one.mean(one.nearness), one.mean(one.score_difference))
            )
            counts = (str(count) for count in (one.matched, one.only_a, one.only_b))
            table.add_row(name, f"{one.agreement:.3%}", *counts, f"{near}{unit if near else ''}", score)
        return table

    def _classes(self) -> list[RenderableType]:
        differing = {one: iou for one, iou in self.labels.iou.items() if iou < 1}
        lowest = sorted(differing.items(), key=lambda pair: pair[1])
        words = [f"{self.names.get(one, f'class {one}')} {iou:.3f}" for one, iou in lowest]
        changed = self.instances.changed
        apart = [
            f"{one.placed} {name} {one.metres / one.placed:.2f} m"
            for name, one in (("road users", self.instances), ("lane boundaries", self.lanes))
            if one.placed
        ]
        return [
            *([Text(f"IoU of the classes that differ: {', '.join(words)}")] if words else []),
            *([Text(f"road users of another class: {changed}")] if changed else []),
            *([Text(f"in metres, on average apart: {', '.join(apart)}")] if apart else []),
        ]

    def _named(self) -> list[RenderableType]:
        statuses = [f"{one.stem} ({one.statuses[0]}, {one.statuses[1]})" for one in self.statuses]
        worst = [f"{one.stem} ({one.agreement:.1%})" for one in self.worst]
        rows = {
            "only in A": self.pairing.only_a,
            "only in B": self.pairing.only_b,
            "other statuses": statuses,
            "least alike": worst,
        }
        return [Text(f"{what}: {_some(names)}") for what, names in rows.items() if names]

    def _verdict(self) -> str:
        """What was asked for, and whether it holds."""
        words = [
            f"{bar.figure} {bar.value:.4%}, at least {bar.least:.4%}: {'ok' if bar.passed else 'too few'}"
            for bar in self.bars
        ]
        return f"{'within' if self.within else 'BEYOND'} the bar: {'; '.join(words)}"


def class_names(a: Run, b: Run) -> dict[int, str]:
    """What the runs say of their classes."""
    return a.class_names() | b.class_names() | {255: "unknown"}


def _matches_json(one: Matches, nearness: str) -> dict[str, Any]:
    return {
        "agreement": one.agreement,
        "matched": one.matched,
        "only_a": one.only_a,
        "only_b": one.only_b,
        f"mean_{nearness}": one.mean(one.nearness),
        "mean_score_difference": one.mean(one.score_difference),
        "placed": one.placed,
        "mean_distance_m": one.metres / one.placed if one.placed else None,
    }


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
