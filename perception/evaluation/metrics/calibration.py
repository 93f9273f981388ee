"""Whether scores mean what they say: of the road users with a score of 0.8, four in five should be there."""

from dataclasses import dataclass, field

import numpy as np

BINS = 10  # of equal width, 0 to 1


@dataclass(frozen=True)
class Bin:
    """Road users with a score from `low` to `high`: how many, their mean score, the share that is true."""

    low: float
    high: float
    count: int
    score: float
    right: float


@dataclass
class Calibration:
    """Scores of what was found, each with whether it is there."""

    scores: list[float] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)

    def add(self, score: float, hit: bool) -> None:
        self.scores.append(score)
        self.hits.append(hit)

    def __add__(self, other: "Calibration") -> "Calibration":
        return Calibration(self.scores + other.scores, self.hits + other.hits)

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
