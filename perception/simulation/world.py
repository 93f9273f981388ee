"""The world along the road and the traffic in it.

Everything is a function of the seed, the place and the time alone, so that any moment can be drawn at once.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from perception.simulation.ground_texture import JUNCTION
from perception.simulation.look import Look
from perception.simulation.painting import Marks, line_segments
from perception.simulation.road import Road
from perception.simulation.stage import Actor
from perception.simulation.surroundings import BLOCK, Surroundings
from perception.simulation.traffic import VEHICLE, Fleet, LitMesh, Motion, Vehicle, fixed
from perception.types import Doubles, Rng

_AHEAD = 340.0  # metres


class World:
    """Everything in one drive."""

    def __init__(self, scene: str, road: Road, look: Look, motion: Motion, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        self.road, self.motion, self._seed = road, motion, seed
        self._fleet = Fleet(scene, look, rng)
        self._surroundings = Surroundings(scene, road, look, motion, self._fleet, seed)
        self._streams = self._make_streams(rng)
        gaps = rng.uniform(9, 30, 5) / min(self._fleet.density, 1.0)
        self._queue = [float(gap) + 4 for gap in np.cumsum(gaps)]
        self._stream_vehicle = lru_cache(maxsize=512)(self._make_stream_vehicle)

    def actors(self, station: float, time: float) -> list[Actor]:
        """All that may be seen from a station at a time."""
        first = int(np.floor((station - 8) / BLOCK))
        last = int(np.floor((station + _AHEAD) / BLOCK))
        seen: list[Actor] = [
            actor for index in range(first, last + 1) for actor in self._surroundings.block(index).actors
        ]
        seen.extend(self._moving(station, time))
        return seen

    def marks(self, station: float) -> Marks:
        """All paint from the camera on to where it gets too thin to see."""
        blocks = [self._surroundings.block(int(np.floor(station / BLOCK)) + k) for k in (0, 1, 2)]
        lines = line_segments(self.road, station, self.street, self._surroundings.paint)
        return Marks(
            np.concatenate([lines.corners, *(block.marks.corners for block in blocks)]),
            np.concatenate([lines.strength, *(block.marks.strength for block in blocks)]),
        )

    def street(self, stations: Doubles) -> npt.NDArray[np.bool_]:
        """Whether a side street crosses at these stations."""
        index = np.floor(stations / BLOCK).astype(int)
        has = {
            int(k): self._surroundings.block(int(k)).street
            for k in np.unique(index)
            if abs(k * BLOCK - stations[-1]) < 2000
        }
        crossing = np.array([has.get(int(k), False) for k in index], bool)
        return crossing & (stations - index * BLOCK < JUNCTION)

    def _make_streams(self, rng: Rng) -> list[tuple[float, float, float, int]]:
        """The offset of each lane, speed along the road, mean distance between vehicles, and number."""
        streams, density = [], self._fleet.density
        for number, d in enumerate(self.road.ahead):
            if d != self.road.ego:
                speed = self.motion.speed + rng.uniform(-3, 3.5)
                streams.append((d, speed, rng.uniform(25, 60) / density, number))
        pace = self.motion.speed * rng.uniform(0.8, 1.2)
        for number, d in enumerate(self.road.oncoming, 5):
            streams.append((d, -pace - rng.uniform(0, 2), rng.uniform(25, 65) / density, number))
        return streams

    def _moving(self, station: float, time: float) -> Iterator[Actor]:
        for d, speed, gap, number in self._streams:
            first = int(np.floor((station - 10 - speed * time) / gap)) - 1
            last = int(np.ceil((station + 170 - speed * time) / gap)) + 1
            for k in range(first, last + 1):
                lit, jitter, drift = self._stream_vehicle(number, k, 1 if speed > 0 else -1)
                s = k * gap + jitter * max(gap - 15, 0) + speed * time
                yield Vehicle(lit, fixed(s, d + drift), VEHICLE * 1000 + 601 + number * 40 + k % 40)
        for k, gap in enumerate(self._queue):
            lit, _, drift = self._stream_vehicle(15, k, 1)
            away = gap + lit.mesh.length / 2 + (1.0 + 0.8 * k) * float(np.sin(0.23 * time + k))
            yield Vehicle(lit, fixed(station + away, self.road.ego + drift), VEHICLE * 1000 + 990 + k)

    def _make_stream_vehicle(self, number: int, k: int, heading: int) -> tuple[LitMesh, float, float]:
        rng = np.random.default_rng([self._seed, 3, number, k + 2**31])
        return self._fleet.pick(rng, heading), float(rng.random()), float(rng.normal(0, 0.18))
