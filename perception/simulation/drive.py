"""A simulated drive: any of its frames, with the truth of everything in it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from perception.camera_info import CameraInfo, Mount
from perception.classes import DRIVE
from perception.scene import Lane
from perception.simulation.backdrop import Backdrop
from perception.simulation.camera import Intrinsics, Pose, View
from perception.simulation.ground import Ground
from perception.simulation.ground_texture import GroundTexture
from perception.simulation.joints import visible_key_points
from perception.simulation.look import make_look
from perception.simulation.metres import TruePlace, TrueRoad, true_places, true_road
from perception.simulation.options import CHOICES, SimulationOptions
from perception.simulation.road import make_road
from perception.simulation.sensor import Sensor
from perception.simulation.stage import Stage
from perception.simulation.traffic import Motion
from perception.simulation.world import World

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_SHARES = {"weather": (0.45, 0.27, 0.16, 0.12), "time": (0.72, 0.14, 0.14), "scene": (0.5, 0.28, 0.22)}


class Truth:
    """What a frame shows. The maps are drawn when they are first asked for.

    Attributes:
        time: seconds since the drive's start.
        pose: the camera over the road.
        intrinsics: its pinhole.
    """

    def __init__(self, view: View, stage: Stage, ground: Ground, backdrop: Backdrop, world: World) -> None:
        self.time = stage.time
        self.pose, self.intrinsics = view.pose, view.intrinsics
        self._view, self._stage, self._ground = view, stage, ground
        self._backdrop, self._world = backdrop, world

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """uint8 (height, width): class ids of `perception.classes.DRIVE`; every pixel has one."""
        labels = np.empty((self.intrinsics.height, self.intrinsics.width), np.uint8)
        self._backdrop.fill_labels(labels, self._view)
        self._ground.fill_labels(labels)
        for item in self._stage.items:
            item.fill(labels, item.label)
        return labels

    @cached_property
    def instance_map(self) -> npt.NDArray[np.uint16]:
        """uint16 (height, width): class id × 1000 + k on vehicles, pedestrians and two-wheelers, else 0."""
        instances = np.zeros((self.intrinsics.height, self.intrinsics.width), np.uint16)
        for item in self._stage.items:
            item.fill(instances, item.instance)
        return instances

    @cached_property
    def depth(self) -> npt.NDArray[np.float32]:
        """float32 (height, width): metres along the optical axis; infinite for the sky and the far hills."""
        depth = np.full((self.intrinsics.height, self.intrinsics.width), np.inf, np.float32)
        self._ground.fill_depth(depth)
        for item in self._stage.items:
            item.fill_depth(depth)
        return depth

    @cached_property
    def key_points(self) -> npt.NDArray[np.float32]:
        """float32 (n, 4): each joint in sight of people on foot: its index in KEY_POINTS, x, y, and their
        height, in px.

        Left and right are the person's own. A joint behind something nearer is out of sight, one behind the
        person's own body is not.
        """
        return visible_key_points(self._stage.items, self.instance_map)

    @cached_property
    def lanes(self) -> tuple[Lane, ...]:
        """The painted lines up to 100 m ahead, from left to right, in segments between side streets."""
        k, view = self.intrinsics, self._view
        ahead = np.concatenate([np.arange(1.5, 30, 0.5), np.arange(30, 100, 2.0)])
        open_road = ~view.hidden(ahead) & ~self._world.street(view.pose.station + ahead)
        lanes = []
        for line in self._world.road.lines:
            points = view.project(view.pose.station + ahead, line.d, 0.0)[:, :2]
            inside = (points >= -0.5).all(1) & (points < (k.width - 0.5, k.height - 0.5)).all(1)
            seen = open_road & inside
            for piece in np.split(np.arange(len(ahead)), np.flatnonzero(np.diff(seen)) + 1):
                if len(piece) > 1 and seen[piece[0]]:
                    lanes.append(Lane(points[piece].astype(np.float32), line.kind, 1.0))
        return tuple(sorted(lanes, key=lambda lane: float(lane.points[0, 0])))

    @property
    def road(self) -> TrueRoad:
        return true_road(self._view)

    @cached_property
    def places(self) -> dict[int, TruePlace]:
        """Where the road users ahead are, by their ids in the instance map, whether they are seen or not."""
        return true_places(self._view, self._world, self.time)


@dataclass(frozen=True)
class Rendering:
    """One frame: `image` uint8 (height, width, 3) BGR, its time in seconds since the start, and its truth."""

    image: npt.NDArray[np.uint8]
    time: float
    truth: Truth


class Drive:
    """A drive through a world made from the seed; frames depend on the options and their index alone.

    Attributes:
        camera_info, mount: of the camera: exact, but for the car's bounce and its sway in the lane.
    """

    def __init__(self, options: SimulationOptions) -> None:
        self.options = options
        rng = np.random.default_rng([options.seed, 0])
        # Every choice is drawn, also those that are given, so that a given one changes nothing else.
        auto = {name: str(rng.choice(CHOICES[name][1:], p=shares)) for name, shares in _SHARES.items()}
        given = {name: getattr(options, name) for name in auto}
        self.weather, self.time, self.scene = (
            auto[name] if value == "auto" else value for name, value in given.items()
        )
        width, height = options.size
        focal = float(rng.uniform(0.72, 1.0)) * max(width, height)
        self.intrinsics = Intrinsics(width, height, focal, (width - 1) / 2, (height - 1) / 2)
        self._height, self._pitch = float(rng.uniform(1.2, 1.65)), float(rng.uniform(-0.02, 0.05))
        k = self.intrinsics
        matrix = (k.focal, 0.0, k.cx, 0.0, k.focal, k.cy, 0.0, 0.0, 1.0)
        onto = (*matrix[:3], 0.0, *matrix[3:6], 0.0, *matrix[6:], 0.0)
        self.camera_info = CameraInfo(width, height, "plumb_bob", (0.0,) * 5, matrix, _IDENTITY, onto)
        self.mount = Mount(self._height, self._pitch)
        self._mirrored = bool(rng.random() < 0.35)
        self._sway = rng.uniform(0, 2 * np.pi, 4)
        self.look = make_look(self.weather, self.time, np.random.default_rng([options.seed, 4]))
        self.road = make_road(self.scene, np.random.default_rng([options.seed, 5]))
        speed = {"town": (7.0, 13.0), "country": (14.0, 24.0), "highway": (22.0, 33.0)}[self.scene]
        self.motion = Motion(
            float(rng.uniform(*speed)), float(rng.uniform(0, 6)), 0.25, float(rng.uniform(0, 6))
        )
        self.world = World(self.scene, self.road, self.look, self.motion, options.seed)
        density = float(np.clip(width / 42, 6, 32))
        self._texture = GroundTexture(self.road, self.look, np.random.default_rng([options.seed, 6]), density)
        self._backdrop = Backdrop(
            self.road, self.look, np.random.default_rng([options.seed, 7]), width, height, focal
        )
        self._sensor = Sensor(self.look, np.random.default_rng([options.seed, 8]), width, height)

    def pose(self, time: float) -> Pose:
        """Where the camera is at a time in seconds."""
        station = self.motion.station(time)
        a, b, c, d = self._sway
        bounce = 0.0022 * np.sin(7.3 * time + a) + 0.0035 * np.sin(1.7 * time + b)
        offset = self.road.ego + 0.16 * float(np.sin(0.31 * time + c))
        yaw = 0.012 * float(np.sin(0.23 * time + d))
        height, pitch = self._height + 0.012 * float(np.sin(8.1 * time + b)), self._pitch + float(bounce)
        heading = float(np.arctan(self.road.bend.slope(station))) + yaw
        return Pose(station, offset, height, pitch, yaw, heading, self._mirrored)

    def render(self, index: int) -> Rendering:
        """Frame `index`, counted from 0."""
        time = index / self.options.rate
        view = View(self.road, self.intrinsics, self.pose(time))
        station = view.pose.station
        stage = Stage(view, self.look, time)
        stage.play(self.world.actors(station, time))
        marks, street = self.world.marks(station), self.world.street(station + view.ahead)
        ground = Ground(self._texture, view, self.look, marks, street, self.motion.speed)
        ground.shadows = stage.shadows
        truth = Truth(view, stage, ground, self._backdrop, self.world)
        image = np.empty((self.intrinsics.height, self.intrinsics.width, 3), np.uint8)
        self._backdrop.paint(image, view)
        ground.paint(image)
        for item in stage.items:
            item.paint(image)
        if self.look.wet:
            paved = np.isin(truth.labels, (DRIVE.id("road"), DRIVE.id("lane_marking")))
            self._sensor.wet(image, paved.view(np.uint8), view.horizon)
        return Rendering(self._sensor.expose(image, index), time, truth)
