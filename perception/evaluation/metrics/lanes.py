"""How well lane boundaries are found: recall, precision, F1 and lateral error against true polylines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from perception.scene import Lane

TOLERANCE = 20 / 1280  # of the image width, as lane benchmarks allow
OVERLAP = 0.5  # share of a boundary's rows that must be found, or be true


@dataclass(frozen=True, slots=True)
class LaneScore:
    """Counts of lane boundaries; scores of several frames add up.

    Attributes:
        true, found: boundaries that there are, and that were found.
        recalled: true ones that are matched.
        right: found ones that are matched.
        error_px: sum of the matches' mean lateral errors in pixels.
    """

    true: int = 0
    found: int = 0
    recalled: int = 0
    right: int = 0
    error_px: float = 0.0

    def __add__(self, other: "LaneScore") -> "LaneScore":
        return LaneScore(
            self.true + other.true,
            self.found + other.found,
            self.recalled + other.recalled,
            self.right + other.right,
            self.error_px + other.error_px,
        )

    @property
    def recall(self) -> float:
        return self.recalled / self.true if self.true else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)

    @property
    def lateral_error_px(self) -> float:
        """Mean over the matches; nan without any."""
        return self.error_px / self.recalled if self.recalled else float("nan")


def score_lanes(
    found: Sequence[Lane],
    true: Sequence[Lane],
    height: int,
    width: int,
    visible: Sequence[Lane] | None = None,
) -> LaneScore:
    """Match found boundaries with true ones in one frame, by horizontal distance in common image rows.

    Two boundaries agree where their mean distance in common rows is at most `TOLERANCE` of the width. A true
    one is recalled when it agrees with a found one over at least `OVERLAP` of its rows; of a double line,
    both may have the same one. A found one is right when it agrees with true ones over at least `OVERLAP` of
    its rows (several where side streets interrupt a line); each true one counts once for that, so that what
    is found twice is wrong once.

    Args:
        height, width: of the frame in pixels.
        visible: the parts of the true boundaries that should be found, see `visible_lanes`; else all.
    """
    recalled, distance = _recall(found, true if visible is None else visible, height, width)
    common, mean = _compare(found, true, height)
    agree = (common > 0) & (mean <= TOLERANCE * width)
    held, counted = np.zeros(len(found), np.intp), np.zeros(len(true), bool)
    for f, t in sorted(np.argwhere(agree).tolist(), key=lambda pair: mean[*pair]):
        held[f] += 0 if counted[t] else common[f, t]
        counted[t] = True
    rows = np.array([_rows(lane, height) for lane in found], np.intp)
    right = held >= np.maximum(OVERLAP * rows, 1)
    return LaneScore(len(recalled), len(found), int(recalled.sum()), int(right.sum()), float(distance.sum()))


def pair_lanes(
    some: Sequence[Lane], others: Sequence[Lane], height: int, width: int
) -> list[tuple[int, int, float]]:
    """Boundaries of two answers that are the same one, the nearest first; each has at most one partner.

    Returns:
        Their places in both sequences, and their mean distance in common rows, in px: at most `TOLERANCE` of
        the width, and over at least `OVERLAP` of the rows of the longer one.
    """
    common, mean = _compare(some, others, height)
    rows = [np.array([_rows(lane, height) for lane in lanes], np.intp) for lanes in (some, others)]
    longer = np.maximum(rows[0][:, None], rows[1][None])
    agree = (common >= np.maximum(OVERLAP * longer, 1)) & (mean <= TOLERANCE * width)
    pairs: list[tuple[int, int, float]] = []
    for i, k in sorted(np.argwhere(agree).tolist(), key=lambda pair: mean[*pair]):
        if all(i != one and k != other for one, other, _ in pairs):
            pairs.append((i, k, float(mean[i, k])))
    return pairs


def _recall(
    found: Sequence[Lane], true: Sequence[Lane], height: int, width: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Which true boundaries are found, and how far off those are in the mean, in pixels."""
    common, mean = _compare(found, true, height)
    rows = np.array([_rows(lane, height) for lane in true], np.intp)
    agree = (common >= np.maximum(OVERLAP * rows, 1)) & (mean <= TOLERANCE * width)
    recalled = agree.any(0)
    return recalled, np.where(agree, mean, np.inf).min(0, initial=np.inf)[recalled]


def _compare(
    found: Sequence[Lane], true: Sequence[Lane], height: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """(found, true): the number of common rows, and the mean horizontal distance in them."""
    distance = np.abs(_sample(found, height)[:, None] - _sample(true, height)[None])
    common = (~np.isnan(distance)).sum(-1)
    return common, np.nansum(distance, -1) / np.maximum(common, 1)


def _rows(lane: Lane, height: int) -> int:
    return int((~np.isnan(_sample([lane], height))).sum())


def visible_lanes(
    lanes: Sequence[Lane], labels: npt.NDArray[np.uint8], paint: int, least: float = 0.04
) -> tuple[Lane, ...]:
    """The true boundaries that the frame shows, each from its nearest to its farthest visible mark.

    Args:
        labels: uint8 (height, width), the true class ids.
        paint: the class id of lane markings.
        least: what shows marks over fewer rows than this share of the height is left out.
    """
    height, width = labels.shape
    shown = []
    for lane, xs in zip(lanes, _sample(lanes, height), strict=True):
        y = np.flatnonzero(~np.isnan(xs))
        x = np.rint(xs[y]).astype(int)
        around = np.clip(x[:, None] + np.arange(-1, 2), 0, width - 1)
        marked = y[(labels[y[:, None], around] == paint).any(1)]
        if len(marked) >= least * height:
            inside = np.arange(marked[-1], marked[0] - 1, -1)
            points = np.stack([xs[inside], inside], 1).astype(np.float32)
            shown.append(replace(lane, points=points))
    return tuple(shown)


def _sample(lanes: Sequence[Lane], height: int) -> npt.NDArray[np.float64]:
    """(n, height): where each boundary crosses each image row; nan where it does not."""
    rows = np.arange(height)
    sampled = np.full((len(lanes), height), np.nan)
    for lane, xs in zip(lanes, sampled, strict=True):
        x, y = lane.points[::-1].T.astype(np.float64)
        xs[:] = np.interp(rows, y, x, left=np.nan, right=np.nan)
    return sampled
