"""Road users: vehicles, people on foot and on two wheels."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from perception.classes import DRIVE
from perception.simulation.canvas import Faces, fixed_point
from perception.simulation.figures import PHASES, Figures, Outfit
from perception.simulation.look import Look
from perception.simulation.mesh import Mesh
from perception.simulation.stage import Stage
from perception.simulation.vehicles import bus, car, truck, van
from perception.types import Doubles, Rng

VEHICLE, PEDESTRIAN, TWO_WHEELER = (DRIVE.id(name) for name in DRIVE.things)
Path = Callable[[float], tuple[float, float]]  # time → station, offset


@dataclass(frozen=True)
class Motion:
    """The camera's travel: a mean speed in m/s with slow swings around it."""

    speed: float
    swing: float
    pulse: float
    phase: float

    def station(self, time: float) -> float:
        return self.speed * time + self.swing * float(np.sin(self.pulse * time + self.phase))

    def arrival(self, station: float) -> float:
        return station / self.speed


def fixed(s: float, d: float) -> Path:
    """Standing still, or for this moment alone."""
    return lambda time: (s, d)


def pacing(s: float, d: float, speed: float, arrival: float) -> Path:
    """Along the road at a speed, at station s when the camera arrives there."""
    return lambda time: (s + speed * (time - arrival), d)


def crossing(s: float, lane: float, speed: float, passing: float, limits: tuple[float, float]) -> Path:
    """Across the road, in the camera's lane at the time `passing`, then waiting on the pavement."""
    return lambda time: (s, float(np.clip(lane + speed * (time - passing), *limits)))


class LitMesh:
    """A mesh in the light of a drive, heading along the road (1) or against it (-1)."""

    def __init__(self, mesh: Mesh, look: Look, heading: int) -> None:
        self.mesh, self.heading = mesh, heading
        turn = np.array([heading, heading, 1.0])
        self.vertices = mesh.vertices * turn - (heading * mesh.length / 2, 0, 0)
        self.centres = mesh.centres * turn - (heading * mesh.length / 2, 0, 0)
        self.normals = mesh.normals * turn
        self.planes = (self.centres * self.normals).sum(1)
        world = self.normals[:, [1, 0, 2]]  # right, ahead, up
        gloss = 0.10 * look.horizon * (0.25 + 0.75 * np.clip(world[:, 2:3], 0, 1))
        self.colours = mesh.colours * look.light(world) + gloss
        self.lamps = mesh.lamp if look.night or look.weather in ("rain", "fog") else np.zeros_like(mesh.lamp)
        self.colours[self.lamps] = np.clip(mesh.colours[self.lamps] * 1.45, 0, 255)
        self.starts = mesh.starts.tolist()
        length, half = mesh.length / 2, mesh.width / 2
        foot = np.array([(-length, -half, 0), (length, -half, 0), (length, half, 0), (-length, half, 0)])
        under = foot * np.array([1.03, 1.1, 1])
        shadow = [foot + cast(look, mesh.height)] if look.shadows else []
        self.points = np.concatenate([self.vertices, under, *shadow])


class Fleet:
    """The vehicles of a drive, and how dense the traffic is (1 is usual)."""

    def __init__(self, scene: str, look: Look, rng: Rng) -> None:
        meshes = [car(rng) for _ in range(9)] + [make(rng) for make in (van, van, truck, bus)]
        self._meshes = {heading: [LitMesh(mesh, look, heading) for mesh in meshes] for heading in (1, -1)}
        share = np.array([1.0] * 9 + ([0.5, 0.5, 0.3, 0.5] if scene == "town" else [0.6, 0.6, 1.6, 0.15]))
        self._mix = np.cumsum(share / share.sum())
        self.density = float(rng.choice([0.4, 1.0, 1.8]))

    def pick(self, rng: Rng, heading: int) -> LitMesh:
        """A vehicle that heads along the road (1) or against it (-1)."""
        return self._meshes[heading][int(np.searchsorted(self._mix, rng.random()))]


def cast(look: Look, height: float) -> Doubles:
    """Where the shadow of a point at this height falls, from its foot: s, d, h."""
    right, ahead, up = look.sun_direction
    return np.array([-ahead, -right, 0.0]) * height / max(float(up), 0.25)


@dataclass
class Vehicle:
    """A vehicle on its path; the path gives its middle."""

    lit: LitMesh
    path: Path
    instance: int
    reach: float = 170.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        s, d = self.path(time)
        points = self.lit.points + np.array([s, d, 0.0])
        self._at = s, d
        return s + self.lit.mesh.length / 2 if s - station < self.lit.mesh.length else s, points

    def draw(self, stage: Stage, points: Doubles) -> None:
        lit, mesh, view = self.lit, self.lit.mesh, stage.view
        vertices, ground = points[: len(lit.vertices)], points[len(lit.vertices) :]
        pose, (s, d) = view.pose, self._at
        camera = np.array([pose.station - s, pose.offset - stage.lean - d, pose.height - stage.rise])
        facing = lit.normals @ camera > lit.planes
        distance = max(s - pose.station - mesh.length / 2, 1.0)
        scale = view.intrinsics.focal / distance
        if scale > 3:
            stage.shadow(ground[:4])
            if len(ground) > 4:
                stage.shadow(hull(ground))
        gain, haze = stage.light(distance)
        beam = stage.beam(vertices)
        shown = np.flatnonzero(facing & (mesh.finest < scale))
        lamps = lit.lamps[shown]
        shine = np.where(lamps, 1.0, 1.0 + beam * 0.7)[:, None]
        colours = np.minimum(lit.colours[shown] * shine, 255) * gain + haze
        drawn = shown.tolist(), colours.tolist(), mesh.detail
        corners = fixed_point(vertices[:, :2])
        stage.items.append(Faces(vertices, lit.starts, *drawn, VEHICLE, self.instance, stage.clip, corners))
        if stage.look.time != "day":
            for face in shown[lamps].tolist():
                front = mesh.normals[face, 0] > 0.5
                colour = (200.0, 225.0, 235.0) if front else (40.0, 30.0, 200.0)
                part = vertices[lit.starts[face] : lit.starts[face + 1]]
                stage.glow(part.mean(0), 1.1 if front else 0.45, colour)


def hull(points: Doubles) -> Doubles:
    """Those of the projected points (n, 3) that form their convex hull in the image."""
    index = cv2.convexHull(np.clip(points[:, :2], -1e5, 1e5).astype(np.float32), returnPoints=False)
    return np.asarray(points[index.ravel()])


@dataclass
class Person:
    """Someone on foot; `aside` is walking across the road."""

    figures: Figures
    who: Outfit
    path: Path
    height: float
    instance: int
    aside: bool
    back: bool
    reach: float = 110.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        s, d = self.path(time)
        self._walked = s + d
        return s, self._around + np.array([s, d, 0.0])

    @cached_property
    def _around(self) -> Doubles:
        """The foot and the shadow."""
        ahead, right, _ = cast(self.figures.look, self.height)
        corners = [(0, 0), (0, -0.22), (0, 0.22), (ahead, right + 0.15), (ahead, right - 0.15)]
        return np.array([(*corner, 0.0) for corner in corners])

    def draw(self, stage: Stage, points: Doubles) -> None:
        phase = math.floor(self._walked * PHASES / 1.45)
        sprite = self.figures.walker(self.who, phase, self.aside, self.back)
        if stage.look.shadows:
            stage.shadow(points[1:])
        stage.cutout(sprite, points[0], PEDESTRIAN, self.instance, self.height * 1.14, stage.beam(points))


@dataclass
class Rider:
    """Someone on a bicycle or a motorcycle, with it."""

    figures: Figures
    who: Outfit
    path: Path
    instance: int
    back: bool
    motor: bool
    reach: float = 130.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        s, d = self.path(time)
        foot = np.array([s, d, 0.0])
        box = np.array([(-0.8, -0.15, 0), (0.8, -0.15, 0), (0.8, 0.15, 0), (-0.8, 0.15, 0)])
        return s, np.concatenate([foot[None], foot + box, foot + box + cast(self.figures.look, 1.6)])

    def draw(self, stage: Stage, points: Doubles) -> None:
        sprite = self.figures.rider(self.who, math.floor(stage.time * 1.3 * PHASES), self.back, self.motor)
        stage.shadow(points[1:5])
        if stage.look.shadows:
            stage.shadow(hull(points[1:]))
        stage.cutout(sprite, points[0], TWO_WHEELER, self.instance, sprite.metres, stage.beam(points))
