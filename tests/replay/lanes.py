"""Lane boundaries compared with those of a reference, and the area between those of the ego lane."""

from collections.abc import Iterator
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from tests.replay.pairs import pair_up
from tests.replay.recording import STEP

SAME_LANE_PX = 20.0  # farther apart sideways, in the median over their common rows, they are two lanes
Lane = dict[str, Any]


class LaneTolerance(Protocol):
    """See `Tolerance`."""

    @property
    def points(self) -> float: ...
    @property
    def reach(self) -> float: ...
    @property
    def score(self) -> float: ...
    @property
    def faint_lane(self) -> float: ...


def lane_differences(
    found: list[Lane], reference: list[Lane], tolerance: LaneTolerance
) -> Iterator[tuple[str, object, object, str]]:
    """Field, value, reference and tolerance of each difference."""
    pairs, extra, missing = pair_up(found, reference, _median_apart, SAME_LANE_PX)
    rule = f"those on {tolerance.faint_lane} rows or more must be in both"
    yield from (("lanes", _name(one), "none", rule) for one in extra if _rows(one) >= tolerance.faint_lane)
    yield from (("lanes", "none", _name(one), rule) for one in missing if _rows(one) >= tolerance.faint_lane)
    for lane, wanted in pairs:
        name = _name(wanted)
        for field in ("kind", "side"):
            if lane[field] != wanted[field]:
                yield f"{field} of {name}", lane[field], wanted[field], "must be equal"
        if abs(lane["confidence"] - wanted["confidence"]) > tolerance.score:
            values = lane["confidence"], wanted["confidence"]
            yield f"confidence of {name}", *values, f"within {tolerance.score}"
        apart, row = max(zip(*_apart(lane, wanted), strict=True))
        if apart > tolerance.points:
            yield (
                f"points of {name}",
                f"{apart:.2f} px away at row {row:.0f}",
                0,
                f"within {tolerance.points} px",
            )
        ends, wanted_ends = (tuple(one["points"][end][1] for end in (0, -1)) for one in (lane, wanted))
        if np.abs(np.subtract(ends, wanted_ends)).max() > tolerance.reach:
            yield f"reach of {name}", ends, wanted_ends, f"rows within {tolerance.reach} px"


def ego_lane_iou(found: list[list[float]], reference: list[list[float]], size: tuple[int, ...]) -> float:
    """IoU of two polygons in px of the frame, on a canvas of the stored size."""
    masks = []
    for corners in (found, reference):
        mask: npt.NDArray[np.uint8] = np.zeros(size, np.uint8)
        cv2.fillPoly(mask, [np.rint(np.array(corners) / STEP).astype(np.int32)], 1)
        masks.append(mask.astype(bool))
    union = np.count_nonzero(masks[0] | masks[1])
    return np.count_nonzero(masks[0] & masks[1]) / union if union else 1.0


def _median_apart(a: Lane, b: Lane) -> float:
    return float(np.median(_apart(a, b)[0]))


def _apart(a: Lane, b: Lane) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sideways distance in px at each row that both reach, and the rows; infinite where there is none."""
    points = [np.array(lane["points"])[::-1] for lane in (a, b)]  # from far to near: rows ascend
    top, bottom = max(one[0, 1] for one in points), min(one[-1, 1] for one in points)
    if top > bottom:
        return np.array([np.inf]), np.array([top])
    rows = np.arange(np.ceil(top), np.floor(bottom) + 1)
    x, other = (np.interp(rows, one[:, 1], one[:, 0]) for one in points)
    return np.abs(x - other), rows


def _rows(lane: Lane) -> float:
    return float(lane["points"][0][1] - lane["points"][-1][1])


def _name(lane: Lane) -> str:
    return f"{lane['side'] or 'further'} {lane['kind']} lane from {lane['points'][0]} to {lane['points'][-1]}"
