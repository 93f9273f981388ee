"""Where the actors of a frame put what they draw."""

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from perception.simulation.camera import NEAREST, View
from perception.simulation.canvas import Colour, Cutout, Faces, Glow, Light, Panel, Polygon, fixed_point
from perception.simulation.look import Look
from perception.simulation.textures import Sprite
from perception.types import Doubles


class Actor(Protocol):
    """Something in the world. `reach` is how far it is seen, in metres."""

    reach: float

    def place(self, station: float, time: float) -> tuple[float, Doubles]:
        """The station that orders it from far to near, and points (n, 3) s, d, h to be projected."""
        ...

    def draw(self, stage: "Stage", points: Doubles) -> None:
        """Draw with the projected points (n, 3) u, v, depth."""
        ...


class Stage:
    """Collects, from far to near, what is drawn in one frame."""

    def __init__(self, view: View, look: Look, time: float) -> None:
        self.view, self.look, self.time = view, look, time
        self.items: list[Polygon | Faces | Cutout | Panel | Glow] = []
        self.shadows: list[npt.NDArray[np.int32]] = []
        self.clip = view.intrinsics.height
        self.lean = self.rise = 0.0  # of the road under the current actor, against the camera's
        self._ambient = float(look.ambient.mean())
        self._haze = [float(c) for c in look.haze]

    def play(self, actors: list[Actor]) -> None:
        """Draw the actors, far ones first."""
        station = self.view.pose.station
        cast = []
        for actor in actors:
            order, points = actor.place(station, self.time)
            if 0.6 < order - station < actor.reach:
                cast.append((order, actor, points))
        if not cast:
            return
        cast.sort(key=lambda entry: -entry[0])
        orders = np.array([entry[0] for entry in cast]) - station
        clips = self.view.clips(orders).tolist()
        leans, rises = self.view.lean(orders).tolist(), self.view.rise(orders).tolist()
        together = np.concatenate([points for _, _, points in cast])
        projected = self.view.project(together[:, 0], together[:, 1], together[:, 2])
        start = 0
        each = zip(cast, clips, leans, rises, strict=True)
        for (_, actor, points), self.clip, self.lean, self.rise in each:
            actor.draw(self, projected[start : start + len(points)])
            start += len(points)

    def light(self, distance: float, beam: float = 0.0) -> Light:
        """Gain and haze at a distance; `beam` is the headlights' light relative to the ambient."""
        clear = self.look.clear(distance)
        blue, green, red = self._haze
        return clear * (1 + beam), (blue * (1 - clear), green * (1 - clear), red * (1 - clear))

    def beam(self, points: Doubles) -> float:
        """The headlights' light on something at the first of these points, relative to the ambient light."""
        if not self.look.beams:
            return 0.0
        u, _, depth = points[0]
        k = self.view.intrinsics
        return self.look.beam(depth, (u - k.cx) * depth / k.focal) / self._ambient

    def polygon(
        self, points: Doubles, colour: Colour, label: int, instance: int = 0, *, detail: bool = False
    ) -> None:
        """A convex face in its final colour."""
        self.items.append(
            Polygon(points, fixed_point(points[:, :2]), colour, label, instance, self.clip, detail)
        )

    def shaded(self, points: Doubles, colour: Doubles, label: int, beam: float = 0.0) -> None:
        """A convex face in a lit colour, with haze by its distance."""
        gain, haze = self.light(float(points[0, 2]), beam)
        self.polygon(points, tuple((colour * gain + haze).tolist()), label)

    def shadow(self, points: Doubles) -> None:
        """The hull of projected ground points, darkened."""
        if max(points[:, 2].tolist()) > NEAREST + 0.2:
            self.shadows.append(fixed_point(points[:, :2] - (0, self.view.horizon)))

    def cutout(
        self, sprite: Sprite, foot: Doubles, label: int, instance: int, metres: float, beam: float
    ) -> None:
        """A sprite standing on its projected foot (3,)."""
        u, v, depth = foot.tolist()
        if depth < 1.2:
            return
        rows, columns = sprite.shape
        tall = metres * self.view.intrinsics.focal / depth
        wide = tall * columns / rows
        u, v = u + 0.5, v + 0.5  # from the middle of the first pixel to the picture's edge
        frame = (round(u - wide / 2), round(v - tall), round(u + wide / 2), round(v))
        box = self._box(*frame)
        if box and tall >= 2.5 and frame[2] > frame[0]:
            self.items.append(Cutout(sprite, frame, depth, box, self.light(depth, beam), label, instance))

    def panel(self, texture: Sprite, points: Doubles, corners: Doubles, label: int) -> None:
        """A texture on a quadrilateral, clockwise from its upper left corner."""
        us, vs, depths = points.T.tolist()
        left, right, top, bottom = min(us), max(us), min(vs), max(vs)
        if max(depths) < NEAREST + 0.1 or right - left < 0.5:
            return
        box = self._box(left, top, right + 2, bottom + 2)
        if box:
            (x0, y0), _, (x1, y1), _ = corners.tolist()
            across, up = (right - left) / max(x1 - x0, 1e-6), (bottom - top) / max(y1 - y0, 1e-6)
            light = self.light((depths[0] + depths[1]) / 2)
            if right - left < 9:  # too narrow for a texture
                colour = tuple(c * light[0] + haze for c, haze in zip(texture.average, light[1], strict=True))
                self.polygon(points, colour, label)  # type: ignore[arg-type]
                return
            self.items.append(Panel(texture, points, corners, across, up, box, light, label))

    def glow(self, at: Doubles, metres: float, colour: Colour) -> None:
        """Light scattered around a lamp; the image only."""
        u, v, depth = at.tolist()
        radius = metres * self.view.intrinsics.focal / depth
        if depth > 1.0 and radius > 1:
            radius = min(radius, self.view.intrinsics.width / 12)
            box = self._box(u - radius, v - radius, u + radius, v + radius)
            if box:
                self.items.append(Glow(u, v, radius, box, colour))

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int] | None:
        k = self.view.intrinsics
        left, right = max(math.floor(x0), 0), min(math.ceil(x1), k.width)
        top, bottom = max(math.floor(y0), 0), min(math.ceil(y1), k.height, self.clip)
        return (left, top, right, bottom) if right > left and bottom > top else None
