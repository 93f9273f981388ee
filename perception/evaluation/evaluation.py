"""The figures of a data set: a list of metrics, each of which sees every frame once. Needs no torch."""

from collections.abc import Callable

import numpy as np

from perception.classes import DRIVE, ClassSet
from perception.evaluation.judged import ALL, Figures, Judged, Metric, Rows
from perception.evaluation.metrics.boundary import BoundaryScore
from perception.evaluation.metrics.calibration import Calibration
from perception.evaluation.metrics.depth import DepthScore
from perception.evaluation.metrics.instances import (
    MaskPrecision,
    PanopticCounts,
    true_instances,
)
from perception.evaluation.metrics.key_points import KeyPointScore
from perception.evaluation.metrics.lanes import LaneScore, score_lanes, visible_lanes
from perception.evaluation.metrics.metres import MetresScore
from perception.evaluation.metrics.pictures import PictureEvaluation
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.metrics.tracks import TrackEvaluation


class Classes:
    kind = "classes"

    def __init__(self, classes: ClassSet) -> None:
        self.confusion = Confusion(classes)

    def update(self, one: Judged) -> None:
        self.confusion += one.confusion

    def result(self) -> Rows:
        return {ALL: self.confusion.figures()} if self.confusion.counts else {}


class Outlines:
    kind = "outlines"

    def __init__(self, classes: ClassSet) -> None:
        self._score = BoundaryScore(classes)

    def update(self, one: Judged) -> None:
        self._score.add(one.labels.target, one.scene.labels)

    def result(self) -> Rows:
        return {ALL: {"boundary F1": self._score.mean_f1()}} if self._score.f1() else {}


class Masks:
    kind = "mask AP"

    def __init__(self, classes: ClassSet) -> None:
        self._masks = MaskPrecision(classes)

    def update(self, one: Judged) -> None:
        self._masks.add(one.labels, one.scene)

    def result(self) -> Rows:
        result = self._masks.result()
        if not result:
            return {}
        rows = {**result, ALL: tuple(np.mean(list(result.values()), axis=0).tolist())}
        return {row: {"AP": ap, "AP50": ap50} for row, (ap, ap50) in rows.items()}


class Segments:
    kind = "panoptic quality"

    def __init__(self, classes: ClassSet) -> None:
        self.classes = classes
        none = np.zeros(len(classes), np.int64)
        self._counts = PanopticCounts(none.astype(float), none, none, none)

    def update(self, one: Judged) -> None:
        self._counts += one.panoptic

    def result(self) -> Rows:
        of = {i: q for i, q in self._counts.quality().items() if i in self._counts.labelled}
        things = self.classes.thing_ids
        groups = {self.classes.names[i]: [q] for i, q in of.items()} | {
            "things": [q for i, q in of.items() if i in things],
            "stuff": [q for i, q in of.items() if i not in things],
            ALL: list(of.values()),
        }
        means = {
            row: np.mean([(q.pq, q.sq, q.rq) for q in qs], axis=0).tolist()
            for row, qs in groups.items()
            if qs
        }
        return {row: dict(zip(("PQ", "SQ", "RQ"), mean, strict=True)) for row, mean in means.items()}


class Scores:
    """How good what is published is, and whether its scores say so."""

    kind = "scores"

    def __init__(self, classes: ClassSet) -> None:
        self.calibration = {name: Calibration() for name in classes.things}

    def update(self, one: Judged) -> None:
        counts, verdicts = one.panoptic, one.overlaps.verdicts(one.scene)
        for name, calibration in self.calibration.items():
            class_id = one.classes.id(name)
            calibration.true += int(counts.matches[class_id] + counts.misses[class_id])
            for found in one.scene.instances:
                if found.class_id == class_id and found.id in verdicts:
                    calibration.add(found.score, verdicts[found.id])

    def result(self) -> Rows:
        rows: Rows = {}
        for name, calibration in self.calibration.items():
            if calibration.true:
                published = calibration.precision()
                rows[name] = {"recall": published.recall, "F1": published.f1}
                if published.precision is not None:
                    rows[name] |= {"precision": published.precision}
                    rows[name] |= {"calibration error": calibration.error()}
        return rows


class Lanes:
    kind = "lane boundaries"

    def __init__(self) -> None:
        self._score = LaneScore()

    def update(self, one: Judged) -> None:
        truth, scene = one.sample.truth, one.scene
        if truth is not None:
            height, width = scene.labels.shape
            visible = visible_lanes(truth.lanes, truth.labels, one.classes.id("lane_marking"))
            self._score += score_lanes(scene.lanes, truth.lanes, height, width, visible)

    def result(self) -> Rows:
        lanes = self._score
        if not lanes.true:
            return {}
        figures = {"lane F1": lanes.f1, "lane recall": lanes.recall, "lane precision": lanes.precision}
        if lanes.recalled:
            figures["lateral error, px"] = lanes.lateral_error_px
        return {ALL: figures}


class Tracks:
    kind = "tracks"

    def __init__(self) -> None:
        self._tracks = TrackEvaluation()

    def update(self, one: Judged) -> None:
        forgiven = one.overlaps.forgiven_instances()
        found = [instance for instance in one.scene.instances if instance.id not in forgiven]
        self._tracks.add(true_instances(one.labels), found)

    def result(self) -> Rows:
        counts = self._tracks.counts()
        if not counts.truths:
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


class Metres:
    kind = "metres"

    def __init__(self) -> None:
        self._score = MetresScore()

    def update(self, one: Judged) -> None:
        truth = one.sample.truth
        if truth is not None:
            self._score.add(one.scene, truth.road, truth.places, true_instances(one.labels))

    def result(self) -> Rows:
        return self._score.figures()


class Depth:
    kind = "depth"

    def __init__(self) -> None:
        self._score = DepthScore()

    def update(self, one: Judged) -> None:
        if one.sample.depth is not None and one.scene.depth is not None:
            self._score.add(one.sample.depth, one.scene.depth)

    def result(self) -> Rows:
        figures = self._score.figures()
        return {ALL: figures} if figures else {}


class KeyPoints:
    kind = "key points"

    def __init__(self) -> None:
        self._score = KeyPointScore()

    def update(self, one: Judged) -> None:
        if one.sample.key_points is not None:
            self._score.add(one.sample.key_points, one.scene.key_points, one.sample.instances)

    def result(self) -> Rows:
        return self._score.figures()


class Pictures:
    kind = "pictures"

    def __init__(self) -> None:
        self._score = PictureEvaluation()

    def update(self, one: Judged) -> None:
        if one.sample.picture is not None and one.scene.picture is not None:
            self._score.add(one.sample.image, one.scene.picture, one.sample.picture)

    def result(self) -> Rows:
        return self._score.figures()


OF_CLASSES: tuple[Callable[[ClassSet], Metric], ...] = (Outlines, Masks, Segments)


class Evaluation:
    """All metrics of one data set, as far as its labels go.

    Args:
        labelled: the scenes hold classes or instances, which are scored.
        drive: the frames come in the order of one drive, and the true instances keep their ids: score tracks.
    """

    def __init__(self, classes: ClassSet = DRIVE, *, labelled: bool = True, drive: bool = False) -> None:
        self._classes, self._scores = Classes(classes), Scores(classes)
        self.metrics: list[Metric] = [Depth(), KeyPoints(), Pictures()]
        if labelled:
            tracks: list[Metric] = [Tracks(), Metres()] if drive else []
            of_classes = [make(classes) for make in OF_CLASSES]
            self.metrics = [self._classes, *of_classes, self._scores, Lanes(), *tracks, *self.metrics]

    @property
    def confusion(self) -> Confusion:
        return self._classes.confusion

    @property
    def calibration(self) -> dict[str, Calibration]:
        """Of each class that has instances."""
        return self._scores.calibration

    def update(self, one: Judged) -> None:
        """Count one frame."""
        for metric in self.metrics:
            metric.update(one)

    def values(self) -> dict[str, float]:
        """Every figure by its name, the most important first."""
        return {
            name if row == ALL else f"{name} {row}": value
            for metric in self.metrics
            for row, named in metric.result().items()
            for name, value in named.items()
        }

    def figures(self) -> Figures:
        """Every kind of figures but those of the class maps, which have a table of their own."""
        kinds = {one.kind: one.result() for one in self.metrics if not isinstance(one, Classes | Outlines)}
        return {kind: rows for kind, rows in kinds.items() if rows}
