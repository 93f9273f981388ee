"""Lane boundaries of a straight road, under a camera that moves as a test says."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.scene import Lane, Scene, Side
from perception.tracking.lanes import LaneTracker

HEIGHT, WIDTH = 360, 640
HORIZON, CAMERA = 150.0, 1.4
PAINT, ROAD = DRIVE.id("lane_marking"), DRIVE.id("road")
INSTANCES = np.zeros((HEIGHT, WIDTH), np.uint16)
ALL_PAINT = np.full((HEIGHT, WIDTH), PAINT, np.uint8)
SPACING = 3.5  # metres


def line(
    right: float,
    nod: float = 0.0,
    near: float = HEIGHT - 2,
    confidence: float = 0.6,
    kind: str = "solid",
    side: Side | None = None,
) -> Lane:
    """A straight boundary so many metres to the right of the camera, which nods by so many rows."""
    y = np.arange(near, HORIZON + 20, -4.0)
    x = WIDTH / 2 + right * (y - HORIZON - nod) / CAMERA
    inside = (x >= 0) & (x < WIDTH)
    return Lane(np.stack([x, y], 1)[inside].astype(np.float32), kind, confidence, side)


def ego_lines(aside: float = 0.0, nod: float = 0.0) -> list[Lane]:
    """The boundaries of three lanes, with the sides of the one that the camera is in."""
    offsets = [k * SPACING - SPACING / 2 - aside for k in range(-1, 3)]
    left, right = max(d for d in offsets if d < 0), min(d for d in offsets if d >= 0)
    sides: dict[float, Side] = {left: "left", right: "right"}
    return [line(d, nod, side=sides.get(d)) for d in offsets]


def scene(seconds: float, lanes: Iterable[Lane], labels: npt.NDArray[np.uint8] = ALL_PAINT) -> Scene:
    return Scene(0, round(seconds * 1e9), 0, "", "front", labels, INSTANCES, lanes=tuple(lanes))


def tracked(tracker: LaneTracker, seconds: float, lanes: Iterable[Lane]) -> tuple[Lane, ...]:
    return tracker.update(scene(seconds, lanes)).lanes


def off(found: Lane, true: Lane) -> float:
    """The mean horizontal distance in common rows, in px."""
    x, y = found.points.T.astype(float)
    true_x, true_y = true.points[::-1].T.astype(float)
    return float(np.nanmean(np.abs(x - np.interp(y, true_y, true_x, left=np.nan, right=np.nan))))


def lane_change(seconds: float) -> float:
    """Metres to the right: one lane within three seconds."""
    s = np.clip((seconds - 0.5) / 3.0, 0, 1)
    return float(SPACING * s**2 * (3 - 2 * s))
