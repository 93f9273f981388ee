"""Tables and machine-readable reports of evaluation."""

from pydantic import BaseModel, ConfigDict
from rich.table import Column, Table

from perception.bundle.manifest import Metric
from perception.datasets.dataset import public_name
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.judged import Figures
from perception.evaluation.metrics.semantic import Confusion

DIGITS, MARGIN = 5, 3  # columns of a value, and around it
WIDTH = 50  # for figures, next to the names of sets and rows


class EvaluationReport(BaseModel):
    """What `perception evaluate --output` writes."""

    model_config = ConfigDict(extra="forbid")

    model: str
    engine: str
    metrics: tuple[Metric, ...]
    confusion: dict[str, dict[str, dict[str, int]]]  # set → truth → predicted class → pixels


def metrics_of(source: str, evaluation: Evaluation, how: str) -> list[Metric]:
    """The figures of one data set; `how`: how they were measured."""
    name, values = public_name(source), evaluation.values()
    return [Metric(set=name, metric=metric, value=value, how=how) for metric, value in values.items()]


def tables(result: dict[str, Evaluation], title: str) -> list[Table]:
    """Every figure: IoU where there are classes, and a table for each kind of figure."""
    confusion = {source: one.confusion for source, one in result.items() if one.confusion.counts}
    figures = {source: one.figures() for source, one in result.items()}
    return [*([iou_table(confusion, title)] if confusion else []), *figure_tables(figures)]


def figure_tables(result: dict[str, Figures]) -> list[Table]:
    """A table for each kind of figure that one of the data sets has, at most 80 columns wide where it can be.

    A section a set, and a column a figure; with more figures than fit, a line a figure.
    """
    tables = []
    for kind in dict.fromkeys(kind for kinds in result.values() for kind in kinds):
        sets = {source: kinds[kind] for source, kinds in result.items() if kind in kinds}
        columns = dict.fromkeys(name for rows in sets.values() for row in rows.values() for name in row)
        if sum(max(len(name), DIGITS) + MARGIN for name in columns) > WIDTH:
            tables.append(_long_table(kind, sets))
            continue
        table = Table("data set", "of", *(Column(name, justify="right") for name in columns), title=kind)
        for source, rows in sets.items():
            table.add_section()
            for number, (row, figures) in enumerate(rows.items()):
                cells = [_cell(figures[name]) if name in figures else "" for name in columns]
                table.add_row("" if number else public_name(source), row, *cells)
        tables.append(table)
    return tables


def _long_table(kind: str, sets: dict[str, dict[str, dict[str, float]]]) -> Table:
    """A line for each figure of each row that has it."""
    whole = (
        Column("of", no_wrap=True),
        Column("figure", no_wrap=True),
        Column(justify="right", no_wrap=True),
    )
    table = Table(Column("data set", overflow="fold"), *whole, title=kind)
    for source, rows in sets.items():
        for number, (row, figures) in enumerate(rows.items()):
            table.add_section()
            for line, (name, value) in enumerate(figures.items()):
                new = public_name(source) if not (number or line) else ""
                table.add_row(new, "" if line else row, name, _cell(value))
    return table


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def iou_table(result: dict[str, Confusion], title: str) -> Table:
    """IoU of each class (or set of classes), a column a data set."""
    columns = {
        source: {c.describe(bits): iou for bits, iou in c.iou().items()} for source, c in result.items()
    }
    table = Table("class", *map(public_name, columns), title=title)
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        cells = [f"{column[name]:.3f}" if name in column else "" for column in columns.values()]
        table.add_row(name, *cells)
    table.add_section()
    table.add_row("mean IoU", *(f"{c.mean_iou():.3f}" for c in result.values()))
    table.add_row("accuracy", *(f"{c.accuracy():.3f}" for c in result.values()))
    f1 = [c.lane_f1() for c in result.values()]
    table.add_row("paint F1, 4 px at 960", *("" if value is None else f"{value:.3f}" for value in f1))
    return table


def confusion_table(source: str, confusion: Confusion) -> Table:
    """Per cent of each truth's pixels that were predicted as each class; columns are class ids."""
    classes = confusion.classes
    ids = [Column(str(i), justify="right") for i in range(len(classes))]
    table = Table(
        "truth", *ids, Column("Mpx", justify="right"), title=f"{source}: % predicted as", padding=(0, 0)
    )
    for bits, row in sorted(confusion.counts.items()):
        share = 100 * row / max(row.sum(), 1)
        cells = [f"{value:.0f}" if value >= 0.5 else "·" for value in share[: len(classes)]]
        name = confusion.describe(bits)
        label = f"{classes.id(name)} {name}" if name in classes.names else name
        table.add_row(label, *cells, f"{row.sum() / 1e6:.2f}")
    return table
