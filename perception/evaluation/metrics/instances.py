"""Accuracy of instances and of segments: mask average precision and panoptic quality.

Labels may be partial. A pixel is *unknown* to a class where it may be of the class, and no segment of that
class is known there: what is found mostly on such pixels is neither right nor wrong.
"""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from perception.classes import ClassSet
from perception.datasets.dataset import Sample
from perception.interchange.files.masks import run_lengths
from perception.scene import Instance, Scene

Rle = dict[str, Any]  # COCO's run lengths down the columns: {"size": [h, w], "counts": bytes}
Counts = npt.NDArray[np.int64]

MOST = 100  # instances of a class in a frame, the surest ones, as COCO counts them
EVERY_SIZE = [0.0, 1e10]  # px
SIZES = {"small": [0.0, 32.0**2], "medium": [32.0**2, 96.0**2], "large": [96.0**2, 1e10]}  # COCO's
SPECK = 100 / (2048 * 1024)  # of the frame's pixels; Cityscapes' benchmark leaves out what is smaller


def encode_masks(ids: npt.NDArray[np.uint16]) -> dict[int, Rle]:
    """The pixels of each id but 0 in a map (h, w), all in one pass over it."""
    height, width = ids.shape
    return {
        one: coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        for one, counts in run_lengths(ids).items()
    }


def without_specks(sample: Sample) -> Sample:
    """The sample with its smallest road users unknown, as a simulation knows even those of a single pixel."""
    sizes = np.bincount(sample.instances.ravel(), minlength=1 << 16)
    kept = (sizes >= SPECK * sample.instances.size)[sample.instances]
    return replace(sample, instances=np.where(kept, sample.instances, 0).astype(np.uint16))


def true_instances(sample: Sample) -> tuple[Instance, ...]:
    """The known road users of a sample; each one's id is its track."""
    found = []
    for number, mask in encode_masks(sample.instances).items():
        x, y, w, h = coco_mask.toBbox(mask).tolist()
        found.append(Instance(number, number // 1000, 1.0, (x, y, x + w, y + h), track=number))
    return tuple(found)


class MaskPrecision:
    """Mask AP of things over the frames of a set, by COCO's own evaluation (Lin et al., 2014)."""

    def __init__(self, classes: ClassSet) -> None:
        self.classes = classes
        self._images: list[dict[str, int]] = []
        self._truth: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def add(self, sample: Sample, scene: Scene) -> None:
        """Take in a frame; its masks are kept as run lengths."""
        height, width = sample.target.shape
        self._images.append({"id": len(self._images) + 1, "height": height, "width": width})
        for number, mask in encode_masks(sample.instances).items():
            self._append(self._truth, number // 1000, mask, iscrowd=0)
        for class_id in self.classes.thing_ids:
            possible = (sample.target >> class_id & 1 == 1) | (sample.target == 0)
            unknown = possible & (sample.instances // 1000 != class_id)
            for mask in encode_masks(unknown.astype(np.uint16)).values():
                self._append(self._truth, class_id, mask, iscrowd=1)
        masks = encode_masks(scene.instance_map)
        for one in scene.instances:
            self._append(self._found, one.class_id, masks[one.id], score=one.score)

    def result(self) -> dict[str, tuple[float, float]]:
        """Class → AP over IoU 0.50:0.95, and AP50, of each thing that has instances in the set."""
        precision, counted = self._precision([EVERY_SIZE])
        if not counted:
            return {}
        of = precision[..., 0].mean(axis=1)  # (IoU thresholds, classes)
        return {
            self.classes.names[class_id]: (float(column.mean()), float(column[0]))
            for class_id, column in zip(counted, of.T, strict=True)
        }

    def by_size(self) -> dict[str, dict[str, float]]:
        """Class → size → AP, by COCO's sizes in pixels of the frame; without the sizes that no truth has."""
        precision, counted = self._precision(list(SIZES.values()))
        result: dict[str, dict[str, float]] = {}
        for index, class_id in enumerate(counted):
            of = precision[:, :, index].mean(axis=(0, 1))  # −1 where there is no truth
            named = zip(SIZES, of.tolist(), strict=True)
            result[self.classes.names[class_id]] = {name: ap for name, ap in named if ap >= 0}
        return result

    def _precision(self, sizes: list[list[float]]) -> tuple[npt.NDArray[np.float64], list[int]]:
        """Precision (IoU thresholds, recalls, classes, sizes), and the classes that have instances."""
        counted = sorted({one["category_id"] for one in self._truth if not one["iscrowd"]})
        if not counted:
            return np.zeros((0, 0, 0, len(sizes))), []
        with redirect_stdout(io.StringIO()):  # it prints its progress
            evaluation = _Evaluation(self._coco(self._truth), self._coco(self._found))
            evaluation.params.catIds = counted
            evaluation.params.areaRng, evaluation.params.areaRngLbl = sizes, [str(one) for one in sizes]
            evaluation.params.maxDets = [MOST]
            evaluation.evaluate()
            evaluation.accumulate()
        return evaluation.eval["precision"][..., 0], counted

    def _append(self, to: list[dict[str, Any]], class_id: int, mask: Rle, **values: float) -> None:
        area = float(coco_mask.area(mask))
        to.append(
            {
                "id": len(to) + 1,
                "image_id": len(self._images),
                "category_id": class_id,
                "segmentation": mask,
                "area": area,
                **values,
            }
        )

    def _coco(self, annotations: list[dict[str, Any]]) -> COCO:
        coco = COCO()
        categories = [{"id": class_id} for class_id in self.classes.thing_ids]
        coco.dataset = {"images": self._images, "annotations": annotations, "categories": categories}
        coco.createIndex()
        return coco


class _Evaluation(COCOeval):  # type: ignore[misc]
    """COCO forgives what lies on a crowd by the IoU's threshold; here, what lies mostly on it."""

    def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: N802, N803 - pycocotools' names
        iou = super().computeIoU(imgId, catId)
        if len(iou):  # a crowd's column holds the share of each found mask that lies on it
            crowd = np.array([one["iscrowd"] for one in self._gts[imgId, catId]], bool)
            iou[:, crowd] = iou[:, crowd] > 0.5
        return iou


@dataclass(frozen=True)
class Quality:
    """Panoptic quality, and its factors: mean IoU of the segments found, and their F1."""

    pq: float
    sq: float
    rq: float


@dataclass(frozen=True, eq=False)
class PanopticCounts:
    """Segments of each class, (classes,): the sum of the matches' IoU, matches, false alarms, misses.

    Kirillov et al., Panoptic Segmentation, 2019.
    """

    iou: npt.NDArray[np.float64]
    matches: Counts
    false_alarms: Counts
    misses: Counts

    def __add__(self, other: "PanopticCounts") -> "PanopticCounts":
        return PanopticCounts(
            self.iou + other.iou,
            self.matches + other.matches,
            self.false_alarms + other.false_alarms,
            self.misses + other.misses,
        )

    @property
    def labelled(self) -> set[int]:
        """The classes of which there is a true segment."""
        return set(np.flatnonzero(self.matches + self.misses).tolist())

    def quality(self) -> dict[int, Quality]:
        """Of each class that was there or was found."""
        result = {}
        for class_id in np.flatnonzero(self.matches + self.false_alarms + self.misses).tolist():
            matches = int(self.matches[class_id])
            sq = float(self.iou[class_id] / max(matches, 1))
            rq = matches / (matches + (self.false_alarms[class_id] + self.misses[class_id]) / 2)
            result[class_id] = Quality(sq * float(rq), sq, float(rq))
        return result


class Overlaps:
    """The segments of one frame, found and true: how far each lies on each.

    Segments are the instances of things, and all pixels of a stuff class that are labelled by it alone.
    Unknown pixels are what the paper calls a group where they are surely of the class, else void.
    """

    def __init__(self, sample: Sample, scene: Scene, classes: ClassSet) -> None:
        stuff = [i for i in range(len(classes)) if i not in classes.thing_ids]
        truth = np.where(sample.instances > 0, _segment(sample.instances), 0)
        by_label = np.zeros(256, np.int32)
        for i in stuff:
            by_label[i] = _segment(i * 1000)
            truth[(sample.target == 1 << i) & (sample.instances == 0)] = by_label[i]
        found = np.where(scene.instance_map > 0, _segment(scene.instance_map), by_label[scene.labels])
        self._classes = len(classes)
        self.found, rows = _compact(found)
        self.truth, columns = _compact(truth)
        shape = len(self.found), len(self.truth)
        pairs = np.bincount((rows * shape[1] + columns).ravel(), minlength=shape[0] * shape[1])
        self.pixels = pairs.reshape(shape)
        looked_for = _class_of(self.found)[rows]
        possible = (sample.target >> np.maximum(looked_for, 0) & 1 == 1) | (sample.target == 0)
        unknown = possible & (looked_for != _class_of(self.truth)[columns])
        void = unknown & (sample.target != 1 << np.maximum(looked_for, 0))
        self.unknown = np.bincount(rows[unknown], minlength=shape[0])
        self.void = np.bincount(rows[void], minlength=shape[0])

    def forgiven(self) -> npt.NDArray[np.bool_]:
        """Which of the segments found lie mostly on unknown pixels."""
        size: Counts = self.pixels.sum(axis=1)
        return 2 * self.unknown > size

    def forgiven_instances(self) -> set[int]:
        """The ids of the instances found that lie mostly on unknown pixels."""
        return {int(segment) - 1 for segment in self.found[self.forgiven()]}

    def panoptic(self) -> PanopticCounts:
        """Segments match where they are of one class and their IoU exceeds 0.5; it leaves out void pixels.

        A group's pixels stay in it, as in the paper and in COCO's AP: where labels leave much of a road user
        to no instance, both figures are about the labels.
        """
        found, truth = _class_of(self.found), _class_of(self.truth)
        match, union = self._matches()
        rows, columns = np.nonzero(match)
        false = ~match.any(axis=1) & ~self.forgiven() & (found >= 0)
        missed = ~match.any(axis=0) & (truth >= 0)
        iou = self.pixels[rows, columns] / union[rows, columns]
        iou_sums = np.bincount(found[rows], weights=iou, minlength=self._classes).astype(np.float64)
        matches, false_alarms, misses = (
            np.bincount(which, minlength=self._classes)
            for which in (found[rows], found[false], truth[missed])
        )
        return PanopticCounts(iou_sums, matches, false_alarms, misses)

    def verdicts(self, scene: Scene) -> dict[int, bool]:
        """Instance id → whether a true one matches it; without those that lie mostly on unknown pixels."""
        right, forgiven = np.asarray(self._matches()[0].any(axis=1)), self.forgiven()
        index = {int(segment) - 1: i for i, segment in enumerate(self.found.tolist())}
        of = {one.id: index[one.id] for one in scene.instances if one.id in index}
        return {number: bool(right[i]) for number, i in of.items() if right[i] or not forgiven[i]}

    def _matches(self) -> tuple[npt.NDArray[np.bool_], Counts]:
        """Which segments match, (found, true), and the pixels of their unions without void ones."""
        found, truth = _class_of(self.found), _class_of(self.truth)
        size = (self.pixels.sum(axis=1) - self.void)[:, None]
        union = size + self.pixels.sum(axis=0) - self.pixels
        return (found[:, None] == truth) & (found[:, None] >= 0) & (2 * self.pixels > union), union


def _segment(number: Any) -> Any:
    """A segment's number: class id × 1000 + k, k 0 for stuff, and one more: 0 is none."""
    return np.asarray(number, np.int32) + 1


def _class_of(segments: npt.NDArray[np.int32]) -> Counts:
    return np.where(segments > 0, (segments - 1) // 1000, -1)


def _compact(
    segments: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """The segments of a map, in order, and the map of their positions in that list."""
    values = np.flatnonzero(np.bincount(segments.ravel())).astype(np.int32)
    position = np.zeros(int(values[-1]) + 1, np.intp)
    position[values] = np.arange(len(values))
    return values, position[segments]
