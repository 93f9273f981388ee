"""Meshes of convex faces, and how vehicles are put together from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from perception.types import Doubles

Colour = tuple[float, float, float]  # BGR under white light
Point = tuple[float, float, float]
Span = Sequence[float]  # from, to
TYRE, BLACK, RIM = (26, 26, 27), (32, 32, 34), (128, 130, 132)


class Kind(TypedDict, total=False):
    """What a face is, apart from its form.

    `detail` faces lie on the face before them and change the image only; a `lamp` shines at night; a face is
    drawn from `finest` pixels a metre on.
    """

    detail: bool
    lamp: bool
    finest: float


@dataclass(frozen=True)
class Mesh:
    """A vehicle in its own frame: metres ahead of its tail, to the right of its middle, above the road.

    `starts` (faces + 1,) cuts `vertices` (n, 3) into faces, which are listed in the order of drawing;
    `normals`, `centres`, `colours` are (faces, 3), the others as in Kind, one a face.
    """

    length: float
    width: float
    height: float
    vertices: Doubles
    starts: npt.NDArray[np.int64]
    normals: Doubles
    centres: Doubles
    colours: Doubles
    detail: list[bool]
    lamp: npt.NDArray[np.bool_]
    finest: Doubles


@dataclass
class MeshBuilder:
    """Collects faces."""

    faces: list[Doubles] = field(default_factory=list)
    normals: list[Doubles] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)

    def face(self, points: npt.ArrayLike, outward: Point, colour: Colour, **kind: Unpack[Kind]) -> None:
        """A convex face that looks roughly to `outward`; its exact normal is computed."""
        corners = np.asarray(points, np.float64)
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= np.linalg.norm(normal)
        self.faces.append(corners)
        self.normals.append(normal if normal @ np.array(outward) > 0 else -normal)
        self.colours.append(colour)
        self.kinds.append(kind)

    def pair(self, points: npt.ArrayLike, outward: Point, colour: Colour, **kind: Unpack[Kind]) -> None:
        """A face and its mirror image on the vehicle's other side."""
        self.face(points, outward, colour, **kind)
        ahead, right, up = outward
        self.face(np.asarray(points) * (1, -1, 1), (ahead, -right, up), colour, **kind)

    def end(self, a: float, across: Span, up: Span, ahead: int, colour: Colour, **kind: Unpack[Kind]) -> None:
        """An upright rectangle across the vehicle; `ahead` is 1 if it looks ahead, -1 if back."""
        (b0, b1), (h0, h1) = across, up
        self.face([(a, b0, h0), (a, b1, h0), (a, b1, h1), (a, b0, h1)], (ahead, 0, 0), colour, **kind)

    def ends(
        self, a: float, across: Span, up: Span, ahead: int, colour: Colour, **kind: Unpack[Kind]
    ) -> None:
        """Such a rectangle and its mirror image."""
        for sign in (1, -1):
            self.end(a, [sign * b for b in across], up, ahead, colour, **kind)

    def flanks(self, b: float, along: Span, up: Span, colour: Colour, **kind: Unpack[Kind]) -> None:
        """Upright rectangles along both sides of the vehicle."""
        (a0, a1), (h0, h1) = along, up
        self.pair([(a0, b, h0), (a1, b, h0), (a1, b, h1), (a0, b, h1)], (0, 1, 0), colour, **kind)

    def wheels(self, a: float, b: float, radius: float) -> None:
        """The outer sides of an axle's wheels."""
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        rings = ((1.18, BLACK, 8.0), (1.0, TYRE, 0.0), (0.62, RIM, 10.0), (0.2, BLACK, 30.0))
        for scale, colour, finest in rings:
            r = radius * scale
            ring = np.stack([a + r * np.cos(angle), np.full(12, b), radius + r * np.sin(angle)], 1)
            if scale > 1:  # the arch
                ring = ring[ring[:, 2] > radius * 0.6]
            self.pair(ring, (0, 1, 0), colour, detail=scale != 1.0, finest=finest)

    def treads(self, a: float, inner: float, outer: float, radius: float) -> None:
        """The backs and the fronts of an axle's wheels."""
        for ahead in (-1, 1):
            self.ends(a + ahead * radius * 0.95, (inner, outer), (0, 1.6 * radius), ahead, TYRE)

    def mesh(self, length: float, width: float, height: float) -> Mesh:
        return Mesh(
            length,
            width,
            height,
            np.concatenate(self.faces),
            np.cumsum([0, *[len(face) for face in self.faces]]),
            np.array(self.normals),
            np.array([face.mean(0) for face in self.faces]),
            np.array(self.colours, np.float64),
            [kind.get("detail", False) for kind in self.kinds],
            np.array([kind.get("lamp", False) for kind in self.kinds]),
            np.array([kind.get("finest", 0.0) for kind in self.kinds]),
        )


def on(quad: Sequence[Point], across: tuple[float, float], up: tuple[float, float]) -> Doubles:
    """(4, 3): the part of a face, given by two lower and two upper corners, between shares of its sides."""
    q = np.asarray(quad, np.float64)

    def at(x: float, y: float) -> Doubles:
        lower, upper = q[0] + x * (q[1] - q[0]), q[3] + x * (q[2] - q[3])
        return np.asarray(lower + y * (upper - lower))

    (x0, x1), (y0, y1) = across, up
    return np.array([at(x0, y0), at(x1, y0), at(x1, y1), at(x0, y1)])
