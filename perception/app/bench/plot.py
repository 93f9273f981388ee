"""A comparison as a plot, by matplotlib of the extra `train`."""

from pathlib import Path
from typing import Any

from perception.app.bench.variants import Comparison
from perception.errors import ConfigError, SinkError


def check_plot(path: Path) -> None:
    """Check that `save` can write, before minutes are spent on measuring.

    Raises:
        ConfigError: the folder does not exist, or the ending is of no known format.
        ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415 - only a plot needs it

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in formats:
        raise ConfigError(f"--plot: {path} has none of the endings {', '.join(sorted(formats))}; give one")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--plot: {path} is in a folder that does not exist; make it first")


def save(comparison: Comparison, path: Path) -> None:
    """Write the plot in the format of the file's ending.

    Raises:
        SinkError: the file cannot be written.
    """
    try:
        draw(comparison).savefig(path, dpi=110)
    except OSError as error:
        raise SinkError(f"--plot: {path} cannot be written: {error.strerror}; choose another file") from error


def draw(comparison: Comparison) -> Any:
    """A matplotlib figure: on the left ms of the network and of the embedding API, on the right frames/s."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only a plot needs it

    variants = comparison.variants
    rows = range(len(variants))
    figure = Figure(figsize=(13, 1.8 + 0.36 * len(variants)), layout="constrained")
    times, rates = figure.subplots(1, 2, sharey=True)
    network = [one.network_ms for one in variants]
    medians = [one.median for one in network]
    spread = [
        [one.median - one.lower for one in network],
        [one.upper - one.median for one in network],
    ]
    times.barh(rows, medians, xerr=spread, color="tab:blue", label="network alone, with quartiles")
    times.plot(
        [one.perceive_ms.median for one in variants],
        rows,
        "|",
        color="tab:red",
        markersize=16,
        markeredgewidth=2,
        label="embedding API, frame to scene",
    )
    bars = rates.barh(rows, [one.perceive_fps for one in variants], color="tab:green")
    notes = [
        f"×{one.perceive_ratio:.2f}" + ("" if one.agreement is None else f", {one.agreement:.2%}")
        for one in variants
    ]
    rates.bar_label(bars, notes, padding=3, fontsize=8)
    rates.margins(x=0.25)
    labels = [
        " · ".join([one.engine, *(f"{name} {one.settings[name]}" for name in comparison.varied)])
        for one in variants
    ]
    times.set(xlabel="ms a frame", yticks=rows, yticklabels=labels)
    times.invert_yaxis()  # the first on top, as in the table
    meaning = f"× the slowest's, and agreement with {comparison.reference}"
    rates.set(xlabel=f"frames/s of the embedding API, all cameras; {meaning}")
    for axis in (times, rates):
        axis.xaxis.label.set_size(8)
        axis.grid(axis="x", alpha=0.3)
        axis.set_axisbelow(True)
    figure.legend(loc="outside lower left", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(f"{comparison.model}, {comparison.source}, {comparison.cores} cores", fontsize=10)
    return figure
