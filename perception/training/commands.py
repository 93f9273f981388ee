"""`perception train` and `perception evaluate`."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console

from perception.decode.instances import WAYS
from perception.errors import ConfigError
from perception.health.image import ImageChecks
from perception.perceiver import Perceiver
from perception.training.class_file import load_classes
from perception.training.config import load_config
from perception.training.datasets import Dataset, classes_of
from perception.training.drives import open_set
from perception.training.evaluation import Evaluation
from perception.training.metrics import Confusion
from perception.training.report import (
    EvaluationReport,
    confusion_table,
    metrics_of,
    tables,
)
from perception.training.robustness import RobustnessReport, corruptions_of, measure
from perception.training.robustness import gallery as corrupted_gallery
from perception.training.robustness import table as robustness_table
from perception.training.scoring import Subject, score, subject_of, subject_of_files


def train(
    recipe: Annotated[
        Path | None,
        typer.Argument(
            help="Recipe, YAML; launch/train-drive.yaml made the shipped model. None with --suite."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Argument(help="Folder for checkpoints, curves and tables.")] = None,
    data: Annotated[Path, typer.Option(help="Folder that {data} stands for in the recipe.")] = Path("data"),
    initial: Annotated[Path | None, typer.Option(help="Checkpoint or bundle folder to start from.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUTPUT.")] = False,
    steps: Annotated[int | None, typer.Option(help="Steps of the run, instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the recipe's.")] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="Train and compare many networks: canon, or a suite's file. Resumes by itself."),
    ] = None,
    only: Annotated[str | None, typer.Option(help="Of the suite, only these networks: NAME,NAME.")] = None,
) -> None:
    """Train a network by a recipe, or every network of a suite: perception train --suite canon OUTPUT.

    Several processes train one network together where torchrun starts them:
    torchrun --nproc-per-node 2 --no-python perception train RECIPE OUTPUT
    """
    overrides = {key: value for key, value in {"steps": steps, "seed": seed}.items() if value is not None}
    if suite is not None:
        if output is not None or initial is not None or resume:
            raise ConfigError("--suite takes OUTPUT alone, without RECIPE, --initial and --resume")
        folder = recipe or Path("runs") / Path(suite).stem  # the only argument is OUTPUT then
        _train_suite(suite, folder, data, overrides, only.split(",") if only else [])
        return
    if recipe is None or output is None or only is not None:
        raise ConfigError("give RECIPE and OUTPUT; or --suite canon OUTPUT, with --only for some of it")
    if resume and initial is not None:
        raise ConfigError("--resume goes on from OUTPUT's own checkpoint; leave out --initial")
    from perception.training.distributed import joined  # noqa: PLC0415 - torch; `evaluate` runs without it
    from perception.training.loop import Trainer  # noqa: PLC0415

    config = load_config(recipe, data, overrides)
    with joined() as ranks:
        console = Console(quiet=not ranks.first)
        trainer = Trainer(config, output, initial=initial, ranks=ranks)
        if trainer.checkpoint.exists() and not resume:
            raise ConfigError(
                f"{trainer.checkpoint} exists; give --resume to go on from it, or another folder"
            )
        if resume:
            trainer.resume()
        if trainer.new:
            new = ", ".join(trainer.new[:3])
            console.print(f"{initial}: does not fit, and trained from nothing: {new} …", soft_wrap=True)
        trainer.train()
        console.print(f"{trainer.checkpoint}: step {trainer.step}; next: perception export", soft_wrap=True)


def _train_suite(
    name: str, folder: Path, data: Path, overrides: dict[str, int], only: Collection[str]
) -> None:
    from perception.training.suite import load_suite, run_suite  # noqa: PLC0415 - torch
    from perception.training.suite_report import compare_all  # noqa: PLC0415 - torch

    members = load_suite(name, folder, data, overrides, only)
    config = members[0].config
    for entry in config.train:  # what is missing is said before the hours are spent
        open_set(entry.source, config.own_classes())
    datasets = [open_set(source, config.own_classes()) for source in config.validate_on]
    run_suite(members, Console().print)
    compare_all(folder, datasets)


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
    denoise: Annotated[
        str | None, typer.Option(help="A bundle that restores each frame before the model sees it.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Score a folder that `perception run` wrote, instead of a bundle.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Class file that tells what the data sets' labels mean.")
    ] = None,
    suite: Annotated[
        Path | None, typer.Option(help="Compare the networks of this folder of `perception train --suite`.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the worst and the best frames of each set, or the first one corrupted."),
    ] = None,
    corruptions: Annotated[
        str | None,
        typer.Option(
            help="Spoil the frames at five severities, by all or NAME,NAME: how much of mean IoU is kept, "
            "and whether health flags it."
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="With --corruptions: only every so many-th frame.")] = 1,
) -> None:
    """Score scenes on labelled data sets: IoU, paint F1, mask AP, panoptic quality, lanes and tracks."""
    console = Console()
    names = _corruptions(corruptions, every, of_bundle=suite is None and predictions is None)
    if suite is not None:
        if model or engine or instances or crf or denoise or predictions or classes or output or picture:
            raise ConfigError("--suite writes its own report, of every network on one engine; give it alone")
        from perception.training.suite_report import compare_all  # noqa: PLC0415 - torch

        compare_all(suite, [open_set(source) for source in data])
        return
    _refuse_unwritable(output, picture)
    if predictions is not None and (model or engine or instances or crf or denoise):
        raise ConfigError("--predictions scores files; leave out what says how a bundle shall run")
    if predictions is None:
        subject = subject_of(
            Perceiver.load(
                model or "drive",
                engine or "auto",
                threads=1 if names else 0,  # several frames at once
                instances=instances or "auto",
                crf=crf,
                denoise=denoise,
            )
        )
    else:
        subject = subject_of_files(predictions)
    if names:
        _evaluate_corrupted(subject, _open_for(subject, data, classes), names, every, output, picture)
        return
    result: dict[str, Evaluation] = {}
    pictures = []
    for dataset in _open_for(subject, data, classes):
        evaluation, shown = score(subject, dataset, drawn=picture is not None)
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


def _corruptions(corruptions: str | None, every: int, *, of_bundle: bool) -> list[str]:
    if corruptions is None:
        if every > 1:
            raise ConfigError(f"--every {every}: only with --corruptions; else every frame is scored")
        return []
    if not of_bundle:
        raise ConfigError("--corruptions spoils what a bundle sees; leave out --suite and --predictions")
    return corruptions_of(corruptions)


def _evaluate_corrupted(
    subject: Subject,
    sets: Sequence[Dataset],
    names: Sequence[str],
    every: int,
    output: Path | None,
    picture: Path | None,
) -> None:
    console = Console()
    found = []
    for dataset in sets:
        found.append(measure(subject, dataset, names, every=every, make_checks=ImageChecks))
        console.print(robustness_table(found[-1], f"{subject.model} on {subject.engine}, {dataset.name}"))
        console.print(found[-1].verdict())
    if picture is not None:
        cv2.imwrite(str(picture), np.vstack([corrupted_gallery(dataset[0].image, names) for dataset in sets]))
    if output is not None:
        report = RobustnessReport(model=subject.model, engine=subject.engine, sets=tuple(found))
        output.write_text(report.model_dump_json(indent=2) + "\n")


def _open_for(subject: Subject, data: Sequence[str], class_file: Path | None) -> list[Dataset]:
    """The data sets, which must be labelled in the classes of what is scored."""
    own = None if class_file is None else load_classes(class_file)
    sets = [open_set(source, own) for source in data]
    for dataset in sets:
        labelled, found = classes_of(dataset), subject.classes
        if labelled.names != found.names:
            raise ConfigError(
                f"{dataset.name}: its labels mean {', '.join(labelled.names)}, but {subject.model} finds "
                f"{', '.join(found.names)}; say by --classes FILE what they mean for it"
            )
    return sets


def _refuse_unwritable(output: Path | None, picture: Path | None) -> None:
    """Said before the work, not after it."""
    for path in filter(None, (output, picture)):
        if not path.parent.is_dir() or path.is_dir():
            raise ConfigError(f"{path}: cannot be written; give a file in a folder that exists")
    if picture is not None and picture.suffix not in {".png", ".jpg"}:
        raise ConfigError(f"{picture}: pictures are written as .png or .jpg")


def _counts(confusion: Confusion) -> dict[str, dict[str, int]]:
    return {
        confusion.describe(bits): {
            name: int(n) for name, n in zip(confusion.classes.names, row, strict=False)
        }
        for bits, row in confusion.counts.items()
    }
