"""Lane boundaries as ribbons that narrow with the distance, like the paint that they follow."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.overlay.style import AMBER, GREEN, GREY, Colour, Image, line_width
from perception.scene import Lane, Scene

Floats = npt.NDArray[np.float64]

DASHES = {"solid": (1, 1), "dashed": (8, 16)}  # drawn, and drawn and left out, in widths of the ribbon
DOTS = (2, 6)  # of other kinds
STEP = 2  # fine lines along the boundary from one corner of a ribbon to the next
NEAR, FAR = 3.5, 1.0  # widths of the ribbon in fine lines
FAINT = 0.4  # the share of grey in a boundary of no confidence
SHIFT = 4  # bits of a pixel's fraction in OpenCV's fixed point


@dataclass(frozen=True)
class LaneBoundaries:
    """Each boundary: solid, dashed, or dotted where its kind is unknown. The less sure, the greyer.

    It is left out where a road user hides it. `ego_colour` is that of the ego lane's boundaries.
    """

    colour: Colour = AMBER
    ego_colour: Colour = GREEN

    def draw(self, picture: Image, scene: Scene, classes: ClassSet) -> None:
        top = min((float(lane.points[:, 1].min()) for lane in scene.lanes if len(lane.points)), default=0.0)
        for lane in scene.lanes:
            ribbons = _ribbons(lane, scene.instance_map, top, line_width(picture))
            sure = np.array(self.colour if lane.side is None else self.ego_colour)
            grey = FAINT * (1 - lane.confidence)
            colour = (1 - grey) * sure + grey * np.array(GREY)
            cv2.fillPoly(picture, ribbons, colour.tolist(), cv2.LINE_AA, SHIFT)


def _ribbons(
    lane: Lane, instance_map: npt.NDArray[np.uint16], top: float, line: float
) -> list[npt.NDArray[np.int32]]:
    """Polygons of what is to be seen of a boundary; `top` is the row of the farthest end of any."""
    height, width = instance_map.shape
    x, y = lane.points.T.astype(np.float64)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    if length[-1] < line:
        return []
    at = np.linspace(0, length[-1], 2 + int(length[-1] / (STEP * line)))
    x, y = np.interp(at, length, x), np.interp(at, length, y)
    wide = line * (FAR + (NEAR - FAR) * np.clip((y - top) / max(height - top, 1), 0, 1))
    # Counted along the boundary in its own widths, dashes shorten with the distance as paint does.
    along = np.concatenate([[0.0], np.cumsum(np.diff(at) / wide[1:])])
    column, row = (np.clip(np.rint(v), 0, size - 1).astype(int) for v, size in ((x, width), (y, height)))
    drawn, period = DASHES.get(lane.kind, DOTS)
    shown = (along % period < drawn) & (instance_map[row, column] == 0)

    centre = np.stack([x, y], axis=1)
    ahead = np.diff(centre, axis=0)
    ahead = np.concatenate([ahead, ahead[-1:]])
    across = ahead[:, ::-1] * (-1, 1) * (wide / 2 / np.maximum(np.hypot(*ahead.T), 1e-9))[:, None]
    edges = np.rint(np.stack([centre - across, centre + across]) * (1 << SHIFT)).astype(np.int32)
    turns = np.flatnonzero(np.diff(shown, prepend=False, append=False))
    runs = zip(turns[::2], turns[1::2], strict=True)
    return [np.concatenate([edges[0, a : b + 1], edges[1, a : b + 1][::-1]]) for a, b in runs]
