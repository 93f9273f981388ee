"""One frame as two runs have it: where labels, road users, lanes and statuses differ."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.app.diff.run import Maps, Run, name_of
from perception.errors import DataError
from perception.evaluation.metrics.lanes import pair_lanes
from perception.interchange.files.records import InstanceRecord, LaneRecord, SceneRecord
from perception.scene import Lane

MATCHED = (
    0.5  # IoU from which on two masks are of one road user; as masks do not overlap, each has one partner
)
# What differs from run to run, names files, or is known of one of a drive's copies alone.
_OF_THE_RUN = {"age_ms", "timings_ms", "stem", "wall_ns"}
# Compared where both runs had a calibration.
_PLACES = ("distance_m", "distance_sd_m", "lateral_m", "lateral_sd_m")
_METRES: dict[str, Any] = {
    "road": True,
    "lanes": {"__all__": {"metres", "metres_sd"}},
    "instances": {"__all__": set(_PLACES)},
}


@dataclass(frozen=True, slots=True)
class Labels:
    """Pixels of each class id: in both, in A, in B."""

    pixels: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)

    def __add__(self, other: "Labels") -> "Labels":
        none = 0, 0, 0
        ids = self.pixels.keys() | other.pixels.keys()
        pairs = {one: (self.pixels.get(one, none), other.pixels.get(one, none)) for one in sorted(ids)}
        return Labels({one: (a[0] + b[0], a[1] + b[1], a[2] + b[2]) for one, (a, b) in pairs.items()})

    @property
    def agreement(self) -> float:
        """Share of equal pixels; 1 where there are none."""
        pixels = sum(a for _, a, _ in self.pixels.values())
        return sum(both for both, *_ in self.pixels.values()) / pixels if pixels else 1.0

    @property
    def iou(self) -> dict[int, float]:
        """Of each class that either has."""
        return {one: both / (a + b - both) for one, (both, a, b) in self.pixels.items()}


@dataclass(frozen=True, slots=True)
class Matches:
    """Road users, or lane boundaries, of A and of B.

    Attributes:
        matched: pairs; `changed` of them are of different classes.
        only_a, only_b: without a partner.
        nearness: sum over the pairs: IoUs of road users, mean distances of boundaries in px.
        score_difference: sum over the pairs, absolute.
        placed: pairs that both runs have in metres; `metres` is the sum of how far they are apart: of road
            users in the plane, of boundaries to the side.
    """

    matched: int = 0
    only_a: int = 0
    only_b: int = 0
    changed: int = 0
    nearness: float = 0.0
    score_difference: float = 0.0
    placed: int = 0
    metres: float = 0.0

    def __add__(self, other: "Matches") -> "Matches":
        return Matches(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    @property
    def agreement(self) -> float:
        """Share of all that have a partner of the same class; 1 where there are none."""
        everything = 2 * self.matched + self.only_a + self.only_b
        return 2 * (self.matched - self.changed) / everything if everything else 1.0

    def mean(self, total: float) -> float | None:
        """Of a sum over the pairs; None without any."""
        return total / self.matched if self.matched else None


@dataclass(frozen=True, slots=True)
class FrameDifference:
    """What differs in one frame.

    Attributes:
        stem: the frame's name in A.
        statuses: in A and in B.
        identical: maps and lines are equal, but for ages and timings.
        labels: None where neither run has maps.
    """

    stem: str
    statuses: tuple[str, str]
    identical: bool
    labels: Labels | None
    instances: Matches
    lanes: Matches

    @property
    def agreement(self) -> float:
        """The least of labels, road users and lanes."""
        labels = 1.0 if self.labels is None else self.labels.agreement
        return min(labels, self.instances.agreement, self.lanes.agreement)


def compare(a: Run, b: Run, in_a: SceneRecord, in_b: SceneRecord) -> FrameDifference:
    """Compare a frame.

    Raises:
        DataError: maps cannot be read, are of different sizes, or only one run has them.
    """
    name, maps_a, maps_b = name_of(in_a), a.maps(in_a), b.maps(in_b)
    known = all(map(_has_metres, (in_a, in_b)))
    excluded = dict.fromkeys(_OF_THE_RUN, True) | ({} if known else _METRES)
    lines = [one.model_dump(exclude=excluded) for one in (in_a, in_b)]
    statuses = str(in_a.status), str(in_b.status)
    alike = lines[0] == lines[1] and _same(a.pictures(in_a), b.pictures(in_b))
    if maps_a is None and maps_b is None:
        return FrameDifference(name, statuses, alike, None, Matches(), Matches())
    if maps_a is None or maps_b is None:
        raise DataError(f"frame {name}: only one of the runs has label maps; compare runs that both have")
    if maps_a.labels.shape != maps_b.labels.shape:
        sizes = " and ".join("×".join(map(str, one.labels.shape[::-1])) for one in (maps_a, maps_b))
        raise DataError(f"frame {name}: of {sizes} pixels; compare runs on the same frames")
    same = np.array_equal(maps_a.labels, maps_b.labels) and np.array_equal(maps_a.instances, maps_b.instances)
    return FrameDifference(
        name,
        statuses,
        same and alike,
        _labels(maps_a, maps_b),
        _instances(in_a, in_b, maps_a, maps_b),
        _lanes(in_a, in_b, maps_a.labels.shape),
    )


def _same(a: Mapping[str, npt.NDArray[Any]], b: Mapping[str, npt.NDArray[Any]]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def _labels(a: Maps, b: Maps) -> Labels:
    equal = a.labels[a.labels == b.labels]
    counts = np.stack([np.bincount(ids.ravel(), minlength=256) for ids in (equal, a.labels, b.labels)])
    return Labels({int(one): tuple(counts[:, one].tolist()) for one in np.flatnonzero(counts.any(0))})


def matches(a: npt.NDArray[np.uint16], b: npt.NDArray[np.uint16]) -> list[tuple[int, int, float]]:
    """The ids of two instance maps (h, w) that are of one road user, with their IoUs, `MATCHED` or more."""
    sizes_a, sizes_b = (np.bincount(ids.ravel(), minlength=1 << 16) for ids in (a, b))
    there = (a > 0) & (b > 0)
    codes, overlaps = np.unique(a[there].astype(np.uint32) << 16 | b[there], return_counts=True)
    pairs = [
        (code >> 16, code & 0xFFFF, both / int(sizes_a[code >> 16] + sizes_b[code & 0xFFFF] - both))
        for code, both in zip(codes.tolist(), overlaps.tolist(), strict=True)
    ]
    found: list[tuple[int, int, float]] = []
    for one, other, iou in sorted(pairs, key=lambda pair: -pair[2]):  # of exactly half, two may have the same
        if iou >= MATCHED and all(one != i and other != k for i, k, _ in found):
            found.append((one, other, iou))
    return found


def _instances(in_a: SceneRecord, in_b: SceneRecord, a: Maps, b: Maps) -> Matches:
    of_a, of_b = ({one.id: one for one in scene.instances} for scene in (in_a, in_b))
    pairs = matches(a.instances, b.instances)
    places = ((_place(of_a[i]), _place(of_b[k])) for i, k, _ in pairs)
    apart = [math.dist(one, other) for one, other in places if one and other]
    return Matches(
        len(pairs),
        len(of_a) - len(pairs),
        len(of_b) - len(pairs),
        sum(of_a[one].class_id != of_b[other].class_id for one, other, _ in pairs),
        sum(iou for *_, iou in pairs),
        sum(abs(of_a[one].score - of_b[other].score) for one, other, _ in pairs),
        len(apart),
        sum(apart),
    )


def _lanes(in_a: SceneRecord, in_b: SceneRecord, size: tuple[int, int]) -> Matches:
    pairs = pair_lanes(_boundaries(in_a.lanes), _boundaries(in_b.lanes), *size)
    asides = [_aside(in_a.lanes[i], in_b.lanes[k]) for i, k, _ in pairs]
    apart = [one for one in asides if one is not None]
    return Matches(
        len(pairs),
        len(in_a.lanes) - len(pairs),
        len(in_b.lanes) - len(pairs),
        nearness=sum(px for *_, px in pairs),
        score_difference=sum(abs(in_a.lanes[i].confidence - in_b.lanes[k].confidence) for i, k, _ in pairs),
        placed=len(apart),
        metres=sum(apart),
    )


def _place(one: InstanceRecord) -> tuple[float, float] | None:
    return None if one.distance_m is None or one.lateral_m is None else (one.distance_m, one.lateral_m)


def _has_metres(scene: SceneRecord) -> bool:
    users = any(one.distance_m is not None for one in scene.instances)
    return users or scene.road is not None or any(one.metres is not None for one in scene.lanes)


def _aside(a: LaneRecord, b: LaneRecord) -> float | None:
    """Mean metres between two boundaries to the side, over the stretch that both know; None without one."""
    sides = [np.array([point for point in one.metres or () if point], np.float64) for one in (a, b)]
    if min(map(len, sides)) < 2:
        return None
    near, far = max(one[0, 0] for one in sides), min(one[-1, 0] for one in sides)
    if near >= far:
        return None
    ahead = np.linspace(near, far, 20)
    left, other = (np.interp(ahead, *one.T) for one in sides)
    return float(np.abs(left - other).mean())


def _boundaries(records: Sequence[LaneRecord]) -> list[Lane]:
    return [Lane(np.array(one.points, np.float32), one.kind, one.confidence, one.side) for one in records]
