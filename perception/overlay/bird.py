"""The scene from above, in metres: lanes, road users, and the own car."""

from math import inf

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ANY_SIZE_M, SIZES_M, ClassSet
from perception.overlay.status import StatusLine
from perception.overlay.style import AMBER, GREEN, GREY, RED, WHITE, Colour, text_height, text_width, write
from perception.scene import Instance, Lane, Road, Scene
from perception.scene_items import MOST_BEND_SD
from perception.types import Doubles, Image

AHEAD, BEHIND, ASIDE = 60.0, 6.0, 12.0  # metres that are shown
GRID, LABELLED = 5, 10  # metres between lines, and between those with numbers
OWN_CAR = (-3.0, 1.4, 0.9)  # metres behind and ahead of the camera, and half the width
SOON_S = 6.0  # a time to collision that is shown
PATH_M = 1.8  # to each side of the way ahead: two halves of cars; what is further aside passes by
DASHES = {"solid": (AHEAD, AHEAD), "dashed": (3.0, 9.0)}  # metres of paint, and from one to the next
DOTS = (0.5, 1.5)  # of other kinds
STEP = 0.5  # metres along a line from one corner to the next
GROUND, LINE, BRIGHT, NUMBER, CARPET = (32, 30, 28), (52, 50, 48), (80, 78, 76), (160,) * 3, (44, 66, 38)
SHIFT = 4  # bits of a pixel's fraction


def birds_eye(scene: Scene, classes: ClassSet, height: int = 720) -> Image:
    """A picture of what the scene knows in metres; what it does not know is not drawn, and is said.

    Args:
        height: of the picture; a metre is as long as fits.

    Returns:
        uint8 (height, width, 3), BGR.
    """
    canvas = _Canvas(height)
    canvas.grid()
    canvas.carpet(scene.lanes)
    for lane in scene.lanes:
        canvas.lane(lane)
    canvas.own_car()
    shown = [one for one in scene.instances if (one.distance_m or inf) <= AHEAD and one.lateral_m is not None]
    shown.sort(key=lambda one: -(one.distance_m or 0.0))
    for one in shown:
        canvas.road_user(one, classes)
    for one in shown:  # over all of them
        canvas.label(one, classes, is_soon(one, scene.road))
    canvas.words(_words(scene))
    StatusLine().draw(canvas.picture, scene, classes)
    return canvas.picture


def is_soon(one: Instance, road: Road | None) -> bool:
    """Whether a road user that is placed is reached within `SOON_S`, and is not known to pass by.

    The way ahead bends as the ego lane does, as far as that is known; without one it is straight.
    """
    if one.ttc_s is None or one.ttc_s >= SOON_S or one.distance_m is None or one.lateral_m is None:
        return False
    bend = (road and road.curvature_per_m) or 0.0
    maybe = MOST_BEND_SD if road and road.curvature_per_m is None else 0.0
    aside = abs(one.lateral_m - bend * one.distance_m**2 / 2)
    return aside - (one.lateral_sd_m or 0.0) - maybe * one.distance_m**2 / 2 < PATH_M


def width_of(height: int) -> int:
    """Of the picture, an even number."""
    return 2 * round(height * ASIDE / (AHEAD + BEHIND))


class _Canvas:
    """A picture whose places are metres ahead and to the left."""

    def __init__(self, height: int) -> None:
        self.picture = np.full((height, width_of(height), 3), GROUND, np.uint8)
        self._scale = height / (AHEAD + BEHIND)
        self._text = text_height(self.picture)

    def grid(self) -> None:
        for ahead in range(0, int(AHEAD), GRID):
            numbered = ahead % LABELLED == 0
            self._line([(ahead, ASIDE), (ahead, -ASIDE)], BRIGHT if numbered else LINE)
            if numbered and ahead:
                x, y = self._at([(ahead, ASIDE)])[0]
                write(self.picture, f"{ahead} m", (int(x), int(y) - self._text), self._text, NUMBER)
        for left in range(-GRID * int(ASIDE / GRID), int(ASIDE) + 1, GRID):
            self._line([(0, left), (AHEAD, left)], BRIGHT if left % LABELLED == 0 else LINE)

    def carpet(self, lanes: tuple[Lane, ...]) -> None:
        """The ego lane, as far as both of its boundaries are known."""
        sides = {lane.side: np.concatenate([np.empty((0, 2)), *_shown(lane)]) for lane in lanes}
        left, right = sides.get("left"), sides.get("right")
        if left is None or right is None or not (len(left) and len(right)):
            return
        near, far = max(left[0, 0], right[0, 0]), min(left[-1, 0], right[-1, 0])
        if near < far:
            edges = [_between(side, near, far) for side in (left, right)]
            self._fill(np.concatenate([edges[0], edges[1][::-1]]), CARPET)

    def lane(self, lane: Lane) -> None:
        paint, period = DASHES.get(lane.kind, DOTS)
        colour = AMBER if lane.side is None else GREEN
        for points in _shown(lane):
            along = np.append(0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
            for start in np.arange(0.0, along[-1], period):
                end = min(start + paint, along[-1])
                at = np.linspace(start, end, 2 + int((end - start) / STEP))
                dash = np.stack([np.interp(at, along, side) for side in points.T], 1)
                self._line(dash, colour, max(1, round(0.2 * self._scale)))

    def own_car(self) -> None:
        back, front, half = OWN_CAR
        self._fill(_box(back, front, -half, half), WHITE)
        self._fill(_box(back + 1.2, front - 0.9, -0.75 * half, 0.75 * half), GREY)

    def road_user(self, one: Instance, classes: ClassSet) -> None:
        assert one.distance_m is not None and one.lateral_m is not None
        length, width, _ = SIZES_M.get(classes.names[one.class_id], ANY_SIZE_M)
        red, green, blue = classes.colours[one.class_id]
        near, left = one.distance_m, one.lateral_m
        self._fill(_box(near, near + length, left - width / 2, left + width / 2), (blue, green, red), WHITE)
        if one.distance_sd_m is not None:  # its near end is in here in two of three cases
            self._line([(near - one.distance_sd_m, left), (near + one.distance_sd_m, left)], WHITE)

    def label(self, one: Instance, classes: ClassSet, soon: bool) -> None:
        assert one.distance_m is not None and one.lateral_m is not None
        _, width, _ = SIZES_M.get(classes.names[one.class_id], ANY_SIZE_M)
        text = f"{one.distance_m:.0f} m" + (f" {one.ttc_s:.1f} s" if soon else "")
        wide = text_width(text, self._text)
        (x, y), *_ = self._at([(one.distance_m, one.lateral_m - width / 2)])
        x, y = min(int(x), self.picture.shape[1] - wide), int(y) - self._text // 2
        plate = RED if soon else GROUND  # which hides no more than it must of what is under it
        cv2.rectangle(self.picture, (x, y), (x + wide, y + self._text), plate, cv2.FILLED)
        write(self.picture, text, (x, y), self._text, WHITE)

    def words(self, lines: list[str]) -> None:
        y = self.picture.shape[0] - self._text * len(lines)
        for k, text in enumerate(lines):
            write(self.picture, text, (0, y + k * self._text), self._text, WHITE)

    def _at(self, places: Doubles | list[tuple[float, float]]) -> Doubles:
        """Places (n, 2) in metres as x, y in pixels."""
        ahead, left = np.asarray(places, np.float64).T
        return np.stack([(ASIDE - left) * self._scale, (AHEAD - ahead) * self._scale], 1)

    def _fixed(self, places: Doubles | list[tuple[float, float]]) -> npt.NDArray[np.int32]:
        return np.rint(self._at(places) * (1 << SHIFT)).astype(np.int32)

    def _line(self, places: Doubles | list[tuple[float, float]], colour: Colour, width: int = 1) -> None:
        cv2.polylines(self.picture, [self._fixed(places)], False, colour, width, cv2.LINE_AA, SHIFT)

    def _fill(self, places: Doubles, colour: Colour, edge: Colour | None = None) -> None:
        corners = self._fixed(places)
        cv2.fillPoly(self.picture, [corners], colour, cv2.LINE_AA, SHIFT)
        if edge is not None:
            cv2.polylines(self.picture, [corners], True, edge, 1, cv2.LINE_AA, SHIFT)


def _shown(lane: Lane) -> list[Doubles]:
    """The stretches of a boundary that are known, as far as they are shown."""
    parts = (part[part[:, 0] < AHEAD] for part in lane.stretches)
    return [part for part in parts if len(part) > 1]


def _between(points: Doubles, near: float, far: float) -> Doubles:
    """A boundary from one distance to another."""
    ahead = np.linspace(near, far, 24)
    return np.stack([ahead, np.interp(ahead, *points.T)], 1)


def _box(back: float, front: float, right: float, left: float) -> Doubles:
    return np.array([(back, right), (front, right), (front, left), (back, left)])


def _words(scene: Scene) -> list[str]:
    """The ego lane in numbers, and what is not known."""
    if any(lane.metres is None for lane in scene.lanes):
        return ["no calibration"]
    said, road = [], scene.road
    if road is None:
        said.append("ego lane not known")
    if road is not None and road.width_m is not None:
        said.append(f"lane {road.width_m:.1f} m wide")
    if road is not None and road.offset_m is not None:
        said.append(f"{abs(road.offset_m):.2f} m {'left' if road.offset_m >= 0 else 'right'} of its middle")
    unplaced = sum(one.distance_m is None for one in scene.instances)
    if unplaced:
        said.append(f"{unplaced} road user{'s' if unplaced > 1 else ''} not placed")
    return said
