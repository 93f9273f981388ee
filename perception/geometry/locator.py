"""Scenes in metres: where a calibrated camera's lanes and road users are on the road."""

from dataclasses import replace

import numpy as np

from perception.camera_info import Mount
from perception.classes import DRIVE, ClassSet
from perception.errors import ConfigError
from perception.geometry.calibration_file import Calibration
from perception.geometry.distances import ANY_HEIGHT, HEIGHTS, DistanceFilter, Sightings
from perception.geometry.ground import FROM_OPTICAL, rotation
from perception.geometry.lens import Lens
from perception.geometry.rays import RayTable
from perception.geometry.road import RoadFilter, Seen
from perception.scene import Instance, Lane, Road, Scene
from perception.types import Bools, Doubles

# Deviations in pixels of a frame 720 high: of a boundary where its paint is seen; between its dashes it is only
# drawn, and counts for little; of a foot, and of a height.
PAINT_PX, DRAWN_PX, FOOT_PX, TALL_PX = 1.5, 12.0, 1.5, 2.0
REFERENCE = 720
FAINTEST = 0.1  # confidence of a boundary; what is less sure is not noisier
ASIDE = 4 / 1280  # of the width, from a boundary to its paint
NEAR_M = 25.0  # within which a boundary must be painted, and run alongside the others
UNPAINTED, STRAYS = 0.04, 1.0  # share of its points with paint, and deviations, beyond which it is a guess
WIDTHS_M = 2.0, 5.0  # of a lane
BORDER_PX = 2.0  # from the frame's border, in which an outline is cut
HIDES, NEARER = 0.25, 0.01  # share of a foot's width that another one hides; height of the frame it is nearer by
MOST_SD = 0.35  # of a distance, in shares of it: what is less sure is not known


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
        named = [HEIGHTS.get(name, ANY_HEIGHT) for name in classes.names]
        self._heights, self._heights_sd = np.log([metres for metres, _ in named]), np.array([sd for _, sd in named])
        self._road = RoadFilter(self.mount)
        self._distances = DistanceFilter()
        self._eye = _Eye(calibration, self.mount)
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
            self._eye = _Eye(self.calibration.of_size(width, height), self.mount)
        if other or scene.recording != self._recording or scene.stamp_ns < self._stamp_ns:
            self._road.reset()
            self._distances.reset()
            self._stamp_ns = scene.stamp_ns
        seconds = (scene.stamp_ns - self._stamp_ns) / 1e9
        self._stamp_ns, self._recording = scene.stamp_ns, scene.recording
        lanes, road = self._locate_lanes(scene, seconds)
        return scene.evolve(lanes=lanes, road=road, instances=self._locate_instances(scene))

    def _locate_lanes(self, scene: Scene, seconds: float) -> tuple[tuple[Lane, ...], Road | None]:
        points = [lane.points for lane in scene.lanes]
        counts = [len(one) for one in points]
        pixels = np.concatenate([np.empty((0, 2)), *points])
        number = np.repeat(np.arange(len(points)), counts)
        sure = np.array([max(lane.confidence, FAINTEST) for lane in scene.lanes])
        painted = self._painted(scene, pixels)
        noise = np.where(painted, PAINT_PX, DRAWN_PX) / np.sqrt(sure[number])
        seen = Seen(*self._eye.look(pixels), number, self._eye.pixel * noise)
        self._road.update(seen, len(points), seconds)
        metres, metres_sd = self._road.place(seen.aside, seen.down, self._eye.pixel * PAINT_PX)
        parts = (np.split(one.astype(np.float32), np.cumsum(counts)[:-1]) for one in (metres, metres_sd))
        lanes = tuple(
            replace(lane, metres=own, metres_sd=sd) for lane, own, sd in zip(scene.lanes, *parts, strict=False)
        )
        sides = {lane.side: k for k, lane in enumerate(lanes) if lane.side}
        if len(sides) < 2:
            return lanes, None
        near = metres[:, 0] < NEAR_M
        for k in sides.values():
            own = near & (number == k)
            if not painted[own].sum() > UNPAINTED * own.sum() or self._road.misfit(seen, own) > STRAYS:
                return lanes, None
        road = self._road.lane(sides["left"], sides["right"])
        return lanes, road if WIDTHS_M[0] < (road.width_m or 0) < WIDTHS_M[1] else None

    def _painted(self, scene: Scene, pixels: Doubles) -> Bools:
        """Whether there is paint at points of boundaries."""
        height, width = scene.size
        columns = np.rint(pixels[:, :1] + np.array([-1, 0, 1]) * ASIDE * width)
        rows = np.rint(pixels[:, 1:])
        at = (np.clip(side, 0, size - 1).astype(np.intp) for side, size in ((rows, height), (columns, width)))
        return np.asarray((scene.labels[tuple(at)] == self._paint).any(1))

    def _locate_instances(self, scene: Scene) -> tuple[Instance, ...]:
        if not scene.instances:
            return ()
        boxes = np.array([one.box for one in scene.instances])
        x0, y0, x1, y1 = boxes.T
        middle, pixel = (x0 + x1 - 1) / 2, self._eye.pixel
        aside, down = self._eye.look(np.stack([middle, y1 - 0.5], 1))
        _, top = self._eye.look(np.stack([middle, y0 - 0.5], 1))
        ahead, foot_sd, road_sd = self._road.reach(down, pixel * FOOT_PX)
        own = ~_hidden(boxes, scene) & (np.hypot(foot_sd, road_sd) < MOST_SD)
        tall = np.where(own & (y0 > BORDER_PX), np.arctan(down) - np.arctan(top), np.nan)
        kinds = np.array([one.class_id for one in scene.instances])
        tracks = np.array([one.track or -1 for one in scene.instances])
        tracked = tracks >= 0
        ahead = np.log(np.where(own, ahead, np.nan))
        share = np.hypot(foot_sd, road_sd)
        sightings = Sightings(
            *(of[tracked] for of in (tracks, self._heights[kinds], self._heights_sd[kinds])),
            *(of[tracked] for of in (ahead, foot_sd, road_sd, np.log(tall), pixel * TALL_PX / tall)),
        )
        ahead[tracked], share[tracked] = self._distances.update(sightings, scene.stamp_ns)
        share = np.hypot(share, self.mount.height_sd / self.mount.height)
        ahead = np.where(own & (share < MOST_SD), np.exp(ahead), np.nan)
        seen_sd = np.hypot(pixel * FOOT_PX, self.mount.yaw_sd)
        left_sd = np.hypot(aside * ahead * share, ahead * seen_sd)
        rows = np.stack([ahead, ahead * share, ahead * aside, left_sd], 1).tolist()
        return tuple(
            replace(one, distance_m=x, distance_sd_m=x_sd, lateral_m=y, lateral_sd_m=y_sd) if x == x else one
            for one, (x, x_sd, y, y_sd) in zip(scene.instances, rows, strict=True)
        )


class _Eye:
    """Rays of a camera for frames of one size. `pixel` is one of a frame 720 high, in radians."""

    def __init__(self, calibration: Calibration, mount: Mount) -> None:
        lens = Lens(calibration.info)
        self.height, self.width = calibration.info.height, calibration.info.width
        self.pixel = self.height / REFERENCE / lens.focal
        self._rays, self._turn = RayTable(lens), (rotation(mount) @ FROM_OPTICAL).T

    def look(self, pixels: Doubles) -> tuple[Doubles, Doubles]:
        """Metres to the left, and down, for each one ahead; NaN outside of the frame and behind."""
        ahead, left, up = (self._rays(pixels) @ self._turn).T
        ahead = np.where(ahead > 0, ahead, np.nan)
        return left / ahead, -up / ahead


def _hidden(boxes: Doubles, scene: Scene) -> Bools:
    """Whose foot or side is cut by the frame or the own car, or hidden by a nearer road user."""
    height, width = scene.size
    x0, y0, x1, y1 = boxes.T
    cut = (y1 > height - BORDER_PX) | (x0 < BORDER_PX) | (x1 > width - BORDER_PX)
    if scene.ego_mask is not None:
        rows, columns = np.clip(y1 + 1, 0, height - 1), np.clip((x0 + x1) / 2, 0, width - 1)
        cut |= scene.ego_mask[rows.astype(np.intp), columns.astype(np.intp)]
    covers = (y1 > y1[:, None] + NEARER * height) & (y0 < y1[:, None])
    common = np.minimum(x1, x1[:, None]) - np.maximum(x0, x0[:, None])
    return np.asarray(cut | (covers & (common > HIDES * (x1 - x0)[:, None])).any(1))
