"""A recording compared with its reference: what differs beyond its tolerance, by drive, frame and field."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception import Bundle
from tests.replay.lanes import ego_lane_iou, lane_differences
from tests.replay.pairs import box_iou, pair_up
from tests.replay.recording import Recording

CLASSES = Bundle.load("drive").classes.names
COMMON = 0.01  # share of a frame's pixels from which on a class has an IoU worth comparing
# Known or not by a hair's breadth: on another processor they may come or go. Their values have own tests.
DISTANCES = "distance_m", "distance_sd_m", "lateral_m", "lateral_sd_m", "ttc_s", "ttc_sd_s"
METRES = {"road", "metres", "metres_sd", *DISTANCES}
FRAME_FIELDS = "sequence", "stem", "camera", "stamp_ns", "wall_ns", "status", "reasons", "left_out"


@dataclass(frozen=True)
class Tolerance:
    """What may differ; the defaults allow nothing.

    Attributes:
        labels: least share of pixels that agree.
        class_iou: least IoU of a class on at least COMMON of the frame.
        box: px, the most that a side of a box moves.
        score: the most that a score or a confidence moves.
        faint_score: instances that are less sure are not compared.
        instance_iou: least IoU of an instance's pixels, of FEWEST_PIXELS or more.
        renamed_tracks: track ids may differ where each id has one counterpart over the drive.
        points: px, the most that a lane moves sideways at any row.
        reach: px, the most that a lane's near and far end move along it.
        faint_lane: a lane on fewer rows than this, in px, may come or go.
        ego_lane: least IoU of its area.
    """

    labels: float = 1.0
    class_iou: float = 1.0
    box: float = 0.0
    score: float = 0.0
    faint_score: float = 0.0
    instance_iou: float = 1.0
    renamed_tracks: float = False
    points: float = 0.0
    reach: float = 0.0
    faint_lane: float = 0.0
    ego_lane: float = 1.0


EXACT = Tolerance()
FEWEST_PIXELS = 50  # of an instance, as stored


@dataclass(frozen=True)
class Difference:
    drive: str
    frame: int | None
    field: str
    value: object
    reference: object
    tolerance: str = "must be equal"

    def __str__(self) -> str:
        where = self.drive if self.frame is None else f"{self.drive}, frame {self.frame}"
        return f"{where}, {self.field}: {self.value}, reference {self.reference} ({self.tolerance})"


def compare(drive: str, found: Recording, reference: Recording, tolerance: Tolerance) -> list[Difference]:
    """All that differs, the summary first, then frame by frame."""
    differences = [
        Difference(drive, None, name, found.summary.get(name), value)
        for name, value in reference.summary.items()
        if found.summary.get(name) != value
    ]
    if len(found.scenes) != len(reference.scenes) or found.labels.shape != reference.labels.shape:
        shapes = [(len(one.scenes), *one.labels.shape[1:]) for one in (found, reference)]
        return [*differences, Difference(drive, None, "frames, height, width", shapes[0], shapes[1])]
    tracks = _Tracks(renamed=bool(tolerance.renamed_tracks))
    for index, (scene, expected) in enumerate(zip(found.scenes, reference.scenes, strict=True)):
        faults: list[Fault] = list(_keys(scene, expected))
        if not faults:
            maps = found.instance_map[index], reference.instance_map[index]
            faults += _equal(scene, expected)
            faults += _labels(found.labels[index], reference.labels[index], tolerance)
            faults += _instances(scene, expected, tolerance, tracks, *maps)
            faults += lane_differences(scene["lanes"], expected["lanes"], tolerance)
            faults += _ego_lane(scene, expected, tolerance, found.labels.shape[1:])
        if tolerance == EXACT and scene["digest"] != expected["digest"]:
            faults.append(("digest", scene["digest"], expected["digest"], "must be equal"))
        differences += [Difference(drive, expected["sequence"], *fault) for fault in faults]
    return differences


Fault = tuple[str, object, object, str]  # field, value, reference, tolerance


def _keys(scene: dict[str, Any], expected: dict[str, Any]) -> Iterator[Fault]:
    """Their names and their order."""
    own, wanted = (_lasting(one) for one in (scene, expected))
    if own != wanted:
        yield "keys", own, wanted, "must be equal"
        return
    for name in ("instances", "lanes"):
        keys, wanted = (
            _lasting(dict.fromkeys(key for element in one[name] for key in element))
            for one in (scene, expected)
        )
        if keys and wanted and keys != wanted:
            yield f"keys of {name}", keys, wanted, "must be equal"


def _lasting(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key not in METRES]


def _equal(scene: dict[str, Any], expected: dict[str, Any]) -> Iterator[Fault]:
    for name in FRAME_FIELDS:
        if scene[name] != expected[name]:
            yield name, scene[name], expected[name], "must be equal"
    if scene["timings_ms"] != expected["timings_ms"]:
        yield "timings_ms", scene["timings_ms"], expected["timings_ms"], "must be the same stages in order"


def _labels(
    found: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8], tolerance: Tolerance
) -> Iterator[Fault]:
    share = float((found == reference).mean())
    if share < tolerance.labels:
        yield "labels", f"{share:.2%} agree", "100%", f"at least {tolerance.labels:.2%}"
    for class_id, count in enumerate(np.bincount(reference.ravel(), minlength=256)):
        if count >= COMMON * reference.size:
            iou = mask_iou(found == class_id, reference == class_id)
            if iou < tolerance.class_iou:
                name = CLASSES[class_id] if class_id < len(CLASSES) else "unknown"
                yield f"labels of {name}", f"IoU {iou:.3f}", 1, f"at least {tolerance.class_iou}"


def mask_iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


class _Tracks:
    """Which track of the reference each track is, over a drive."""

    def __init__(self, *, renamed: bool) -> None:
        self._renamed = renamed
        self._to: dict[int, int] = {}
        self._from: dict[int, int] = {}

    def agree(self, found: int | None, reference: int | None) -> bool:
        if not self._renamed:
            return found == reference
        if found is None or reference is None:
            return True  # one frame earlier or later it is sure enough
        to, back = self._to.setdefault(found, reference), self._from.setdefault(reference, found)
        return to == reference and back == found


def _instances(
    scene: dict[str, Any],
    expected: dict[str, Any],
    tolerance: Tolerance,
    tracks: _Tracks,
    found_map: npt.NDArray[np.uint16],
    reference_map: npt.NDArray[np.uint16],
) -> Iterator[Fault]:
    found, reference = scene["instances"], expected["instances"]
    pairs, extra, missing = pair_up(found, reference, _distance, limit=1.5)
    sure = tolerance.faint_score + tolerance.score
    rule = f"those of score {sure:.2f} or more must be in both"
    yield from (("instances", _name(one), "none", rule) for one in extra if one["score"] >= sure)
    yield from (("instances", "none", _name(one), rule) for one in missing if one["score"] >= sure)
    for one, wanted in pairs:
        if wanted["score"] < tolerance.faint_score:
            continue
        name = _name(wanted)
        if one["class"] != wanted["class"]:
            yield f"class of {name}", one["class"], wanted["class"], "must be equal"
        if one["class_id"] != one["id"] // 1000 or CLASSES[one["class_id"]] != one["class"]:
            yield f"id of {name}", one["id"], wanted["id"], "class id × 1000 + k"
        moved = np.abs(np.subtract(one["box"], wanted["box"])).max()
        if moved > tolerance.box:
            yield f"box of {name}", one["box"], wanted["box"], f"each side within {tolerance.box} px"
        if abs(one["score"] - wanted["score"]) > tolerance.score:
            yield f"score of {name}", one["score"], wanted["score"], f"within {tolerance.score}"
        if not tracks.agree(one["track"], wanted["track"]):
            rule = "the same pairs over the drive" if tolerance.renamed_tracks else "must be equal"
            yield f"track of {name}", one["track"], wanted["track"], rule
        mask = reference_map == wanted["id"]
        iou = mask_iou(found_map == one["id"], mask)
        if np.count_nonzero(mask) >= FEWEST_PIXELS and iou < tolerance.instance_iou:
            yield f"pixels of {name}", f"IoU {iou:.3f}", 1, f"at least {tolerance.instance_iou}"


def _distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """0 for the same; an instance of another class is as far as one of its own class with a box elsewhere."""
    return 1 - box_iou(one["box"], other["box"]) + (0.9 if one["class"] != other["class"] else 0.0)


def _name(instance: dict[str, Any]) -> str:
    return f"{instance['class']} {instance['id']} at {instance['box']}, score {instance['score']}"


def _ego_lane(
    scene: dict[str, Any], expected: dict[str, Any], tolerance: Tolerance, size: tuple[int, ...]
) -> Iterator[Fault]:
    found, reference = scene["ego_lane"], expected["ego_lane"]
    if (found is None) != (reference is None):
        yield "ego_lane", _corners(found), _corners(reference), "in both or in none"
    elif found is not None:
        iou = 1.0 if found == reference else ego_lane_iou(found, reference, size)
        if iou < tolerance.ego_lane:
            yield "ego_lane", f"IoU {iou:.4f}", 1, f"at least {tolerance.ego_lane}"


def _corners(lane: list[list[float]] | None) -> str:
    return "none" if lane is None else f"{len(lane)} corners"
