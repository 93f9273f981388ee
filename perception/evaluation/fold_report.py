"""What `perception validate` prints and writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict
from rich.table import Column, Table

from perception.bundle.bundle import Bundle
from perception.classes import DRIVE
from perception.console import Console
from perception.datasets.folds import load_folds
from perception.datasets.opening import open_dataset
from perception.errors import ConfigError
from perception.evaluation.metrics.calibration import Bin
from perception.evaluation.metrics.flicker import FlickerCounts
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.reliability import draw_reliability
from perception.evaluation.score_calibration import asked_scores, calibrate_bundle, uncalibrated
from perception.evaluation.scoring import subject_of
from perception.evaluation.tables import iou_table
from perception.evaluation.validation import Validation, flicker_of, pooled, validate_set
from perception.perceiver import Perceiver

AP = ("AP", "AP50", "AP small", "AP medium", "AP large")
COLUMNS = (*AP, "true", "recall", "published", "precision", "F1")


class ValidationReport(BaseModel):
    """What `perception validate --output` writes.

    Attributes:
        iou: set → class, or set of classes → IoU; also "mean IoU", "accuracy" and the paint's F1.
        road_users: set → class → figure → value; AP of all that is found, the others of what is published.
        free: set → frames without road users, and the road users published on them.
        flicker: set or drive → share of pixels.
        least: class → score from which is published.
        calibration: class → expected calibration error of what is published.
        bins: class → the bins of all that is found.
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
    least: dict[str, float]
    calibration: dict[str, float]
    bins: dict[str, list[Bin]]


def judge(
    folds: Path,
    fold: str,
    data: Path,
    *,
    model: str,
    engine: str,
    pixels: int | None,
    only: Sequence[str] | None,
    every: int,
    drive_frames: int,
    output: Path | None,
    picture: Path | None,
    reliability: Path | None,
    min_score: Sequence[str],
    calibrate: bool,
) -> None:
    """What `perception validate` does; the arguments are its options.

    Raises:
        ConfigError: an option cannot be meant so.
        DataError: a data set cannot be opened.
    """
    chosen = load_folds(folds, data)
    sources = chosen.held_out(fold, folds)
    names = list(sources) if only is None else list(only)
    if unknown := [name for name in names if name not in sources]:
        raise ConfigError(f"--only {unknown[0]}: fold {fold} holds out {', '.join(sources)}")
    perceiver = Perceiver.load(model, engine, min_score=asked_scores(min_score), pixels=pixels)
    least = dict(perceiver.least or {})
    if calibrate:
        perceiver = uncalibrated(perceiver)
    if perceiver.classes.names != DRIVE.names:
        raise ConfigError(
            f"{model}: finds {', '.join(perceiver.classes.names)}, not the classes of {DRIVE.name}"
        )
    opened = {name: open_dataset(sources[name]) for name in names}  # what is missing is said before the work
    found: dict[str, Validation] = {}
    pictures = []
    for name, dataset in opened.items():
        drive = chosen.sets[name].drive
        found[name], shown = validate_set(
            perceiver, dataset, drive=drive, drawn=picture is not None, every=every
        )
        pictures += shown
    subject = subject_of(perceiver)
    flicker = {name: one.flicker for name, one in found.items() if one.flicker is not None}
    if only is None and drive_frames:
        flicker |= {Path(one).name: flicker_of(subject, one, drive_frames) for one in chosen.drives}
    title = f"{subject.model} on {subject.engine}, fold {fold}"
    if calibrate:
        for line in calibrate_bundle(Bundle.load(model), found):
            Console().print(line, soft_wrap=True, highlight=False)
    else:
        for table in _tables(found, flicker, title, least):
            Console().print_whole(table)
    scores = {name: pooled(list(found.values()), DRIVE.id(name)) for name in DRIVE.things}
    if reliability is not None:
        draw_reliability(reliability, scores, {DRIVE.names[i]: score for i, score in least.items()}, title)
    if picture is not None:
        cv2.imwrite(str(picture), np.vstack(pictures))
    if output is not None:
        size = perceiver.info.input.pixels
        report = _report(found, flicker, subject.model, subject.engine, size, fold, least)
        output.write_text(report.model_dump_json(indent=2) + "\n")


def _tables(
    found: Mapping[str, Validation],
    flicker: Mapping[str, FlickerCounts],
    title: str,
    least: Mapping[int, float],
) -> list[Table]:
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
    scores = Table("class", "score", "found", "mean score", "there", title="calibration of scores")
    for class_name in DRIVE.things:
        calibration = pooled(list(found.values()), DRIVE.id(class_name))
        scores.add_section()
        for row in calibration.bins():
            span = f"{row.low:.1f} to {row.high:.1f}"
            scores.add_row(class_name, span, str(row.count), f"{row.score:.3f}", f"{row.right:.3f}")
        published = calibration.from_score(least[DRIVE.id(class_name)])
        scores.add_row(
            class_name, f"error, from {least[DRIVE.id(class_name)]:.2f} on", str(len(published.scores)), "",
            f"{published.error():.3f}",
        )  # fmt: skip
    return [table for table in (iou_table(confusion, title), users, free, still, scores) if table.row_count]


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
    least: Mapping[int, float],
) -> ValidationReport:
    calibration = {name: pooled(list(found.values()), DRIVE.id(name)) for name in DRIVE.things}
    published = {name: one.from_score(least[DRIVE.id(name)]) for name, one in calibration.items()}
    values: dict[str, Any] = {
        "frames": {name: one.frames for name, one in found.items()},
        "iou": {name: _iou(one.confusion) for name, one in found.items()},
        "road_users": {name: one.road_users() for name, one in found.items()},
        "free": {name: (one.free_frames, one.free_false) for name, one in found.items()},
        "flicker": {name: counts.share for name, counts in flicker.items()},
        "least": {DRIVE.names[i]: score for i, score in least.items()},
        "calibration": {name: one.error() for name, one in published.items()},
        "bins": {name: one.bins() for name, one in calibration.items()},
    }
    return ValidationReport(model=model, engine=engine, pixels=pixels, fold=fold, **values)


def _iou(confusion: Confusion) -> dict[str, float]:
    return {name.removeprefix("IoU "): value for name, value in confusion.figures().items()}
