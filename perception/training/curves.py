"""The picture of a training run: loss and validation over its steps."""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw_curves(log: Path, picture: Path) -> None:
    """Draw the loss, and the first figure of each validation set, over the steps of `log.jsonl`."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    losses = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    if losses:
        left.plot(*zip(*losses, strict=True), linewidth=0.8)
    left.set(title="training loss", xlabel="step", yscale="log")
    for source in dict.fromkeys(line["source"] for line in lines if "source" in line):
        of = [line for line in lines if line.get("source") == source]
        figure_name = next(name for name in of[0] if name not in {"step", "time", "source"})
        points = [(line["step"], line[figure_name]) for line in of]
        right.plot(*zip(*points, strict=True), marker="o", label=f"{figure_name}, {source.split(':')[0]}")
        right.legend()
    right.set(title="validation", xlabel="step")
    figure.savefig(picture, dpi=110)
    plt.close(figure)
