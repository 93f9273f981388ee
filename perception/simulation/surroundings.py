"""What stands along the road, made block by block from the seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from perception.simulation.figures import Figures, outfit
from perception.simulation.ground_texture import JUNCTION
from perception.simulation.look import Look
from perception.simulation.painting import Marks, town_marks
from perception.simulation.pictures import board, fence_textures, sign_face
from perception.simulation.road import Road
from perception.simulation.scenery import (
    BUILDING,
    FENCE,
    VEGETATION,
    Bridge,
    Building,
    Fence,
    Plant,
    Pole,
    Sign,
)
from perception.simulation.stage import Actor
from perception.simulation.textures import bush, front, tree
from perception.simulation.traffic import (
    PEDESTRIAN,
    TWO_WHEELER,
    VEHICLE,
    Fleet,
    Motion,
    Path,
    Person,
    Rider,
    Vehicle,
    crossing,
    fixed,
    pacing,
)
from perception.types import Rng

BLOCK = 64.0  # metres
_ROOFS = ((62, 72, 112), (70, 74, 80), (60, 62, 96), (84, 96, 120))


@dataclass(frozen=True)
class Block:
    """What stands in one block, and what is painted on its road."""

    actors: tuple[Actor, ...]
    marks: Marks
    street: bool


class Surroundings:
    """The blocks of one drive: its houses, trees, signs and people, and how they are set out."""

    def __init__(self, scene: str, road: Road, look: Look, motion: Motion, fleet: Fleet, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.scene, self.road, self.look = scene, road, look
        self.motion, self.fleet, self.seed = motion, fleet, seed
        self.figures = Figures(look)
        self._people = tuple(outfit(rng) for _ in range(12))
        self._trees = [tree(rng, look) for _ in range(6)]
        self._bushes = [bush(rng, look) for _ in range(3)]
        town = scene == "town"
        storeys, shops = ((2, 2, 3, 3, 4, 5, 7), 0.5) if town else ((1, 2, 2), 0.0)
        # Each front has its own generator, for lit windows must not change what is built after them.
        count = 6 if town else 3
        self._fronts = {
            side: [front(own, look, -side, int(own.choice(storeys)), shops) for own in rng.spawn(count)]
            for side in (-1, 1)
        }
        self._signs = [sign_face(rng, look) for _ in range(6)]
        self._board = board(rng, look)
        self._fences = fence_textures(rng, look)
        self._rail = rng.random() < 0.6
        self._crowd = float(rng.choice([0.3, 1.0, 2.0])) if town else 0.12
        self._green = float(rng.uniform(0.2, 1.0))
        self._streets = float(rng.uniform(0.2, 0.6)) if town else 0.0
        self.paint = int(rng.integers(70, 128))
        self.block = lru_cache(maxsize=24)(self._block)

    def _block(self, index: int) -> Block:
        rng = np.random.default_rng([self.seed, 3, index + 2**31])
        start = index * BLOCK
        street = bool(rng.random() < self._streets and index != 0)
        build = {"town": self._town, "country": self._country, "highway": self._highway}[self.scene]
        actors = list(build(rng, start, index, street))
        marks = town_marks(self.road, rng, start, BLOCK, street) if self.scene == "town" else []
        quads = np.array([quad for quad, _ in marks]).reshape(-1, 4, 2)
        strength = np.array([int(self.paint * share) for _, share in marks], int)
        return Block(tuple(actors), Marks(quads, np.clip(strength, 1, 127)), street)

    def _town(self, rng: Rng, start: float, index: int, street: bool) -> Iterator[Actor]:
        road = self.road
        begin, end = start + (JUNCTION if street else 0.0), start + BLOCK
        for side in (-1, 1):
            edge = road.edges[side > 0]
            line = edge + side * road.frontage
            at, built = begin + (0.5 if street else 0.0), 0.0
            while at < end - 4:
                wide = min(float(rng.uniform(8, 14)), end - at)
                if rng.random() < 0.86:
                    d = line + side * rng.choice([0.0, 0.0, 1.0])
                    house = self._house(rng, at, at + wide, d, side, built)
                    built = house.front.metres + house.ridge
                    yield house
                else:
                    built = 0.0
                    yield from self._garden(rng, at, at + wide, line, side)
                alley = 0.0 if rng.random() < 0.7 else rng.uniform(1, 4)
                at, built = at + wide + alley, built if alley == 0 else 0.0
            kerb = edge + side * 0.6
            for s in np.arange(begin + 5, end - 3, rng.uniform(9, 16)):
                if rng.random() < self._green * 0.75:
                    yield self._tree(rng, s, edge + side * rng.uniform(0.8, 1.4), 0.75)
            colour = np.array([70.0, 74, 72]) * rng.uniform(0.7, 2.0)
            for s in (start, start + 32):
                yield Pole(s + road.lamps[side > 0], kerb, 7.5, 0.085, colour, 1.8, lamp=True)
            for _ in range(int(rng.integers(0, 4))):
                yield self._sign(rng, rng.uniform(begin + 2, end - 2), edge + side * rng.uniform(0.5, 1.0))
            if rng.random() < 0.3:
                yield from self._fence(rng.uniform(begin, end - 12), 2, edge + side * 0.35, "railings", 1.0)
            if road.parking:
                yield from self._parked(rng, begin + 6, end - 8, side, index)
        yield from self._pedestrians(rng, begin, end, index, street)
        yield from self._riders(rng, start, index, 0.35 * min(self._crowd, 1.5))
        if street:
            state = int(rng.integers(3))
            for side, s in ((1, start - 1.0), (-1, start - 0.5)):
                d = road.edges[side > 0] + side * 0.7
                yield Pole(s, d, 3.6, 0.08, np.array([60.0, 62, 60]), lights=state)

    def _country(self, rng: Rng, start: float, index: int, street: bool) -> Iterator[Actor]:
        road = self.road
        for side in (-1, 1):
            edge = road.edges[side > 0]
            if rng.random() < 0.3:
                s0 = start + rng.uniform(0, 40)
                yield self._house(rng, s0, s0 + rng.uniform(9, 14), edge + side * rng.uniform(7, 18), side)
            for _ in range(int(rng.poisson(9 * self._green))):
                s, d = start + rng.uniform(0, BLOCK), edge + side * (3.0 + rng.gamma(1.5, 6))
                yield self._tree(rng, s, d, 1.0)
            for _ in range(int(rng.poisson(4))):
                sprite = self._bushes[int(rng.integers(3))]
                d = edge + side * rng.uniform(1.8, 9)
                s = start + rng.uniform(0, BLOCK)
                yield Plant(s, d, sprite, sprite.metres * rng.uniform(0.7, 1.3), self.look)
            kind = str(rng.choice(["none", "rail", "planks", "hedge", "wall"], p=[0.4, 0.2, 0.15, 0.15, 0.1]))
            if kind != "none":
                d = edge + side * (0.9 if kind == "rail" else 3.2)
                yield from self._fence(start, 10, d, kind, rng.uniform(0.8, 1.5))
            if side > 0:
                yield Pole(start + 26, edge + 2.6, 8.0, 0.11, np.array([70.0, 88, 102]))
            else:  # a marker post
                yield Pole(start + 9, edge - 0.6, 1.0, 0.06, np.array([215.0, 218, 218]))
            if rng.random() < 0.5:
                yield self._sign(rng, start + rng.uniform(0, BLOCK), edge + side * 1.3)
        yield from self._pedestrians(rng, start, start + BLOCK, index, False)
        yield from self._riders(rng, start, index, 0.12)

    def _highway(self, rng: Rng, start: float, index: int, street: bool) -> Iterator[Actor]:
        road = self.road
        (left, right), inner = road.edges, -0.9
        yield from self._fence(start, 11, inner - 0.3, "rail" if self._rail else "wall", 0.8)
        if rng.random() < 0.6:
            yield from self._fence(start, 11, right + 0.5, "rail", 0.8)
        if index // 4 % 3 == 1:
            yield from self._fence(start, 11, right + 3.5, "wall", 3.2)
        for side, edge in ((-1, left), (1, right)):
            for _ in range(int(rng.poisson(10 * self._green))):
                s, d = start + rng.uniform(0, BLOCK), edge + side * (5 + rng.gamma(1.5, 7))
                yield self._tree(rng, s, d, 1.1)
        if index % 2 == 0:
            yield Pole(start + 30, right + 1.2, 10.0, 0.1, np.array([140.0, 142, 142]), 2.5, lamp=True)
        if rng.random() < 0.3:
            yield Sign(start + 25, right + 3.2, 2.2, self._board, 2.2, (-1.6, 1.6))
        if rng.random() < 0.5:
            yield self._sign(rng, start + 50, right + 0.8)
        if index % 7 == 5:
            yield Bridge(start + 20, left - 14, right + 14, (left - 4, inner - 0.3, right + 4), self.look)

    # -- single things

    def _house(self, rng: Rng, s0: float, s1: float, d: float, side: int, neighbour: float = 0.0) -> Building:
        """A house; `neighbour` is the height of the one that its near end leans on."""
        fronts = self._fronts[side]
        picture, end = fronts[int(rng.integers(len(fronts)))]
        ridge = float(rng.uniform(1.5, 3.2)) if picture.metres < 11 and rng.random() < 0.75 else 0.0
        roof = np.array(_ROOFS[int(rng.integers(len(_ROOFS)))], float)
        lit = roof * self.look.light(np.array([-side * 0.6, 0.0, 0.8]))
        shift, detached = max(0.0, float(rng.uniform(0, 14 - (s1 - s0)))), picture.metres + ridge > neighbour
        return Building(s0, s1, d, 9.0, ridge, picture, end, lit, shift, self.look, detached)

    def _garden(self, rng: Rng, s0: float, s1: float, d: float, side: int) -> Iterator[Actor]:
        kind = str(rng.choice(["planks", "wall", "hedge", "railings"]))
        yield from self._fence(s0, max(int((s1 - s0) // 6), 1), d, kind, rng.uniform(1.0, 2.0))
        for _ in range(int(rng.integers(1, 5))):
            yield self._tree(rng, rng.uniform(s0 + 1, s1 - 1), d + side * rng.uniform(2, 12), 1.0)

    def _fence(self, s0: float, count: int, d: float, kind: str, high: float) -> Iterator[Fence]:
        low, high = (0.42, 0.76) if kind == "rail" else (0.0, high)
        label = {"hedge": VEGETATION, "wall": BUILDING}.get(kind, FENCE)
        post = np.array([120.0, 122, 122]) * self.look.ambient if kind == "rail" else None
        for k in range(count):
            yield Fence(s0 + 6 * k, s0 + 6 * k + 6, d, low, high, self._fences[kind], label, post)

    def _tree(self, rng: Rng, s: float, d: float, scale: float) -> Plant:
        sprite = self._trees[int(rng.integers(len(self._trees)))]
        metres = sprite.metres * float(rng.uniform(0.75, 1.3)) * scale
        return Plant(float(s), float(d), sprite, metres, self.look)

    def _sign(self, rng: Rng, s: float, d: float) -> Sign:
        face, metres = self._signs[int(rng.integers(len(self._signs)))]
        return Sign(float(s), float(d), float(rng.uniform(1.9, 2.5)), face, metres)

    def _parked(self, rng: Rng, s0: float, s1: float, side: int, index: int) -> Iterator[Vehicle]:
        at, number = s0, 0
        while at < s1 - 3 and number < 8:
            lit = self.fleet.pick(rng, side if rng.random() < 0.85 else -side)
            taken = rng.random() < 0.35 + 0.3 * min(self.fleet.density, 1.5)
            if taken and lit.mesh.length < 7 and at + lit.mesh.length < s1:
                d = self.road.parking[side > 0] + rng.normal(0, 0.08)
                key = VEHICLE * 1000 + 1 + (index * 16 + 8 * (side > 0) + number) % 600
                yield Vehicle(lit, fixed(at + lit.mesh.length / 2, d), key)
            at += min(lit.mesh.length, 6.0) + rng.uniform(0.6, 2.0)
            number += 1

    def _pedestrians(self, rng: Rng, s0: float, s1: float, index: int, street: bool) -> Iterator[Person]:
        road, motion = self.road, self.motion
        for number in range(min(int(rng.poisson(5 * self._crowd)), 16)):
            side = int(rng.choice([-1, 1]))
            s, pace = rng.uniform(s0, s1), rng.choice([-1.35, -1.2, 1.1, 1.4, 0.0]) * rng.uniform(0.85, 1.1)
            d = road.edges[side > 0] + side * rng.uniform(0.7, max(min(road.frontage, 4.0) - 0.4, 0.9))
            path = pacing(float(s), float(d), float(pace), motion.arrival(s))
            yield self._person(rng, path, index * 24 + number, False, pace >= 0)
        for number in range(min(int(rng.poisson(1.5 * self._crowd)), 6) if street else 0):
            s = s0 - JUNCTION - rng.uniform(2.4, 4.8)
            pace = float(rng.choice([-1.0, 1.0]) * rng.uniform(1.1, 1.6))
            passing = motion.arrival(s) - rng.uniform(2.0, 8.0)
            path = crossing(s, road.ego, pace, passing, (road.edges[0] - 1.2, road.edges[1] + 1.2))
            yield self._person(rng, path, index * 24 + 16 + number, True, False)

    def _person(self, rng: Rng, path: Path, key: int, aside: bool, back: bool) -> Person:
        who = self._people[int(rng.integers(len(self._people)))]
        height = float(rng.uniform(1.55, 1.9)) if rng.random() < 0.88 else float(rng.uniform(1.05, 1.4))
        return Person(self.figures, who, path, height, PEDESTRIAN * 1000 + 1 + key % 984, aside, back)

    def _riders(self, rng: Rng, start: float, index: int, chance: float) -> Iterator[Rider]:
        for number, (side, heading) in enumerate(((1, 1), (-1, -1))):
            if rng.random() < chance:
                motor = bool(rng.random() < 0.3)
                inward = (2.9 if self.road.parking else 0.6) + rng.uniform(0, 0.4)
                d = self.road.edges[side > 0] - side * inward
                s = start + rng.uniform(0, BLOCK)
                path = pacing(s, d, heading * rng.uniform(3.5, 6), self.motion.arrival(s))
                who = self._people[int(rng.integers(len(self._people)))]
                key = TWO_WHEELER * 1000 + 1 + (index * 2 + number) % 998
                yield Rider(self.figures, who, path, key, heading > 0, motor)
