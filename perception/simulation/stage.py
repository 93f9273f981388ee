"""Where the actors of a frame put what they draw."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from perception.simulation.camera import NEAREST, View
from perception.simulation.canvas import Colour, Cutout, Glow, Light, Panel, Polygon, fixed
from perception.simulation.look import Look
from perception.simulation.road import Floats
from perception.simulation.textures import Sprite


class Actor(Protocol):
    """Something in the world. `reach` is how far it is seen, in metres."""

    reach: float

    def place(self, station: float, time: float) -> tuple[float, Floats]:
        """The station by which it is ordered from far to near, and the points (n, 3) s, d, h that it wants projected."""
        ...

    def draw(self, stage: "Stage", points: Floats) -> None:
        """Draw with the projected points (n, 3) u, v, depth."""
        ...


class Stage:
    """Collects, from far to near, what is drawn in one frame."""

    def __init__(self, view: View, look: Look, time: float) -> None:
        self.view, self.look, self.time = view, look, time
        self.items: list[Polygon | Cutout | Panel | Glow] = []
        self.shadows: list[npt.NDArray[np.int32]] = []
        self.clip = view.intrinsics.height

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
        together = np.concatenate([points for _, _, points in cast])
        projected = self.view.project(together[:, 0], together[:, 1], together[:, 2])
        start = 0
        for (_, actor, points), clip in zip(cast, clips, strict=True):
            self.clip = clip
            actor.draw(self, projected[start : start + len(points)])
            start += len(points)

    def light(self, distance: float, beam: float = 0.0) -> Light:
        """Gain and haze at a distance; `beam` is the headlights' light on it relative to the ambient light."""
        clear = self.look.clear(distance)
        return clear * (1 + beam), tuple((self.look.haze * (1 - clear)).tolist())  # type: ignore[return-value]

    def beam(self, points: Floats) -> float:
        """The headlights' light on something at the first of these points, relative to the ambient light."""
        if not self.look.beams:
            return 0.0
        u, _, depth = points[0]
        k = self.view.intrinsics
        return self.look.beam(depth, (u - k.cx) * depth / k.focal) / float(self.look.ambient.mean())

    def polygon(
        self, points: Floats, colour: Colour, label: int, instance: int = 0, *, detail: bool = False
    ) -> None:
        """A convex face in its final colour."""
        self.items.append(Polygon(points, fixed(points[:, :2]), colour, label, instance, self.clip, detail))

    def shaded(self, points: Floats, colour: Floats, label: int, beam: float = 0.0) -> None:
        """A convex face in a lit colour, with haze by its distance."""
        gain, haze = self.light(float(points[:, 2].min()), beam)
        self.polygon(points, tuple((colour * gain + haze).tolist()), label)  # type: ignore[arg-type]

    def shadow(self, points: Floats) -> None:
        """The hull of projected ground points, darkened."""
        if points[:, 2].max() > NEAREST + 0.2:
            corners = fixed(points[:, :2] - (0, self.view.horizon))
            self.shadows.append(corners)

    def cutout(
        self, sprite: Sprite, foot: Floats, label: int, instance: int = 0, metres: float | None = None, beam: float = 0.0
    ) -> None:
        """A sprite standing on its projected foot (3,)."""
        u, v, depth = foot.tolist()
        if depth < 1.2:
            return
        k = self.view.intrinsics
        rows, columns = sprite.shape
        scale = (metres or sprite.metres) * k.focal / depth / rows
        left, top = u - columns * scale / 2, v - rows * scale
        box = self._box(left, top, u + columns * scale / 2, v)
        if box and rows * scale >= 1.5:
            self.items.append(
                Cutout(sprite, left, top, scale, depth, box, self.light(depth, beam), label, instance)
            )

    def panel(self, texture: Sprite, points: Floats, corners: Floats, label: int) -> None:
        """A texture on a quadrilateral."""
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        box = self._box(low[0], low[1], high[0] + 1, high[1] + 1)
        if box and float(points[:, 2].max()) > NEAREST + 0.1 and high[0] - low[0] > 0.5:
            light = self.light(float(points[:, 2].mean()))
            self.items.append(Panel(texture, points, corners, box, light, label))

    def glow(self, at: Floats, metres: float, colour: Colour) -> None:
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
        left, right = max(int(np.floor(x0)), 0), min(int(np.ceil(x1)) + 1, k.width)
        top, bottom = max(int(np.floor(y0)), 0), min(int(np.ceil(y1)) + 1, k.height, self.clip)
        return (left, top, right, bottom) if right > left and bottom > top else None
