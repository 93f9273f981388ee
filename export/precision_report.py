"""The report of an export: the losses of each precision, and a picture of where it disagrees with torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Column, Table

from export.graph_comparison import Comparison, Disagreement
from export.sensitivity import Sensitivity
from perception.bundle.manifest import Accuracy, Precision
from perception.classes import ClassSet
from perception.console import Console
from perception.resample import resize

SHOWN = 15  # layers of a sweep
TILE = 400  # px wide


@dataclass
class Measurements:
    """Everything that an export measured.

    Attributes:
        checks: the results of runtimes on the graphs.
        calibration: how the quantised graphs were calibrated, in a sentence.
        sweeps: the layers of a quantised graph, the one that hurts most first, where they were tried.
        exact: the layers that were left in float32 for it.
    """

    checks: dict[str, str] = field(default_factory=dict)
    calibration: str = ""
    comparisons: list[Comparison] = field(default_factory=list)
    sweeps: dict[Precision, list[Sensitivity]] = field(default_factory=dict)
    exact: dict[Precision, list[str]] = field(default_factory=dict)

    def accuracy(self) -> dict[Precision, tuple[Accuracy, ...]]:
        """The figures of each precision, as the bundle holds them."""
        found: dict[Precision, tuple[Accuracy, ...]] = {}
        for one in self.comparisons:
            if one.accuracy is not None:
                found[one.precision] = (*found.get(one.precision, ()), one.accuracy)
        return found


def tables(measured: Measurements) -> list[Table]:
    """What each set's figures are in torch and, with the change, in each precision; and the sweeps."""
    found = []
    for name in dict.fromkeys(one.set for one in measured.comparisons):
        of = [one for one in measured.comparisons if one.set == name]
        columns = [Column(one.precision.value, justify="right") for one in of]
        table = Table(
            "figure", Column("torch", justify="right"), *columns, title=f"{name}, {of[0].frames} frames"
        )
        for figure, exact, values in _rows(of):
            table.add_row(figure, exact, *values)
        found.append(table)
    for precision, layers in measured.sweeps.items():
        table = Table(
            "layer", Column("noise", justify="right"), "left in float32", title=f"{precision}: worst layers"
        )
        for one in layers[:SHOWN]:
            left = "yes" if one.layer in measured.exact.get(precision, ()) else ""
            table.add_row(one.layer.removeprefix("network."), f"{one.noise:.2g}", left)
        found.append(table)
    return found


def _rows(of: Sequence[Comparison]) -> list[tuple[str, str, list[str]]]:
    """Figure, torch's value, and a cell a precision."""
    rows = []
    if of[0].agreement is not None:
        rows.append(("pixels of torch's class", "", [f"{one.agreement:.3%}" for one in of]))
    for output in of[0].apart:
        rows.append((f"largest difference of {output}", "", [f"{one.apart[output]:.3g}" for one in of]))
    exact = _figures(of[0].reference)
    rough = [_figures(one.accuracy) for one in of]
    rows += [
        (name, f"{value:.4f}", [f"{figures[name]:.4f} ({figures[name] - value:+.4f})" for figures in rough])
        for name, value in exact.items()
    ]
    return rows


def _figures(accuracy: Accuracy | None) -> dict[str, float]:
    if accuracy is None:
        return {}
    mean = {} if accuracy.mean_iou is None else {"mean IoU": accuracy.mean_iou}
    iou = {f"IoU {name}": value for name, value in accuracy.iou.items()}
    return mean | iou | {f"AP {name}": value for name, value in accuracy.ap.items()}


def write_report(folder: Path, measured: Measurements, classes: ClassSet) -> None:
    """Write report.md and, where the network gives classes, differences.png."""
    folder.mkdir(parents=True, exist_ok=True)
    said = [*(f"{tool}: {result}" for tool, result in measured.checks.items()), measured.calibration]
    text = ["# What leaving torch costs", "\n".join(f"- {line}" for line in said if line)]
    text += [f"## {table.title}\n\n{markdown(table)}" for table in tables(measured)]
    (folder / "report.md").write_text("\n\n".join(text))
    rows = [
        _row(one.precision, one.set, worst, classes)
        for one in measured.comparisons
        for worst in one.worst
        if worst.share > 0
    ]
    if rows:
        cv2.imwrite(str(folder / "differences.png"), np.vstack(rows))


def markdown(table: Table) -> str:
    """A table as Markdown, without its title."""
    text = StringIO()
    table.title, table.box = None, box.MARKDOWN
    Console(file=text, width=400).print(table)
    return "\n".join(line.strip() for line in text.getvalue().strip().splitlines()) + "\n"


def _row(precision: Precision, name: str, worst: Disagreement, classes: ClassSet) -> npt.NDArray[np.uint8]:
    """The frame, torch's classes, the graph's, and where they differ, under a caption."""
    height = round(TILE * worst.image.shape[0] / worst.image.shape[1])
    image = resize(worst.image, *worst.expected.shape)
    differ = (worst.expected != worst.found)[..., None]
    marked = np.where(differ, np.array((40, 40, 255), np.uint8), image // 3)
    colours = np.full((256, 3), 128, np.uint8)
    colours[: len(classes)] = np.array(classes.colours, np.uint8)[:, ::-1]
    # Where they differ is mostly lines one pixel wide, which must not be lost on the way to the tile.
    tiles = [image, colours[worst.expected], colours[worst.found], marked]
    small = [cv2.resize(tile, (TILE, height), interpolation=cv2.INTER_AREA) for tile in tiles]
    caption = np.zeros((22, 4 * TILE, 3), np.uint8)
    text = f"{precision}, {name}, {worst.name}: frame, torch, {precision}, {worst.share:.2%} differ"
    cv2.putText(caption, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([caption, np.hstack(small)])
