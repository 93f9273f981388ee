"""Accuracy of tracks: CLEAR MOT and identity F1, counted from boxes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.scene import Instance
from perception.tracking.assignment import assign, box_iou

LEAST_IOU = 0.5  # of a true box and a predicted one that may be the same


@dataclass(frozen=True)
class TrackCounts:
    """What tracks came to in one drive, or in several (`+`).

    Attributes:
        truths, predictions: boxes with a track, over all frames.
        hits: of them, those that match frame by frame.
        switches: how often a true track is matched by another predicted one than the last time.
        identity_hits: those that match where every track may stand for one other only.
    """

    truths: int = 0
    predictions: int = 0
    hits: int = 0
    switches: int = 0
    identity_hits: int = 0

    def __add__(self, other: "TrackCounts") -> "TrackCounts":
        return TrackCounts(
            self.truths + other.truths,
            self.predictions + other.predictions,
            self.hits + other.hits,
            self.switches + other.switches,
            self.identity_hits + other.identity_hits,
        )

    @property
    def mota(self) -> float:
        """1 - (misses + false alarms + switches) / truths; below 0 where more is wrong than there is.

        Bernardin and Stiefelhagen, Evaluating Multiple Object Tracking Performance: the CLEAR MOT Metrics,
        2008.
        """
        wrong = (self.truths - self.hits) + (self.predictions - self.hits) + self.switches
        return 1 - wrong / max(self.truths, 1)

    @property
    def idf1(self) -> float:
        """2 IDTP / (truths + predictions): F1 of the boxes whose track is the right one throughout.

        Ristani et al., Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking, 2016.
        """
        return 2 * self.identity_hits / max(self.truths + self.predictions, 1)


class TrackEvaluation:
    """Counts the tracks of one drive, frame by frame."""

    def __init__(self) -> None:
        self._truths: Counter[int] = Counter()
        self._predictions: Counter[int] = Counter()
        self._together: Counter[tuple[int, int]] = Counter()  # frames in which two tracks may be the same
        self._last: dict[int, int] = {}  # true track → the predicted one that last matched it
        self._hits = self._switches = 0

    def add(self, truth: Sequence[Instance], predicted: Sequence[Instance]) -> None:
        """Count one frame; frames come in order. Instances without a track claim nothing: they do not count.

        Two instances may be the same where their classes are and their boxes' IoU is at least `LEAST_IOU`. A
        true track keeps the prediction that last matched it while it may; the rest match so that the sum of
        their IoU is the greatest.
        """
        true_tracks, true_classes, true_boxes = _columns(truth)
        tracks, classes, boxes = _columns(predicted)
        self._truths.update(true_tracks)
        self._predictions.update(tracks)
        iou = box_iou(true_boxes, boxes)
        same = (iou >= LEAST_IOU) & (true_classes[:, None] == classes)
        self._together.update((true_tracks[i], tracks[j]) for i, j in np.argwhere(same).tolist())
        last = np.array([self._last.get(track, 0) for track in true_tracks])
        kept = last[:, None] == np.array(tracks)
        for i, j in zip(*assign(same * (iou + kept * len(truth))), strict=True):
            self._hits += 1
            self._switches += self._last.get(true_tracks[i], tracks[j]) != tracks[j]
            self._last[true_tracks[i]] = tracks[j]

    def counts(self) -> TrackCounts:
        """What the frames so far came to."""
        rows = {track: row for row, track in enumerate(self._truths)}
        columns = {track: column for column, track in enumerate(self._predictions)}
        frames = np.zeros((len(rows), len(columns)))
        for (true_track, track), count in self._together.items():
            frames[rows[true_track], columns[track]] = count
        return TrackCounts(
            truths=self._truths.total(),
            predictions=self._predictions.total(),
            hits=self._hits,
            switches=self._switches,
            identity_hits=int(frames[assign(frames)].sum()),
        )


def _columns(
    instances: Sequence[Instance],
) -> tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The tracks, classes and boxes of those with a track."""
    tracked = [one for one in instances if one.track is not None]
    classes = np.array([one.class_id for one in tracked], np.int64)
    boxes = np.array([one.box for one in tracked], np.float64).reshape(-1, 4)
    return [one.track for one in tracked if one.track is not None], classes, boxes
