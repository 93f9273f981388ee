"""What `perception evaluate` prints and writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception.console import Console
from perception.datasets.class_file import load_classes
from perception.datasets.dataset import Dataset, classes_of, names_of
from perception.datasets.drives import open_set
from perception.errors import ConfigError
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.gallery import Extremes
from perception.evaluation.metrics.calibration import Calibration
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.recording import refuse_missing
from perception.evaluation.reliability import draw_reliability
from perception.evaluation.robustness import RobustnessReport, corruptions_of, measure
from perception.evaluation.robustness import gallery as corrupted_gallery
from perception.evaluation.robustness import table as robustness_table
from perception.evaluation.score_calibration import asked_scores
from perception.evaluation.scoring import Subject, score, subject_of, subject_of_files
from perception.evaluation.suite import compare_all
from perception.evaluation.tables import EvaluationReport, confusion_table, metrics_of, tables
from perception.perceiver import Perceiver
from perception.quality.image import ImageChecks


def report(
    data: Sequence[str],
    *,
    model: str | None,
    engine: str | None,
    instances: str | None,
    crf: bool,
    denoise: str | None,
    pixels: int | None,
    predictions: Path | None,
    classes: Path | None,
    suite: Path | None,
    output: Path | None,
    picture: Path | None,
    corruptions: str | None,
    reliability: Path | None,
    min_score: Sequence[str],
    every: int,
) -> None:
    """What `perception evaluate` does; the arguments are its options.

    Raises:
        ConfigError: options cannot be meant so.
        DataError: a data set cannot be opened or scored.
    """
    names = _corruptions(corruptions, every, of_bundle=suite is None and predictions is None)
    how: dict[str, Any] = {
        "model": model,
        "engine": engine,
        "instances": instances,
        "crf": crf,
        "denoise": denoise,
        "pixels": pixels,
        "min_score": asked_scores(min_score),
    }
    asked = {name: value for name, value in how.items() if value}
    if suite is not None:
        if asked or predictions or classes or output or picture or reliability:
            raise ConfigError("--suite writes its own report, of every network on one engine; give it alone")
        compare_all(suite, [open_set(source) for source in data])
        return
    _refuse_unwritable(output, picture, reliability)
    if predictions is None:
        # Several corrupted frames are perceived at once, one thread each.
        subject = subject_of(Perceiver.load(**asked, threads=1 if names else 0))
    elif asked:
        raise ConfigError("--predictions scores files; leave out what says how a bundle shall run")
    else:
        subject = subject_of_files(predictions)
        for dataset in _open_for(subject, data, classes):
            refuse_missing(predictions, names_of(dataset))
    if names:
        _evaluate_corrupted(subject, _open_for(subject, data, classes), names, every, output, picture)
        return
    _evaluate(subject, _open_for(subject, data, classes), output, picture, reliability)


def _evaluate(
    subject: Subject,
    sets: Sequence[Dataset],
    output: Path | None,
    picture: Path | None,
    reliability: Path | None,
) -> None:
    console = Console()
    result: dict[str, Evaluation] = {}
    pictures = []
    for dataset in sets:
        extremes = [Extremes(subject.classes)] if picture is not None else []
        evaluation = score(subject, dataset, *extremes)
        if evaluation.confusion.counts:
            console.print_whole(confusion_table(dataset.name, evaluation.confusion))
        result[dataset.name] = evaluation
        pictures += [one.picture() for one in extremes]
    for table in tables(result, f"{subject.model} on {subject.engine}"):
        console.print_whole(table)
    if reliability is not None:
        scores = {name: Calibration() for name in subject.classes.things}
        for evaluation in result.values():
            for name, one in evaluation.calibration.items():
                scores[name] += one
        draw_reliability(reliability, scores, {}, f"{subject.model} on {subject.engine}")
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
        title = f"{subject.model} on {subject.engine}, {dataset.name}"
        console.print_whole(robustness_table(found[-1], title))
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


def _refuse_unwritable(output: Path | None, *pictures: Path | None) -> None:
    """Said before the work, not after it."""
    for path in filter(None, (output, *pictures)):
        if not path.parent.is_dir() or path.is_dir():
            raise ConfigError(f"{path}: cannot be written; give a file in a folder that exists")
    for picture in filter(None, pictures):
        if picture.suffix not in {".png", ".jpg"}:
            raise ConfigError(f"{picture}: pictures are written as .png or .jpg")


def _counts(confusion: Confusion) -> dict[str, dict[str, int]]:
    return {
        confusion.describe(bits): {
            name: int(n) for name, n in zip(confusion.classes.names, row, strict=False)
        }
        for bits, row in confusion.counts.items()
    }
