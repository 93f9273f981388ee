"""Whether scores mean what they say: of the road users with a score of 0.8, four in five should be there."""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize

from perception.bundle.manifest import ClassScores
from perception.decode.scores import logit, sigmoid
from perception.types import Doubles

BINS = 10  # of equal width, 0 to 1
FEWEST = 20  # road users that are there, and that are not, from which a sigmoid is fitted


@dataclass(frozen=True)
class Bin:
    """Road users with a score from `low` to `high`: how many, their mean score, the share that is true."""

    low: float
    high: float
    count: int
    score: float
    right: float


@dataclass(frozen=True)
class Precision:
    """How good what is published from a score on is; `f1` is 0 where nothing is right."""

    published: int
    precision: float | None
    recall: float
    f1: float


@dataclass
class Calibration:
    """Scores of what was found, each with whether it is there, and how many there truly are."""

    scores: list[float] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)
    true: int = 0

    def add(self, score: float, hit: bool) -> None:
        self.scores.append(score)
        self.hits.append(hit)

    def __add__(self, other: "Calibration") -> "Calibration":
        return Calibration(self.scores + other.scores, self.hits + other.hits, self.true + other.true)

    def from_score(self, least: float) -> "Calibration":
        """The same of what has that score or a higher one."""
        kept = [(score, hit) for score, hit in zip(self.scores, self.hits, strict=True) if score >= least]
        return Calibration([score for score, _ in kept], [hit for _, hit in kept], self.true)

    def bins(self) -> list[Bin]:
        """The bins that hold something, from the lowest; a score of 1 is in the last one."""
        scores, hits = np.array(self.scores, float), np.array(self.hits, float)
        index = np.minimum((scores * BINS).astype(int), BINS - 1)
        return [
            Bin(
                i / BINS,
                (i + 1) / BINS,
                int(here.sum()),
                float(scores[here].mean()),
                float(hits[here].mean()),
            )
            for i in range(BINS)
            if (here := index == i).any()
        ]

    def error(self) -> float:
        """Expected calibration error: the mean gap of score and share over bins (Naeini et al., 2015)."""
        total = max(len(self.scores), 1)
        return sum(one.count / total * abs(one.right - one.score) for one in self.bins())

    def precision(self, least: float = 0.0) -> Precision:
        """Of what has that score or a higher one."""
        of = self.from_score(least)
        hits, published = sum(of.hits), len(of.scores)
        return Precision(
            published,
            hits / published if published else None,
            hits / max(self.true, 1),
            2 * hits / max(published + self.true, 1),
        )

    def best_f1(self) -> float:
        """The greatest F1 that a least score gives."""
        order = np.argsort(-np.array(self.scores), kind="stable")
        hits = np.cumsum(np.array(self.hits, float)[order])
        return float(np.max(2 * hits / (np.arange(1, len(hits) + 1) + self.true), initial=0.0))

    def fit(self) -> ClassScores | None:
        """The sigmoid that is the likeliest; None where too few are there, or too few are not.

        The score from which is published is half of the best F1: where scores are calibrated, more than that
        makes F1 better, and less makes it worse (Lipton et al., "Optimal thresholding of classifiers to
        maximize F1 measure", 2014). Unlike the best score itself it hardly varies with the sample.
        """
        there = sum(self.hits)
        if min(there, len(self.hits) - there) < FEWEST:
            return None
        values, hits = logit(np.array(self.scores)), np.array(self.hits)
        # Platt's targets, which keep the sigmoid from a step where a sample is separable.
        target = np.where(hits, (there + 1) / (there + 2), 1 / (len(hits) - there + 2))

        def loss(weights: Doubles) -> float:
            z = weights[0] * values + weights[1]
            return float(np.mean(np.logaddexp(0, z) - target * z))

        slope, offset = minimize(loss, np.array([1.0, 0.0])).x.tolist()
        least = round(self.best_f1() / 2, 2)
        fitted = Calibration(sigmoid(slope * values + offset).tolist(), self.hits, self.true)
        f1 = round(fitted.precision(least).f1, 4)
        return ClassScores(slope=round(slope, 4), offset=round(offset, 4), least=least, f1=f1)
