"""`perception validate`: weights judged by the recordings that a fold holds out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Column, Table

from perception.classes import DRIVE
from perception.datasets.folds import load_folds
from perception.datasets.opening import open_dataset
from perception.errors import ConfigError
from perception.evaluation.metrics.calibration import Bin
from perception.evaluation.metrics.flicker import FlickerCounts
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.scoring import subject_of
from perception.evaluation.tables import iou_table
from perception.evaluation.validation import Validation, flicker_of, pooled, validate_set
from perception.perceiver import Perceiver

COLUMNS = ("AP", "AP50", "AP small", "AP medium", "AP large", "true", "recall", "published", "precision")


class ValidationReport(BaseModel):
    """What `perception validate --output` writes.

    Attributes:
        iou: set → class, or set of classes → IoU; also "mean IoU", "accuracy" and the paint's F1.
        road_users: set → class → figure → value.
        free: set → frames without road users, and the road users published on them.
        flicker: set or drive → share of pixels.
        calibration: class → expected calibration error.
        bins: class → its bins.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    engine: str
    pixels: int
    fold: str
    frames: dict[str, int]
    iou: dict[str, dict[str, float]]
    road_users: dict[str, dict[str, dict[str, float]]]
    free: dict[str, tuple[int, int]]
    flicker: dict[str, float]
    calibration: dict[str, float]
    bins: dict[str, list[Bin]]


def validate(
    folds: Annotated[Path, typer.Argument(help="Folds file, YAML; see launch/folds.yaml.")],
    fold: Annotated[str, typer.Option(help="Which fold's recordings to score.")] = "A",
    data: Annotated[Path, typer.Option(help="Folder that {data} stands for in the folds file.")] = Path(
        "data"
    ),
    model: Annotated[str, typer.Option(help="Name of a shipped bundle, or a bundle's folder.")] = "drive",
    engine: Annotated[str, typer.Option(help="Engine that runs it.")] = "auto",
    pixels: Annotated[int | None, typer.Option(min=1024, help="Pixels of the network's input.")] = None,
    only: Annotated[str | None, typer.Option(help="Only these sets: NAME,NAME.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Only every so many-th frame, without flicker.")] = 1,
    drive_frames: Annotated[int, typer.Option(min=0, help="Frames of each drive without labels.")] = 100,
    output: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the worst and best frames of each set.")] = None,
) -> None:
    """Judge a bundle by the recordings that a fold holds out: every set, class and size, in one report."""
    chosen = load_folds(folds, data)
    sources = chosen.held_out(fold, folds)
    names = list(sources) if only is None else only.split(",")
    if unknown := [name for name in names if name not in sources]:
        raise ConfigError(f"--only {unknown[0]}: fold {fold} holds out {', '.join(sources)}")
    perceiver = _sized(Perceiver.load(model, engine), pixels)
    subject = subject_of(perceiver)
    if subject.classes.names != DRIVE.names:
        raise ConfigError(
            f"{model}: finds {', '.join(subject.classes.names)}, not the classes of {DRIVE.name}"
        )
    opened = {name: open_dataset(sources[name]) for name in names}  # what is missing is said before the work
    found: dict[str, Validation] = {}
    pictures = []
    for name, dataset in opened.items():
        drive = chosen.sets[name].drive
        found[name], shown = validate_set(
            subject, dataset, drive=drive, drawn=picture is not None, every=every
        )
        pictures += shown
    flicker = {name: one.flicker for name, one in found.items() if one.flicker is not None}
    if only is None and drive_frames:
        flicker |= {Path(source).name: flicker_of(subject, source, drive_frames) for source in chosen.drives}
    size = perceiver.info.input.pixels * perceiver.pixel_share
    title = f"{subject.model} on {subject.engine}, {size:.0f} pixels, fold {fold}"
    for table in _tables(found, flicker, title):
        Console().print(table)
    if picture is not None:
        cv2.imwrite(str(picture), np.vstack(pictures))
    if output is not None:
        report = _report(found, flicker, subject.model, subject.engine, round(size), fold)
        output.write_text(report.model_dump_json(indent=2) + "\n")


def _sized(perceiver: Perceiver, pixels: int | None) -> Perceiver:
    if pixels is None:
        return perceiver
    if perceiver.info.input.size is not None:
        raise ConfigError(
            f"--pixels {pixels}: {perceiver.info.name} takes one size, {perceiver.info.input.size}"
        )
    return replace(perceiver, pixel_share=pixels / perceiver.info.input.pixels)


def _tables(found: Mapping[str, Validation], flicker: Mapping[str, FlickerCounts], title: str) -> list[Table]:
    confusion = {f"{name} ({one.frames})": one.confusion for name, one in found.items()}
    users = Table(
        "set", "of", *(Column(name, justify="right") for name in COLUMNS), title=f"road users: {title}"
    )
    for name, one in found.items():
        for thing, figures in one.road_users().items():
            users.add_row(name, thing, *(_cell(figures.get(column)) for column in COLUMNS))
    free = Table("set", "frames without road users", "published there", "a frame", title="false road users")
    for name, one in found.items():
        if one.free_frames:
            share = one.free_false / one.free_frames
            free.add_row(name, str(one.free_frames), str(one.free_false), f"{share:.3f}")
    still = Table("drive", "pixels that change class", title="flicker, along the optical flow")
    for name, counts in flicker.items():
        still.add_row(name, f"{counts.share:.3%}")
    scores = Table("class", "score", "published", "mean score", "there", title="calibration of scores")
    for class_name in DRIVE.things:
        calibration = pooled(list(found.values()), DRIVE.id(class_name))
        scores.add_section()
        for row in calibration.bins():
            span = f"{row.low:.1f} to {row.high:.1f}"
            scores.add_row(class_name, span, str(row.count), f"{row.score:.3f}", f"{row.right:.3f}")
        scores.add_row(class_name, "expected error", "", "", f"{calibration.error():.3f}")
    return [iou_table(confusion, title), users, free, still, scores]


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _report(
    found: Mapping[str, Validation],
    flicker: Mapping[str, FlickerCounts],
    model: str,
    engine: str,
    pixels: int,
    fold: str,
) -> ValidationReport:
    calibration = {name: pooled(list(found.values()), DRIVE.id(name)) for name in DRIVE.things}
    values: dict[str, Any] = {
        "frames": {name: one.frames for name, one in found.items()},
        "iou": {name: _iou(one.confusion) for name, one in found.items()},
        "road_users": {name: one.road_users() for name, one in found.items()},
        "free": {name: (one.free_frames, one.free_false) for name, one in found.items()},
        "flicker": {name: counts.share for name, counts in flicker.items()},
        "calibration": {name: one.error() for name, one in calibration.items()},
        "bins": {name: one.bins() for name, one in calibration.items()},
    }
    return ValidationReport(model=model, engine=engine, pixels=pixels, fold=fold, **values)


def _iou(confusion: Confusion) -> dict[str, float]:
    return {name.removeprefix("IoU "): value for name, value in confusion.figures().items()}
