"""Scenes in metres: where a calibrated camera's lanes and road users are on the road."""

from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np

from perception.classes import DRIVE, ClassSet
from perception.errors import ConfigError
from perception.geometry.calibration_file import Calibration
from perception.geometry.distances import DistanceFilter
from perception.geometry.eye import Eye
from perception.geometry.road import RoadFilter, Seen
from perception.geometry.verges import VergeFinder
from perception.scene import Instance, Lane, Road, Scene
from perception.scene_items import BORDER_PX
from perception.types import Bools, Doubles

# Deviations in pixels of a frame 720 high: of a boundary where its paint is seen; between its dashes, where
# it is only drawn, and counts for little; of the end of the road; and of a foot.
PAINT_PX, DRAWN_PX, VERGE_PX, FOOT_PX = 1.5, 12.0, 10.0, 2.0
FAINTEST = 0.1  # confidence of a boundary; what is less sure is not noisier
ASIDE = 4 / 1280  # of the width, from a boundary to its paint
NEAR_M = 25.0  # within which a boundary must be seen, and run alongside the others
UNPAINTED, STRAYS = 0.04, 0.7  # share of its points with paint, and deviations, beyond which it is a guess
WIDTHS_M = 2.0, 5.0  # of a lane
OUTLINE = 0.02  # deviation of a foot, in heights of the outline
# Share of a foot's width that another one hides; heights of the frame by which that one is nearer.
HIDES, NEARER = 0.25, 0.01
# Classes that hide a foot where they are seen right below it: a wall or a rail between two carriageways.
HIDING = "building", "pole", "traffic_sign", "fence"
BELOW = 0.005  # heights of the frame
MOST_SD = 0.45  # of a distance, in shares of it: what is less sure is not known


class Locator:
    """Puts lanes, road and road users of one camera's scenes in metres, in the order of their stamps.

    It comes after the trackers. The same scenes give the same metres.

    Args:
        calibration: with a mount; a lens alone says nothing in metres.

    Raises:
        ConfigError: the lens is none that is known, or there is no mount.
    """

    def __init__(self, calibration: Calibration, classes: ClassSet = DRIVE) -> None:
        if calibration.mount is None:
            raise ConfigError(f"calibration {calibration.name}: has no mount; metres need one")
        self.calibration, self.mount = calibration, calibration.mount
        self._paint = classes.id("lane_marking") if "lane_marking" in classes.names else -1  # no pixel's
        self._hides = np.zeros(256, bool)  # by class id
        self._hides[[number for number, name in enumerate(classes.names) if name in HIDING]] = True
        self._road = RoadFilter(self.mount)
        self._distances = DistanceFilter()
        self._verges = VergeFinder(classes)
        self._eye = Eye(calibration, self.mount)
        self._stamp_ns = self._recording = 0

    def update(self, scene: Scene) -> Scene:
        """The scene with `Lane.metres`, `Scene.road` and distances, as far as they are known.

        Another `Scene.recording`, a stamp before the last one, or another size of the frame is the beginning
        of another recording.

        Raises:
            ConfigError: the scene is of another aspect than the calibration.
        """
        height, width = scene.size
        other = (height, width) != (self._eye.height, self._eye.width)
        if other:
            self._eye = Eye(self.calibration.of_size(width, height), self.mount)
        if other or scene.recording != self._recording or scene.stamp_ns < self._stamp_ns:
            self._road.reset()
            self._distances.reset()
            self._stamp_ns = scene.stamp_ns
        seconds = (scene.stamp_ns - self._stamp_ns) / 1e9
        self._stamp_ns, self._recording = scene.stamp_ns, scene.recording
        boxes = np.array([one.box for one in scene.instances]).reshape(-1, 4)
        feet = np.stack([(boxes[:, 0] + boxes[:, 2] - 1) / 2, boxes[:, 3] - 0.5], 1)
        bounded = {"left", "right"} <= {one.side for one in scene.lanes}  # then its paint tells more
        verges = [] if bounded else [one for one in self._verges.find(scene) if len(one)]
        # One look at all: a call for each costs more than what it looks at.
        pixels = np.concatenate([feet, *(lane.points for lane in scene.lanes), *verges])
        slopes = np.stack(self._eye.look(pixels))
        beside = [len(one) for one in verges]
        lanes, road = self._locate_lanes(scene, pixels[len(feet) :], slopes[:, len(feet) :], beside, seconds)
        instances = self._locate_instances(scene, boxes, slopes[:, : len(feet)])
        return scene.evolve(lanes=lanes, road=road, instances=instances)

    def _locate_lanes(
        self, scene: Scene, pixels: Doubles, slopes: Doubles, verges: list[int], seconds: float
    ) -> tuple[tuple[Lane, ...], Road | None]:
        """Lanes and road, from the points of the lanes and then of the verges, which have so many each."""
        counts = [len(lane.points) for lane in scene.lanes] + verges
        number = np.repeat(np.arange(len(counts)), counts)
        sure = np.array([max(lane.confidence, FAINTEST) for lane in scene.lanes] + [1.0] * len(verges))
        of_lanes = number < len(scene.lanes)
        painted = self._painted(scene, pixels)
        noise = np.where(of_lanes, np.where(painted, PAINT_PX, DRAWN_PX), VERGE_PX) / np.sqrt(sure[number])
        seen = Seen(slopes[0], slopes[1], number, self._eye.pixel * noise)
        self._road.update(seen, len(counts), seconds)
        fit = self._fit(seen, painted | ~of_lanes, len(counts))
        sides = {lane.side: k for k, lane in enumerate(scene.lanes) if lane.side}
        # One boundary shows no nod; and what is none would show a wrong one.
        road, reject = None, bool(fit.sum() < 2)
        if len(sides) == 2 and fit[list(sides.values())].all():
            road = self._road.lane(sides["left"], sides["right"])
            if not WIDTHS_M[0] < (road.width_m or 0) < WIDTHS_M[1]:
                road, reject = None, True
        if reject:
            self._road.reject()
        metres, metres_sd = self._road.place(seen.aside, seen.down, self._eye.pixel * PAINT_PX)
        own, sd = metres.astype(np.float32), metres_sd.astype(np.float32)
        bounds = pairwise(accumulate(counts, initial=0))
        lanes = (
            replace(lane, metres=own[first:last], metres_sd=sd[first:last])
            for lane, (first, last) in zip(scene.lanes, bounds, strict=False)  # verges have none
        )
        return tuple(lanes), road

    def _fit(self, seen: Seen, shown: Bools, count: int) -> Bools:
        """Which boundaries are seen near the car, and run alongside all others there."""
        near = seen.down > self.mount.height / NEAR_M
        lane, squares = seen.lane[near], self._road.misfits(seen)[near] ** 2
        points, shows, strays = (
            np.bincount(lane, weight, count) for weight in (np.ones(len(lane)), shown[near], squares)
        )
        return np.asarray((shows > UNPAINTED * points) & (strays <= STRAYS**2 * points))

    def _painted(self, scene: Scene, pixels: Doubles) -> Bools:
        """Whether there is paint at points of boundaries."""
        height, width = scene.size
        columns = np.rint(pixels[:, :1] + np.array([-1, 0, 1]) * ASIDE * width)
        rows = np.rint(pixels[:, 1:])
        at = (np.clip(side, 0, size - 1).astype(np.intp) for side, size in ((rows, height), (columns, width)))
        return np.asarray((scene.labels[tuple(at)] == self._paint).any(1))

    def _locate_instances(self, scene: Scene, boxes: Doubles, slopes: Doubles) -> tuple[Instance, ...]:
        (aside, down), tall = slopes, boxes[:, 3] - boxes[:, 1]
        pixel = self._eye.pixel * np.hypot(FOOT_PX, OUTLINE * tall)
        ahead, foot_sd, road_sd = self._road.reach(down, pixel)
        share = np.hypot(foot_sd, road_sd)
        known = ~_hidden(boxes, scene) & ~self._behind(boxes, scene) & (share < MOST_SD)
        ids = np.array([one.track or 0 for one in scene.instances])
        of = known & (ids > 0)
        ahead[of], share[of] = self._distances.update(ids[of], ahead[of], share[of], scene.stamp_ns)
        metres = np.stack([ahead, ahead * aside], 1)
        metres_sd = self._road.deviations(metres, share, pixel)
        rows = np.stack([metres, metres_sd], 2).reshape(-1, 4).tolist()
        return tuple(
            replace(one, distance_m=x, distance_sd_m=x_sd, lateral_m=y, lateral_sd_m=y_sd) if seen else one
            for one, (x, x_sd, y, y_sd), seen in zip(scene.instances, rows, known.tolist(), strict=True)
        )

    def _behind(self, boxes: Doubles, scene: Scene) -> Bools:
        """Which feet a wall, a rail or the like next to the road hides."""
        height, width = scene.size
        x0, _, x1, y1 = boxes.T
        columns = x0 + (x1 - x0) * np.array([[0.25], [0.5], [0.75]])
        at = (
            np.clip(side, 0, size - 1).astype(np.intp)
            for side, size in ((y1 + BELOW * height, height), (columns, width))
        )
        below = scene.labels[tuple(at)]
        return np.asarray(self._hides[below].sum(0) >= 2)


def _hidden(boxes: Doubles, scene: Scene) -> Bools:
    """Which are cut by the frame or the own car, or have a foot behind a nearer road user."""
    height, width = scene.size
    x0, y0, x1, y1 = boxes.T
    cut = (y1 > height - BORDER_PX) | (x0 < BORDER_PX) | (x1 > width - BORDER_PX)
    if scene.ego_mask is not None:
        rows, columns = np.clip(y1 + 1, 0, height - 1), np.clip((x0 + x1) / 2, 0, width - 1)
        cut |= scene.ego_mask[rows.astype(np.intp), columns.astype(np.intp)]
    covers = (y1 > y1[:, None] + NEARER * height) & (y0 < y1[:, None])
    common = np.minimum(x1, x1[:, None]) - np.maximum(x0, x0[:, None])
    return np.asarray(cut | (covers & (common > HIDES * (x1 - x0)[:, None])).any(1))
