"""`perception train` and `perception evaluate`."""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import track

from perception.errors import ConfigError
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.training.config import load_config
from perception.training.datasets import Dataset, Sample, open_dataset
from perception.training.evaluation import evaluate_frame, merge, sheet
from perception.training.metrics import Confusion
from perception.training.report import EvaluationReport, confusion_table, iou_table, metrics_of


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
    data: Annotated[list[str], typer.Argument(help="Data sets, LAYOUT:PATH, e.g. camvid:data/camvid/val.")],
    model: Annotated[str, typer.Option(help="Shipped bundle, or a bundle's folder.")] = "drive",
    engine: Annotated[str, typer.Option(help="Engine to run it on.")] = "auto",
    output: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the worst and the best frames of each set.")
    ] = None,
) -> None:
    """Score a bundle on labelled data sets: confusion matrix, IoU per class and mean, paint F1."""
    console = Console()
    for path in filter(None, (output, picture)):  # said before the work, not after it
        if not path.parent.is_dir() or path.is_dir():
            raise ConfigError(f"{path}: cannot be written; give a file in a folder that exists")
    if picture is not None and picture.suffix not in {".png", ".jpg"}:
        raise ConfigError(f"{picture}: pictures are written as .png or .jpg")
    perceiver = Perceiver.load(model, engine=engine)

    def predict(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return perceiver.perceive(Frame(image, stamp_ns=0)).labels

    datasets = [open_dataset(source) for source in data]
    result: dict[str, Confusion] = {}
    sheets = []
    for dataset in datasets:
        frames = [
            evaluate_frame(predict, dataset[i], perceiver.classes)
            for i in track(range(len(dataset)), dataset.name, console=Console(stderr=True))
        ]
        result[dataset.name] = merge(frames)
        console.print(confusion_table(dataset.name, result[dataset.name]))
        if picture is not None:
            sheets.append(sheet(predict, _extremes(dataset, frames), perceiver.classes))
    console.print(iou_table(result, f"{perceiver.bundle.info.name} on {perceiver.engine.name}"))
    if picture is not None:
        cv2.imwrite(str(picture), np.vstack(sheets))
    if output is not None:
        how = f"perception evaluate, {perceiver.engine.name}"
        report = EvaluationReport(
            model=perceiver.bundle.info.name,
            engine=perceiver.engine.name,
            metrics=tuple(m for source, c in result.items() for m in metrics_of(source, c, how)),
            confusion={source: _counts(c) for source, c in result.items()},
        )
        output.write_text(report.model_dump_json(indent=2) + "\n")


def _extremes(dataset: Dataset, frames: list[Confusion], count: int = 2) -> list[Sample]:
    """The samples with the lowest and the highest accuracy."""
    order = np.argsort([frame.accuracy() for frame in frames], kind="stable")
    return [dataset[int(i)] for i in dict.fromkeys([*order[:count], *order[-count:]])]


def _counts(confusion: Confusion) -> dict[str, dict[str, int]]:
    return {
        confusion.describe(bits): {
            name: int(n) for name, n in zip(confusion.classes.names, row, strict=False)
        }
        for bits, row in confusion.counts.items()
    }
