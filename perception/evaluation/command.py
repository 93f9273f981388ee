"""`perception evaluate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console

from perception.datasets.class_file import load_classes
from perception.datasets.dataset import Dataset, classes_of, names_of
from perception.datasets.drives import open_set
from perception.decode.instances import WAYS
from perception.errors import ConfigError
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.gallery import Extremes
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.recording import refuse_missing
from perception.evaluation.robustness import RobustnessReport, corruptions_of, measure
from perception.evaluation.robustness import gallery as corrupted_gallery
from perception.evaluation.robustness import table as robustness_table
from perception.evaluation.scoring import Subject, score, subject_of, subject_of_files
from perception.evaluation.suite import compare_all
from perception.evaluation.tables import EvaluationReport, confusion_table, metrics_of, tables
from perception.perceiver import Perceiver
from perception.quality.image import ImageChecks


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
        str | None, typer.Option(help=f"How road users are separated: auto [default], {', '.join(WAYS)}.")
    ] = None,
    crf: Annotated[bool, typer.Option("--crf", help="Refine the class maps by a CRF.")] = False,
    denoise: Annotated[
        str | None, typer.Option(help="A bundle that restores each frame before the model sees it.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Score a folder that `perception run` wrote, instead of a bundle.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file: what the data sets' labels mean.")] = None,
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
            help="Corrupt the frames at five severities, by all or NAME,NAME: how much of mean IoU is kept, "
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
        for dataset in _open_for(subject, data, classes):
            refuse_missing(predictions, names_of(dataset))
    if names:
        _evaluate_corrupted(subject, _open_for(subject, data, classes), names, every, output, picture)
        return
    result: dict[str, Evaluation] = {}
    pictures = []
    for dataset in _open_for(subject, data, classes):
        extremes = [Extremes(subject.classes)] if picture is not None else []
        evaluation = score(subject, dataset, *extremes)
        if evaluation.confusion.counts:
            console.print(confusion_table(dataset.name, evaluation.confusion))
        result[dataset.name] = evaluation
        pictures += [one.picture() for one in extremes]
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
        raise ConfigError("--corruptions changes what a bundle sees; leave out --suite and --predictions")
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
