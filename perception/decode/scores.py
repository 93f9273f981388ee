"""What scores mean, and from which on a road user is published.

Calibrated by Platt's sigmoid (Platt, "Probabilistic outputs for support vector machines", 1999): two numbers
a class keep the order of scores, and hold on other recordings as well as isotonic regression does, which has
a number for each step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real

import numpy as np

from perception.bundle.manifest import ScoresInfo
from perception.classes import ClassSet
from perception.decode.grouping import Groups
from perception.errors import ConfigError
from perception.types import Doubles

ALL = "all"  # for every class that is not named
LEAST = 0.15  # of scores that are not calibrated
EDGE = 1e-6  # so far from 0 and 1 that the logarithms are finite


def read_scores(texts: Sequence[str]) -> dict[str, str]:
    """Texts of the command line, such as "0.4" and "pedestrian=0.5", by names; "all" where there is none."""
    pairs = (text.rpartition("=")[::2] for text in texts)
    return {name or ALL: score for name, score in pairs}


def logit(scores: Doubles) -> Doubles:
    inside = np.clip(scores, EDGE, 1 - EDGE)
    return np.log(inside / (1 - inside))


def sigmoid(values: Doubles) -> Doubles:
    return 1 / (1 + np.exp(-values))


def calibrate(groups: Groups, scores: ScoresInfo, classes: ClassSet) -> Groups:
    """The groups with scores that say how many of such are there."""
    slope, offset = np.ones(len(classes)), np.zeros(len(classes))
    for name, one in scores.classes.items():
        slope[classes.id(name)], offset[classes.id(name)] = one.slope, one.offset
    of = groups.class_ids
    return replace(groups, scores=sigmoid(slope[of] * logit(groups.scores) + offset[of]))


def least_scores(
    scores: ScoresInfo | None, classes: ClassSet, asked: float | Mapping[str, float] | None = None
) -> dict[int, float]:
    """Thing class id → score from which it is published.

    Args:
        scores: say what is published where nothing is asked for.
        asked: for all classes, or by their names, with "all" for those that are not named.

    Raises:
        ConfigError: a class that has no instances, or a score that is none.
    """
    given = {} if asked is None else dict(asked) if isinstance(asked, Mapping) else {ALL: asked}
    for name, score in given.items():
        if name not in {ALL, *classes.things}:
            known = ", ".join(classes.things) or "no class"
            raise ConfigError(f"min score: {name!r} has no instances; those are of {known}")
        number = isinstance(score, Real) and not isinstance(score, bool)
        if not number or not 0 <= score <= 1:
            raise ConfigError(f"min score: {name} = {score!r} is refused; allowed are numbers from 0 to 1")
    own = {} if scores is None else {name: one.least for name, one in scores.classes.items()}
    named = {name: given.get(name, given.get(ALL, own.get(name, LEAST))) for name in classes.things}
    return {classes.id(name): float(score) for name, score in named.items()}
