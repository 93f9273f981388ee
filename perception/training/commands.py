"""`perception train` and `perception evaluate`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from perception.classes import DRIVE, ClassSet
from perception.decode.instances import WAYS
from perception.decode.lane_tracks import LaneTracker
from perception.decode.tracks import Tracker
from perception.errors import ConfigError
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.training.config import load_config
from perception.training.datasets import Dataset
from perception.training.drives import SimulatedDrive, open_set
from perception.training.evaluation import Evaluation
from perception.training.gallery import Gallery, Image
from perception.training.metrics import Confusion
from perception.training.recording import RecordedScenes
from perception.training.report import (
    EvaluationReport,
    confusion_table,
    metrics_of,
    tables,
)


def train(
    recipe: Annotated[
        Path, typer.Argument(help="Recipe, YAML; launch/train-drive.yaml made the shipped model.")
    ],
    output: Annotated[Path, typer.Argument(help="Folder for checkpoints, curves and tables.")],
    data: Annotated[Path, typer.Option(help="Folder that {data} stands for in the recipe.")] = Path("data"),
    initial: Annotated[Path | None, typer.Option(help="Checkpoint or bundle folder to start from.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUTPUT.")] = False,
    steps: Annotated[int | None, typer.Option(help="Steps of the run, instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the recipe's.")] = None,
) -> None:
    """Train the drive network by a recipe."""
    from perception.training.loop import Trainer  # noqa: PLC0415 - torch; `evaluate` runs without it

    if resume and initial is not None:
        raise ConfigError("--resume goes on from OUTPUT's own checkpoint; leave out --initial")
    overrides = {key: value for key, value in {"steps": steps, "seed": seed}.items() if value is not None}
    trainer = Trainer(load_config(recipe, data, overrides), output, initial=initial)
    if trainer.checkpoint.exists() and not resume:
        raise ConfigError(f"{trainer.checkpoint} exists; give --resume to go on from it, or another folder")
    if resume:
        trainer.resume()
    if trainer.new:
        Console().print(f"{initial}: does not fit, and trained from nothing: {', '.join(trainer.new[:3])} …")
    trainer.train()
    Console().print(f"{trainer.checkpoint}: step {trainer.step}; next: perception export")


def evaluate(
    data: Annotated[
        list[str],
        typer.Argument(
            help="Data sets, LAYOUT:PATH, e.g. camvid:data/camvid/val, or drive:sim:?seed=3 with tracks."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Shipped bundle [default: drive], or a bundle's folder.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Engine to run it on [default: auto].")] = None,
    instances: Annotated[
        str | None, typer.Option(help=f"How road users are told apart: auto [default], {', '.join(WAYS)}.")
    ] = None,
    crf: Annotated[bool, typer.Option("--crf", help="Refine the class maps by a CRF.")] = False,
    predictions: Annotated[
        Path | None, typer.Option(help="Score a folder that `perception run` wrote, instead of a bundle.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the worst and the best frames of each set.")
    ] = None,
) -> None:
    """Score scenes on labelled data sets: IoU, paint F1, mask AP, panoptic quality, lanes and tracks."""
    console = Console()
    for path in filter(None, (output, picture)):  # said before the work, not after it
        if not path.parent.is_dir() or path.is_dir():
            raise ConfigError(f"{path}: cannot be written; give a file in a folder that exists")
    if picture is not None and picture.suffix not in {".png", ".jpg"}:
        raise ConfigError(f"{picture}: pictures are written as .png or .jpg")
    if predictions is not None and (model or engine or instances or crf):
        raise ConfigError("--predictions scores files; leave out --model, --engine, --instances and --crf")
    if predictions is None:
        subject = _bundle(model or "drive", engine or "auto", instances or "auto", crf=crf)
    else:
        subject = _files(predictions)
    result: dict[str, Evaluation] = {}
    pictures = []
    for dataset in [open_set(source) for source in data]:
        evaluation, shown = _score(subject, dataset, drawn=picture is not None)
        if evaluation.confusion.counts:
            console.print(confusion_table(dataset.name, evaluation.confusion))
        result[dataset.name] = evaluation
        pictures += shown
    for table in tables(result, f"{subject.model} on {subject.engine}"):
        console.print(table)
    if picture is not None:
        cv2.imwrite(str(picture), np.vstack(pictures))
    if output is not None:
        how = f"perception evaluate, {subject.engine}"
        report = EvaluationReport(
            model=subject.model,
            engine=subject.engine,
            metrics=tuple(m for source in result for m in metrics_of(source, result[source], how)),
            confusion={source: _counts(one.confusion) for source, one in result.items()},
        )
        output.write_text(report.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class _Subject:
    """What is scored: the scenes that a bundle finds, or those in files.

    `followers` are what goes over a drive's scenes in their order; scenes in files went through it already.
    """

    model: str
    engine: str
    classes: ClassSet
    perceive: Callable[[Frame, Sequence[Frame]], Scene]
    followers: tuple[Callable[[], Tracker | LaneTracker], ...]


def _bundle(model: str, engine: str, instances: str, *, crf: bool) -> _Subject:
    perceiver = Perceiver.load(model, engine, instances=instances, crf=crf)
    name, engine = perceiver.info.name, perceiver.engine.name + (", CRF" if crf else "")
    followers = (Tracker, lambda: LaneTracker(perceiver.classes))
    return _Subject(name, engine, perceiver.classes, perceiver.perceive, followers)


def _files(folder: Path) -> _Subject:
    scenes = RecordedScenes(folder)
    return _Subject(folder.resolve().name, "files", DRIVE, lambda frame, _: scenes.perceive(frame), ())


def _score(subject: _Subject, dataset: Dataset, *, drawn: bool) -> tuple[Evaluation, list[Image]]:
    """Score every frame, in order; with `drawn`, also show the extremes.

    Those are by PQ where the set knows instances, else by accuracy.
    """
    rate = dataset.options.rate if isinstance(dataset, SimulatedDrive) else None
    followers = [make() for make in subject.followers] if rate else []
    evaluation = Evaluation(subject.classes, drive=rate is not None)
    by_pq, by_accuracy = Gallery("PQ", subject.classes), Gallery("accuracy", subject.classes)
    for index in track(range(len(dataset)), dataset.name, console=Console(stderr=True)):
        sample = dataset[index]
        frame = Frame(sample.image, round(1e9 * index / (rate or 1)), sequence=index, stem=sample.name)
        scene = subject.perceive(frame, [Frame(image, 0) for image in sample.earlier])
        for follower in followers:
            scene = follower.update(scene)
        accuracy, pq = evaluation.add(sample, scene)
        if drawn and pq is not None:
            by_pq.offer(pq, frame, scene, sample)
        if drawn:
            by_accuracy.offer(accuracy, frame, scene, sample)
    return evaluation, [(by_pq or by_accuracy).picture()] if drawn else []


def _counts(confusion: Confusion) -> dict[str, dict[str, int]]:
    return {
        confusion.describe(bits): {
            name: int(n) for name, n in zip(confusion.classes.names, row, strict=False)
        }
        for bits, row in confusion.counts.items()
    }
