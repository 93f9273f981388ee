"""What stands next to the road: buildings, trees, poles, signs and fences."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from perception.classes import DRIVE
from perception.simulation.look import Look
from perception.simulation.stage import Stage
from perception.simulation.textures import DENSITY, Sprite
from perception.simulation.traffic import cast, hull
from perception.types import Doubles

BUILDING, POLE, SIGN, FENCE = (DRIVE.id(name) for name in ("building", "pole", "traffic_sign", "fence"))
VEGETATION = DRIVE.id("vegetation")
TOWARDS = np.array([0.0, -1.0, 0.0])
Place = tuple[float, float]  # station, offset
Points = list[tuple[float, float, float]]  # station, offset, height


def _upright(near: Place, far: Place, low: float, high: float) -> Points:
    """A rectangle between two places, clockwise from its near upper corner."""
    return [(*near, high), (*far, high), (*far, low), (*near, low)]


def _across(s: float, left: float, right: float, low: float, high: float) -> Points:
    """A rectangle across the road, clockwise from its lower left corner."""
    return [(s, left, low), (s, left, high), (s, right, high), (s, right, low)]


def _level(s0: float, s1: float, left: float, right: float, height: float) -> Points:
    """A level rectangle, clockwise from its near left corner."""
    return [(s0, left, height), (s1, left, height), (s1, right, height), (s0, right, height)]


def _part(first: float, last: float, rows: int) -> Doubles:
    """The corners of a texture's columns `first` to `last`, in the order of `_upright`."""
    return np.array([(first, 0), (last, 0), (last, rows), (first, rows)], float)


@dataclass
class Building:
    """A house from station s0 to s1 with its front at offset d, and its near end."""

    s0: float
    s1: float
    d: float
    depth: float
    ridge: float  # metres of roof above the front; 0 for a flat roof
    front: Sprite
    end: Sprite
    roof: Doubles
    shift: float  # metres into the texture at s0
    look: Look
    detached: bool  # its near end is not hidden by a neighbour
    reach: float = 320.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        if station + 0.7 <= self.s0:
            return self._whole
        return self._place(min(station + 0.7, self.s1))

    @cached_property
    def _whole(self) -> tuple[float, Doubles]:
        return self._place(self.s0)

    def _place(self, s0: float) -> tuple[float, Doubles]:
        h, e, r = self.front.metres, self.front.metres + self.ridge, self.ridge * 0.2
        outer = self.d + np.sign(self.d) * self.depth
        middle = (self.d + outer) / 2
        front = _upright((s0, self.d), (self.s1, self.d), 0, h)
        end = _upright((self.s0, self.d), (self.s0, outer), 0, h)
        eaves = self.d - np.sign(self.d) * 0.3
        roof = [(s0, eaves, h - r), (self.s1, eaves, h - r), (self.s1, middle, e), (s0, middle, e)]
        points = np.array([*front, *end, *roof, (self.s0, middle, e)])
        if self.look.shadows:
            base = points[[3, 2]]
            points = np.concatenate([points, base, base + cast(self.look, h)])
        return self.s1 + 0.05 * abs(self.d), points

    def draw(self, stage: Stage, points: Doubles) -> None:
        station = stage.view.pose.station
        if len(points) > 13 and points[3, 2] < 90:
            stage.shadow(hull(points[13:]))
        if self.detached and self.s0 > station + 1:
            stage.panel(self.end, points[4:8], _part(0, self.depth * DENSITY, self.end.shape[0]), BUILDING)
            if self.ridge:
                stage.shaded(points[[4, 12, 5]], np.array(self.end.average), BUILDING)
        if self.ridge:
            stage.shaded(points[8:12], self.roof, BUILDING)
        first = (max(self.s0, min(station + 0.7, self.s1)) - self.s0 + self.shift) * DENSITY
        last = (self.s1 - self.s0 + self.shift) * DENSITY
        stage.panel(self.front, points[:4], _part(first, last, self.front.shape[0]), BUILDING)


@dataclass
class Plant:
    """A tree or a bush."""

    s: float
    d: float
    sprite: Sprite
    metres: float
    look: Look
    reach: float = 260.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        return self._placed

    @cached_property
    def _placed(self) -> tuple[float, Doubles]:
        foot = np.array([self.s, self.d, 0.0])
        if not self.look.shadows:
            return self.s + 0.4 * abs(self.d), foot[None]
        angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        size = self.metres * 0.3
        disc = np.stack([size * np.cos(angle), size * np.sin(angle), np.zeros(10)], 1)
        shadow = foot + disc + cast(self.look, self.metres * 0.6)
        return self.s + 0.4 * abs(self.d), np.concatenate([foot[None], shadow])

    def draw(self, stage: Stage, points: Doubles) -> None:
        if len(points) > 1 and points[0, 2] < 90:
            stage.shadow(points[1:])
        stage.cutout(self.sprite, points[0], VEGETATION, 0, self.metres, stage.beam(points) * 0.6)


@dataclass
class Pole:
    """A lamp post, a mast or a traffic light. `arm` metres reach over the road; `lamp` shines at night."""

    s: float
    d: float
    height: float
    radius: float
    colour: Doubles
    arm: float = 0.0
    lamp: bool = False
    lights: int | None = None  # which of a traffic light's three lamps is lit
    reach: float = 200.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        return self._placed

    @cached_property
    def _placed(self) -> tuple[float, Doubles]:
        over = self.d - np.sign(self.d) * self.arm
        tip, head = self.height + 0.25 * bool(self.arm), self.height - 0.5 * (self.lights is not None)
        places = ((self.d, 0.0), (self.d, self.height), (over, tip), (over, head))
        return self.s, np.array([(self.s, d, h) for d, h in places])

    def draw(self, stage: Stage, points: Doubles) -> None:
        focal = stage.view.intrinsics.focal
        foot, top, tip, head = points
        beam = stage.beam(points)
        half = max(self.radius * focal / foot[2], 0.45)
        lit = self.colour * (stage.look.ambient + 0.5 * stage.look.sun)
        left, right = np.array([-half, 0, 0]), np.array([half, 0, 0])
        shaft = np.stack([foot + left, top + left * 0.7, top + right * 0.7, foot + right])
        stage.shaded(shaft, lit, POLE, beam)
        if half > 1.5:
            shade = np.stack([foot + right * 0.2, top + right * 0.1, top + right * 0.7, foot + right])
            gain, haze = stage.light(foot[2], beam)
            stage.polygon(shade, tuple((lit * 0.7 * gain + haze).tolist()), POLE, detail=True)
        thick = np.array([0, half * 0.6, 0])
        if self.arm:
            stage.shaded(np.stack([top - thick, tip - thick, tip + thick, top + thick]), lit, POLE, beam)
        if self.lamp:
            wide, low = np.array([[0.3, 0, 0], [0, 0.14, 0]]) * focal / tip[2]
            box = np.stack([tip - wide, tip + wide, tip + wide + low, tip - wide + low])
            if stage.look.night:
                stage.polygon(box, (190.0, 230.0, 250.0), POLE)
                stage.glow(tip, 1.6, (90.0, 160.0, 215.0))
            else:
                stage.shaded(box, lit * 0.8, POLE)
        if self.lights is not None:
            self._light(stage, head)

    def _light(self, stage: Stage, at: Doubles) -> None:
        unit = stage.view.intrinsics.focal / at[2]
        x, y = 0.17 * unit, 0.48 * unit
        box = at + np.array([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)])
        stage.shaded(box, np.array([34.0, 36, 34]) * stage.look.ambient * 1.4, SIGN)
        for k, colour in enumerate(((50.0, 50.0, 245.0), (40.0, 180.0, 250.0), (130.0, 235.0, 60.0))):
            angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
            r, down = 0.115 * unit, (k - 1) * 0.3 * unit
            disc = at + np.stack([r * np.cos(angle), r * np.sin(angle) + down, np.zeros(10)], 1)
            on = k == self.lights
            blue, green, red = (c if on else c * 0.16 for c in colour)
            stage.polygon(disc, (blue, green, red), SIGN, detail=True)
            if on and stage.look.night:
                stage.glow(disc.mean(0), 0.6, colour)


@dataclass
class Sign:
    """A traffic sign on its post, or a board; `low` is the height of its lower edge."""

    s: float
    d: float
    low: float
    sprite: Sprite
    metres: float
    posts: tuple[float, ...] = (0.0,)
    reach: float = 160.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        return self._placed

    @cached_property
    def _placed(self) -> tuple[float, Doubles]:
        feet = [(self.s, self.d + x, h) for x in self.posts for h in (0.0, self.low + 0.1)]
        return self.s, np.array([(self.s, self.d, self.low), *feet])

    def draw(self, stage: Stage, points: Doubles) -> None:
        post = np.array([135.0, 138, 138]) * (stage.look.ambient + 0.4 * stage.look.sun)
        half = np.array([max(0.04 * stage.view.intrinsics.focal / points[0, 2], 0.4), 0, 0])
        for k in range(1, len(points), 2):
            foot, top = points[k], points[k + 1]
            shaft = np.stack([foot - half, top - half, top + half, foot + half])
            stage.shaded(shaft, post, POLE, stage.beam(points))
        # Signs throw headlights back, so that they are bright at night.
        stage.cutout(self.sprite, points[0], SIGN, 0, self.metres, min(stage.beam(points) * 2.5 + 0.2, 6.0))


@dataclass
class Fence:
    """A panel of fence, hedge, wall or guard rail along the road, `low` to `high` metres above it."""

    s0: float
    s1: float
    d: float
    low: float
    high: float
    texture: Sprite
    label: int
    post: Doubles | None = None
    reach: float = 150.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        s0 = min(max(self.s0, station + 0.7), self.s1)
        panel = _upright((s0, self.d), (self.s1, self.d), self.low, self.high)
        return self.s1 + 0.05 * abs(self.d), np.array([*panel, (self.s1, self.d, 0.0)])

    def draw(self, stage: Stage, points: Doubles) -> None:
        if self.post is not None:
            half = np.array([0.06 * stage.view.intrinsics.focal / points[4, 2], 0, 0])
            post = np.stack([points[4] - half, points[1] - half, points[1] + half, points[4] + half])
            stage.shaded(post, self.post, self.label)
        rows, columns = self.texture.shape
        start = max(self.s0, min(stage.view.pose.station + 0.7, self.s1))
        first = columns * (1 - (self.s1 - start) / (self.s1 - self.s0))
        stage.panel(self.texture, points[:4], _part(first, columns, rows), self.label)


@dataclass
class Bridge:
    """A bridge over the road from offset `left` to `right`, on pillars."""

    s: float
    left: float
    right: float
    pillars: tuple[float, ...]
    look: Look
    reach: float = 330.0

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        s0, s1, low, high = max(self.s, station + 0.6), max(self.s + 9.0, station + 0.7), 5.6, 7.4
        points = _level(s0, s1, self.left, self.right, low) + _across(
            self.s, self.left, self.right, low, high
        )
        for d in self.pillars:
            points += _across(self.s + 4, d - 0.5, d + 0.5, 0, low)
        return self.s + 9.0, np.array(points + _level(s0, s1, self.left, self.right, 0), float)

    def draw(self, stage: Stage, points: Doubles) -> None:
        concrete = np.array([150.0, 156, 160])
        stage.shadow(points[-4:])
        for k in range(8, len(points) - 4, 4):
            stage.shaded(points[k : k + 4], concrete * self.look.ambient * 0.7, BUILDING)
        stage.shaded(points[:4], concrete * self.look.ambient * 0.45, BUILDING)
        if points[4, 2] > 0.7:
            stage.shaded(points[4:8], concrete * self.look.light(TOWARDS), BUILDING)
