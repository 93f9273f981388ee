"""The reliability diagram: how often what has a score is there."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from perception.evaluation.metrics.calibration import BINS, Calibration


def draw_reliability(
    path: Path, calibrations: Mapping[str, Calibration], least: Mapping[str, float], title: str
) -> None:
    """Draw it for each class, with how many have which score, and a line from which on they are published."""
    figure = Figure(figsize=(3.4 * len(calibrations), 4.6), layout="constrained")
    axes = figure.subplots(2, len(calibrations), squeeze=False, height_ratios=(3, 1), sharex=True)
    figure.suptitle(title)
    for (upper, lower), (name, one) in zip(axes.T, calibrations.items(), strict=True):
        bins = one.bins()
        upper.plot((0, 1), (0, 1), "--", color="0.6")
        upper.plot([b.score for b in bins], [b.right for b in bins], "o-", color="tab:blue")
        upper.set(title=f"{name}: ECE {one.error():.3f}", ylim=(0, 1), aspect="equal")
        lower.bar([b.low for b in bins], [b.count for b in bins], 1 / BINS, align="edge", edgecolor="white")
        most = max((b.count for b in bins), default=1)
        lower.set(xlabel="score", xlim=(0, 1), yscale="log", ylim=(0.5, 2 * most))
        for axis in (upper, lower):
            if name in least:
                axis.axvline(least[name], color="tab:red", linewidth=1)
    axes[0, 0].set_ylabel("share that is there")
    axes[1, 0].set_ylabel("found")
    figure.savefig(path, dpi=110)
