"""Lane boundaries as ribbons that narrow with the distance, like the paint that they follow."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.overlay.strokes import SHIFT, fill
from perception.overlay.style import AMBER, GREEN, GREY, Colour, line_width
from perception.pixels import Pixels
from perception.scene import Lane, Scene

DASHES = {"solid": (1, 1), "dashed": (8, 16)}  # drawn, and drawn and left out, in widths of the ribbon
DOTS = (2, 6)  # of other kinds
STEP = 2  # fine lines along the boundary from one corner of a ribbon to the next
NEAR, FAR = 3.5, 1.0  # widths of the ribbon in fine lines
FAINT = 0.4  # the share of grey in a boundary of no confidence


@dataclass(frozen=True)
class LaneBoundaries:
    """Each boundary: solid, dashed, or dotted where its kind is unknown. The less sure, the greyer.

    It is left out where a road user hides it. `ego_colour` is that of the ego lane's boundaries.
    """

    colour: Colour = AMBER
    ego_colour: Colour = GREEN

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        top = min((float(lane.points[:, 1].min()) for lane in scene.lanes if len(lane.points)), default=0.0)
        for lane in scene.lanes:
            ribbons = _ribbons(lane, scene.instance_map, top, line_width(picture))
            sure = np.array(self.colour if lane.side is None else self.ego_colour)
            grey = FAINT * (1 - lane.confidence)
            blue, green, red = np.rint((1 - grey) * sure + grey * np.array(GREY)).astype(int).tolist()
            fill(picture, ribbons, (blue, green, red))


def _ribbons(
    lane: Lane, instance_map: npt.NDArray[np.uint16], top: float, line: float
) -> list[npt.NDArray[np.int32]]:
    """Polygons of the visible parts of a boundary; `top` is the row of the farthest end of any boundary."""
    height, width = instance_map.shape
    x, y = lane.points.T.astype(np.float64)
    length = np.append(0.0, np.cumsum(np.hypot(x[1:] - x[:-1], y[1:] - y[:-1])))
    if length[-1] < line:
        return []
    count = 2 + int(length[-1] / (STEP * line))
    at = np.linspace(0, length[-1], count)
    x, y = np.interp(at, length, x), np.interp(at, length, y)
    wide = line * (FAR + (NEAR - FAR) * np.clip((y - top) / max(height - top, 1), 0, 1))
    # Counted along the boundary in its own widths, dashes shorten with the distance as paint does.
    along = np.cumsum(at[1] / wide) - at[1] / wide[0]
    column, row = (np.clip(np.rint(v), 0, size - 1).astype(int) for v, size in ((x, width), (y, height)))
    drawn, period = DASHES.get(lane.kind, DOTS)
    shown = np.zeros(count + 2, np.bool_)
    shown[1:-1] = (along % period < drawn) & (instance_map[row, column] == 0)
    turns = np.flatnonzero(shown[1:] != shown[:-1])

    onwards = np.minimum(np.arange(count), count - 2)  # the last point looks where the one before it does
    ahead_x, ahead_y = (x[1:] - x[:-1])[onwards], (y[1:] - y[:-1])[onwards]
    half = wide / 2 / np.maximum(np.hypot(ahead_x, ahead_y), 1e-9)
    across_x, across_y = -half * ahead_y, half * ahead_x
    edges = np.array([[x - across_x, y - across_y], [x + across_x, y + across_y]])
    left, right = np.rint(edges * (1 << SHIFT)).astype(np.int32).transpose(0, 2, 1)
    spans = zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True)
    return [np.concatenate([left[a : b + 1], right[a : b + 1][::-1]]) for a, b in spans]
