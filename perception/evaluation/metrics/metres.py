"""How right metres are, on simulated drives: the ego lane, distances by range, times to collision."""

from collections.abc import Iterable, Sequence

import numpy as np

from perception.scene import Instance, Road, Scene
from perception.simulation.metres import TruePlace, TrueRoad
from perception.tracking.assignment import assign, box_iou

RANGES = (3.0, 10.0), (10.0, 20.0), (20.0, 40.0), (40.0, 70.0)  # metres
LEAST_IOU = 0.5  # of a true box and a found one that may be the same
TTC_S = 0.5, 10.0  # what comes nearer; what takes longer is steady traffic
ALARM_S = 3.0
WITHIN = 2.0  # deviations


class MetresScore:
    """Errors of the frames so far."""

    def __init__(self) -> None:
        self._frames = self._lanes = 0
        self._offsets: list[float] = []
        self._curvatures: list[float] = []
        self._headings: list[float] = []
        # Of matched road users: true metres, those found (NaN: none), their deviation; the same of seconds.
        self._places: list[tuple[float, float, float]] = []
        self._times: list[tuple[float, float, float]] = []

    def add(
        self, scene: Scene, road: TrueRoad, places: dict[int, TruePlace], truth: Sequence[Instance]
    ) -> None:
        """Count one frame; `truth` are the road users that it shows, by ids of `places`."""
        self._frames += 1
        if scene.road is not None:
            self._add_road(scene.road, road)
        iou = box_iou(_boxes(truth), _boxes(scene.instances))
        kinds = [np.array([one.class_id for one in some]) for some in (truth, scene.instances)]
        iou *= (iou >= LEAST_IOU) & (kinds[0][:, None] == kinds[1])
        for t, f in zip(*assign(iou), strict=True):
            place, found = places.get(truth[t].id), scene.instances[f]
            if place is not None:
                self._places.append((place.distance_m, *_known(found.distance_m, found.distance_sd_m)))
                if found.track is not None:
                    self._times.append((place.ttc_s, *_known(found.ttc_s, found.ttc_sd_s)))

    def _add_road(self, found: Road, true: TrueRoad) -> None:
        self._lanes += 1
        if found.offset_m is not None and true.offset_m is not None:
            self._offsets.append(abs(found.offset_m - true.offset_m))
        if found.curvature_per_m is not None:
            self._curvatures.append(abs(found.curvature_per_m - true.curvature_per_m))
        if found.heading_rad is not None:
            self._headings.append(abs(found.heading_rad - true.heading_rad))

    def figures(self) -> dict[str, dict[str, float]]:
        """By what they are of; empty where nothing was in metres."""
        rows: dict[str, dict[str, float]] = {}
        if self._offsets:
            rows["ego lane"] = {
                "offset, m": float(np.median(self._offsets)),
                "offset p90, m": float(np.quantile(self._offsets, 0.9)),
                "heading, mrad": 1000 * float(np.median(self._headings)),
                "known": self._lanes / self._frames,
            }
        if self._curvatures:
            rows["bend"] = {
                "curvature, 1/km": 1000 * float(np.median(self._curvatures)),
                "known": len(self._curvatures) / self._frames,
            }
        if any(not np.isnan(found) for _, found, _ in self._places):
            for least, most in RANGES:
                within = [one for one in self._places if least < one[0] <= most]
                rows |= _errors(f"{least:g} to {most:g} m", within)
        if any(not np.isnan(found) for _, found, _ in self._times):
            rows |= _errors("time to collision", (one for one in self._times if TTC_S[0] < one[0] < TTC_S[1]))
            steady = [found for true, found, _ in self._times if true >= TTC_S[1]]
            if steady:
                alarms = np.array(steady) < ALARM_S
                rows["steady traffic"] = {"% said to be < 3 s": 100 * float(alarms.mean())}
        return rows


def _errors(name: str, of: Iterable[tuple[float, float, float]]) -> dict[str, dict[str, float]]:
    true, found, sd = np.array(list(of)).reshape(-1, 3).T
    known = ~np.isnan(found)
    if not known.any():
        return {}
    off = np.abs(found - true)[known]
    return {
        name: {
            "error, %": 100 * float(np.median(off / true[known])),
            "within 2 sd": float((off < WITHIN * sd[known]).mean()),
            "known": float(known.mean()),
        }
    }


def _known(value: float | None, sd: float | None) -> tuple[float, float]:
    return (np.nan, np.nan) if value is None or sd is None else (value, sd)


def _boxes(some: Sequence[Instance]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([one.box for one in some], np.float64).reshape(-1, 4)
