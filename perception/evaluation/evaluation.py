"""Score scenes on a labelled data set. Needs no torch: what is scored may be a deployed bundle."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, UNKNOWN, ClassSet
from perception.datasets.dataset import Sample
from perception.evaluation.metrics.boundary import BoundaryScore
from perception.evaluation.metrics.depth import DepthScore
from perception.evaluation.metrics.instances import (
    MaskPrecision,
    Overlaps,
    PanopticCounts,
    true_instances,
    without_specks,
)
from perception.evaluation.metrics.key_points import KeyPointScore
from perception.evaluation.metrics.lanes import LaneScore, score_lanes, visible_lanes
from perception.evaluation.metrics.pictures import PictureEvaluation
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.metrics.tracks import TrackEvaluation
from perception.scene import KeyPoint, Scene
from perception.simulation import KEY_POINTS, Truth

# A frame uint8 (h, w, 3) BGR → its label map uint8 (h, w).
Predictor = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]
# Kinds of figures → what they are of → figure → value.
Figures = dict[str, dict[str, dict[str, float]]]

ALL = "all"


def evaluate_frame(predict: Predictor, sample: Sample, classes: ClassSet = DRIVE) -> Confusion:
    """Count every labelled pixel of one frame."""
    confusion = Confusion(classes)
    confusion.add(sample.target, predict(sample.image))
    return confusion


def merge(frames: Iterable[Confusion]) -> Confusion:
    """The confusion of many frames: a set's figures come from its pixels, not from a mean over its frames."""
    return sum(frames, Confusion())


class Evaluation:
    """What the scenes of one data set came to, against its labels, as far as it has any.

    Args:
        labelled: the scenes tell classes or instances, which are scored.
        drive: the frames come in the order of one drive, and the true instances keep their ids: score tracks.
    """

    def __init__(self, classes: ClassSet = DRIVE, *, labelled: bool = True, drive: bool = False) -> None:
        self.classes = classes
        self.labelled = labelled
        self.confusion = Confusion(classes)
        self._boundaries = BoundaryScore(classes)
        self._masks = MaskPrecision(classes)
        none = np.zeros(len(classes), np.int64)
        self._panoptic = PanopticCounts(none.astype(float), none, none, none)
        self._lanes = LaneScore()
        self._depth = DepthScore()
        self._key_points = KeyPointScore()
        self._pictures = PictureEvaluation()
        self._tracks = TrackEvaluation() if labelled and drive else None

    def add(self, sample: Sample, scene: Scene) -> tuple[float, float | None]:
        """Count one frame; its own accuracy, and where it shows known instances, its own PQ.

        That is a mean over the classes that are there or were found.
        """
        if sample.depth is not None and scene.depth is not None:
            self._depth.add(sample.depth, scene.depth)
        if sample.key_points is not None:
            self._key_points.add(sample.key_points, scene.key_points, sample.instances)
        if sample.picture is not None and scene.picture is not None:
            self._pictures.add(sample.image, scene.picture, sample.picture)
        if sample.truth is not None:
            sample = without_specks(sample)
        frame = Confusion(self.classes)
        frame.add(sample.target, scene.labels)
        if not self.labelled:
            return frame.accuracy(), None
        self.confusion += frame
        self._boundaries.add(sample.target, scene.labels)
        self._masks.add(sample, scene)
        overlaps = Overlaps(sample, scene, self.classes)
        panoptic = overlaps.panoptic()
        self._panoptic += panoptic
        if sample.truth is not None:
            self._lanes += self._score_lanes(sample.truth, scene)
        if self._tracks is not None:
            forgiven = overlaps.forgiven_instances()
            found = [one for one in scene.instances if one.id not in forgiven]
            self._tracks.add(true_instances(sample), found)
        if not sample.instances.any():
            return frame.accuracy(), None
        return frame.accuracy(), float(np.mean([quality.pq for quality in panoptic.quality().values()]))

    def values(self) -> dict[str, float]:
        """Every figure by its name, the one that says most first."""
        values: dict[str, float] = {}
        if self.confusion.counts:
            values |= self.confusion.figures()
        if self._boundaries.f1():
            values["boundary F1"] = self._boundaries.mean_f1()
        for rows in self.figures().values():
            for row, named in rows.items():
                values |= {name if row == ALL else f"{name} {row}": value for name, value in named.items()}
        return values

    def figures(self) -> Figures:
        """Mask AP, panoptic quality, lanes, tracks, depth, key points, pictures, where the set knows."""
        kinds = {
            "mask AP": self._mask_figures(),
            "panoptic quality": self._panoptic_figures(),
            "lane boundaries": self._lane_figures(),
            "tracks": self._track_figures(),
            "depth": self._depth_figures(),
            "key points": self._key_points.figures(),
            "pictures": self._pictures.figures(),
        }
        return {kind: figures for kind, figures in kinds.items() if figures}

    def _mask_figures(self) -> dict[str, dict[str, float]]:
        result = self._masks.result()
        if not result:
            return {}
        rows = {**result, ALL: tuple(np.mean(list(result.values()), axis=0).tolist())}
        return {row: {"AP": ap, "AP50": ap50} for row, (ap, ap50) in rows.items()}

    def _panoptic_figures(self) -> dict[str, dict[str, float]]:
        of = {i: q for i, q in self._panoptic.quality().items() if i in self._panoptic.labelled}
        things = self.classes.thing_ids
        groups = {self.classes.names[i]: [q] for i, q in of.items()} | {
            "things": [q for i, q in of.items() if i in things],
            "stuff": [q for i, q in of.items() if i not in things],
            ALL: list(of.values()),
        }
        return {
            row: dict(
                zip(
                    ("PQ", "SQ", "RQ"),
                    np.mean([(q.pq, q.sq, q.rq) for q in qs], axis=0).tolist(),
                    strict=True,
                )
            )
            for row, qs in groups.items()
            if qs
        }

    def _lane_figures(self) -> dict[str, dict[str, float]]:
        lanes = self._lanes
        if not lanes.true:
            return {}
        figures = {"lane F1": lanes.f1, "lane recall": lanes.recall, "lane precision": lanes.precision}
        if lanes.recalled:
            figures["lateral error, px"] = lanes.lateral_error_px
        return {ALL: figures}

    def _track_figures(self) -> dict[str, dict[str, float]]:
        counts = None if self._tracks is None else self._tracks.counts()
        if counts is None or not counts.truths:
            return {}
        return {
            ALL: {
                "MOTA": counts.mota,
                "IDF1": counts.idf1,
                "id switches": counts.switches,
                "true boxes": counts.truths,
                "misses": counts.truths - counts.hits,
                "false alarms": counts.predictions - counts.hits,
            }
        }

    def _depth_figures(self) -> dict[str, dict[str, float]]:
        figures = self._depth.figures()
        return {ALL: figures} if figures else {}

    def _score_lanes(self, truth: Truth, scene: Scene) -> LaneScore:
        height, width = scene.labels.shape
        paint = self.classes.id("lane_marking")
        return score_lanes(
            scene.lanes, truth.lanes, height, width, visible_lanes(truth.lanes, truth.labels, paint)
        )


def true_key_points(sample: Sample) -> tuple[KeyPoint, ...]:
    """The key points of a sample, each as sure as can be."""
    points = () if sample.key_points is None else sample.key_points.tolist()
    return tuple(KeyPoint(KEY_POINTS[int(kind)], x, y, 1.0) for kind, x, y, _ in points)


def true_scene(sample: Sample, classes: ClassSet = DRIVE) -> Scene:
    """What the labels say of a sample: partial ones as their first class, those of most classes unknown."""
    labels = np.full(sample.target.shape, UNKNOWN, np.uint8)
    for bits in np.unique(sample.target).tolist():
        if 0 < bits.bit_count() <= len(classes) // 2:
            labels[sample.target == bits] = (bits & -bits).bit_length() - 1
    return Scene(
        sequence=0,
        stamp_ns=0,
        wall_ns=0,
        stem=sample.name,
        camera="",
        labels=labels,
        instance_map=sample.instances,
        instances=true_instances(sample),
        lanes=() if sample.truth is None else sample.truth.lanes,
        picture=sample.picture,
        depth=sample.depth,
        key_points=true_key_points(sample),
    )
