"""The calibration of a bundle's scores: measured on validated data, kept in bundle.json."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from perception.bundle.bundle import Bundle, write_scores
from perception.bundle.manifest import GRAPHS, Precision, ScoresInfo
from perception.decode.instances import choose_grouping, choose_way
from perception.decode.scores import read_scores
from perception.errors import ConfigError, DataError
from perception.evaluation.metrics.calibration import FEWEST
from perception.evaluation.validation import Validation, pooled
from perception.perceiver import Perceiver


def asked_scores(texts: Sequence[str]) -> dict[str, float] | None:
    """What `--min-score` says. Raises ConfigError where a score is no number."""
    try:
        return {name: float(score) for name, score in read_scores(texts).items()} or None
    except ValueError as error:
        raise ConfigError(f"--min-score: give a number, or CLASS=NUMBER: {error}") from error


def uncalibrated(perceiver: Perceiver) -> Perceiver:
    """The same with scores as they are decoded."""
    info = perceiver.info.model_copy(update={"scores": None})
    return replace(perceiver, info=info, grouping=choose_grouping(info, perceiver.classes))


def calibrate_bundle(bundle: Bundle, found: Mapping[str, Validation]) -> list[str]:
    """Fit what uncalibrated scores mean, and write it into the bundle.

    Args:
        found: set → what was found in it, without a least score.

    Returns:
        What was found, for people.

    Raises:
        DataError: no class is there often enough.
        BundleError: the bundle cannot be written.
    """
    fitted, lines = {}, []
    for class_id in bundle.classes.thing_ids:
        name, scores = bundle.classes.names[class_id], pooled(list(found.values()), class_id)
        one = scores.fit()
        if one is None:
            lines.append(f"{name}: {sum(scores.hits)} found rightly; below {FEWEST}, scores stay as they are")
            continue
        fitted[name] = one
        lines.append(
            f"{name}: {len(scores.hits)} found, {sum(scores.hits)} rightly, of {scores.true}; published from "
            f"{one.least:.2f} on, F1 {one.f1:.3f}"
        )
    way = choose_way(bundle.info)
    if not fitted or way is None:
        raise DataError(f"calibration: no class is found {FEWEST} times rightly and {FEWEST} times wrongly")
    graph = bundle.info.files[GRAPHS[Precision.FLOAT32]]
    write_scores(bundle, ScoresInfo(way=way, graph=graph, sets=tuple(found), classes=fitted))
    return [*lines, f"{bundle.folder / 'bundle.json'}: scores are calibrated"]
