"""Vehicles as meshes of flat faces."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from perception.simulation.road import Floats

GLASS, TYRE, BLACK = (58, 50, 44), (26, 26, 27), (32, 32, 34)
PAINTS = (
    (228, 230, 230), (196, 198, 200), (150, 152, 154), (70, 72, 75), (34, 34, 36), (38, 34, 150), (130, 62, 30),
    (86, 40, 22), (60, 92, 44), (50, 110, 170), (40, 170, 215), (120, 140, 150), (30, 40, 90), (165, 130, 70),
)  # fmt: skip


@dataclass
class Mesh:
    """Faces of a vehicle in its own frame: metres ahead of its tail, to the right of its middle, above the road.

    `starts` (faces + 1,) cuts `vertices` (n, 3) into convex faces; `detail` faces lie on the face before them;
    `lamp` faces shine at night; a face is drawn from `finest` pixels a metre on.
    """

    length: float
    width: float
    height: float
    vertices: Floats
    starts: npt.NDArray[np.int64]
    normals: Floats
    centres: Floats
    colours: Floats
    detail: list[bool]
    lamp: npt.NDArray[np.bool_]
    finest: Floats


@dataclass
class _Builder:
    faces: list[Floats] = field(default_factory=list)
    colours: list[tuple[float, ...]] = field(default_factory=list)
    detail: list[bool] = field(default_factory=list)
    lamp: list[bool] = field(default_factory=list)
    finest: list[float] = field(default_factory=list)
    outward: list[Floats] = field(default_factory=list)

    def add(
        self, points: npt.ArrayLike, outward: tuple[float, float, float], colour: tuple[float, ...], *,
        detail: bool = False, lamp: bool = False, finest: float = 0.0,
    ) -> None:  # fmt: skip
        """A face that looks roughly to `outward`; its exact normal is computed."""
        corners = np.asarray(points, np.float64)
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= np.linalg.norm(normal)
        self.faces.append(corners)
        self.outward.append(normal if normal @ np.array(outward) > 0 else -normal)
        self.colours.append(colour)
        self.detail.append(detail)
        self.lamp.append(lamp)
        self.finest.append(finest)

    def both(
        self, points: npt.ArrayLike, outward: tuple[float, float, float], colour: tuple[float, ...], *,
        detail: bool = False, lamp: bool = False, finest: float = 0.0,
    ) -> None:  # fmt: skip
        """A face and its mirror image on the other side."""
        mirror = np.array([1.0, -1.0, 1.0])
        corners = np.asarray(points, np.float64)
        for sign in (np.ones(3), mirror):
            side = tuple(np.array(outward) * sign)
            self.add(corners * sign, side, colour, detail=detail, lamp=lamp, finest=finest)  # type: ignore[arg-type]

    def wheel(self, a: float, b: float, radius: float) -> None:
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        for scale, colour, finest in ((1.18, BLACK, 8.0), (1.0, TYRE, 0.0), (0.62, (128, 130, 132), 10.0), (0.2, BLACK, 30.0)):
            ring = np.stack([a + radius * scale * np.cos(angle), np.full(12, b), radius + radius * scale * np.sin(angle)], 1)
            if scale > 1:
                ring = ring[ring[:, 2] > radius * 0.6]
            self.both(ring, (0, 1, 0), colour, detail=scale != 1.0, finest=finest)

    def mesh(self, length: float, width: float, height: float) -> Mesh:
        starts = np.cumsum([0, *[len(face) for face in self.faces]])
        centres = np.array([face.mean(0) for face in self.faces])
        return Mesh(
            length, width, height, np.concatenate(self.faces), starts, np.array(self.outward), centres,
            np.array(self.colours, np.float64), self.detail, np.array(self.lamp), np.array(self.finest),
        )  # fmt: skip


def car(rng: np.random.Generator) -> Mesh:
    """A hatchback, saloon, estate or off-roader."""
    kind = rng.choice(["hatch", "saloon", "estate", "tall"], p=[0.35, 0.3, 0.15, 0.2])
    length = {"hatch": 4.0, "saloon": 4.6, "estate": 4.7, "tall": 4.5}[str(kind)] * rng.uniform(0.94, 1.06)
    width = rng.uniform(1.72, 1.9)
    belt, height = (1.02, rng.uniform(1.62, 1.8)) if kind == "tall" else (0.9, rng.uniform(1.4, 1.52))
    paint = tuple(float(c) for c in np.array(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.9, 1.08))
    w, sill = width / 2, 0.3
    boot = 0.75 if kind == "saloon" else 0.08
    roof_back = boot + {"hatch": 0.45, "saloon": 0.75, "estate": 0.3, "tall": 0.3}[str(kind)]
    screen, roof_front = length - 1.0, length - 1.75
    nose = belt - rng.uniform(0.12, 0.22)
    b = _Builder()
    corner = 0.22
    plan = [(0.0, w * 0.86), (corner, w), (screen, w), (length - 0.35, w), (length, w * 0.74)]
    tops = [belt, belt + 0.02, belt + 0.02, nose + 0.05, nose]
    dark = tuple(c * 0.45 for c in paint)
    # Wheels first: the body hides their upper part only where it is wider.
    for a in (0.78, length - 0.85):
        b.add([(a - 0.3, -w * 0.9, 0), (a - 0.3, -w * 0.5, 0), (a - 0.3, -w * 0.5, 0.5), (a - 0.3, -w * 0.9, 0.5)], (-1, 0, 0), TYRE)
        b.add([(a - 0.3, w * 0.9, 0), (a - 0.3, w * 0.5, 0), (a - 0.3, w * 0.5, 0.5), (a - 0.3, w * 0.9, 0.5)], (-1, 0, 0), TYRE)
        b.add([(a + 0.3, -w * 0.9, 0), (a + 0.3, -w * 0.5, 0), (a + 0.3, -w * 0.5, 0.5), (a + 0.3, -w * 0.9, 0.5)], (1, 0, 0), TYRE)
        b.add([(a + 0.3, w * 0.9, 0), (a + 0.3, w * 0.5, 0), (a + 0.3, w * 0.5, 0.5), (a + 0.3, w * 0.9, 0.5)], (1, 0, 0), TYRE)
    for (a0, b0), (a1, b1), h0, h1 in zip(plan, plan[1:], tops, tops[1:], strict=False):
        b.both([(a0, b0, sill), (a1, b1, sill), (a1, b1, h1), (a0, b0, h0)], (-(b1 - b0), a1 - a0, 0), paint)
        b.both([(a0, b0, sill - 0.08), (a1, b1, sill - 0.08), (a1, b1, sill + 0.07), (a0, b0, sill + 0.07)], (-(b1 - b0), a1 - a0, 0), dark, finest=6.0)
    b.both([(corner, w + 0.005, belt - 0.12), (length - 0.4, w + 0.005, nose - 0.08), (length - 0.4, w + 0.005, nose - 0.04), (corner, w + 0.005, belt - 0.08)], (0, 1, 0), tuple(min(c * 1.25 + 8, 255) for c in paint), detail=True, finest=12.0)
    for a in (length * 0.3, length * 0.53, length * 0.74):
        b.both([(a, w + 0.005, sill + 0.1), (a + 0.025, w + 0.005, sill + 0.1), (a + 0.025, w + 0.005, belt - 0.02), (a, w + 0.005, belt - 0.02)], (0, 1, 0), dark, detail=True, finest=25.0)
    for a in (0.78, length - 0.85):
        b.wheel(a, w + 0.01, 0.315)
    r = w * 0.86
    b.add([(0, -r, sill), (0, r, sill), (0, r, belt), (0, -r, belt)], (-1, 0, 0), paint)
    b.add([(0, -r, sill - 0.08), (0, r, sill - 0.08), (0, r, sill + 0.16), (0, -r, sill + 0.16)], (-1, 0, 0), dark, finest=6.0)
    b.add([(0, -r, belt - 0.07), (0, r, belt - 0.07), (0, r, belt), (0, -r, belt)], (-1, 0, 0), tuple(min(c * 1.18 + 6, 255) for c in paint), detail=True, finest=8.0)
    lamp_height = rng.uniform(0.14, 0.3)
    inner = rng.uniform(0.5, 0.68)
    b.both([(-0.01, r * inner, belt - 0.08 - lamp_height), (-0.01, r, belt - 0.08 - lamp_height), (-0.01, r, belt - 0.06), (-0.01, r * inner, belt - 0.06)], (-1, 0, 0), (32, 30, 175), detail=True, lamp=True)
    b.both([(-0.005, r, belt - 0.08 - lamp_height), (corner, w + 0.01, belt - 0.06 - lamp_height), (corner, w + 0.01, belt - 0.1), (-0.005, r, belt - 0.06)], (-1, 1, 0), (32, 30, 165), detail=True, finest=8.0)
    plate = (120, 215, 232) if rng.random() < 0.4 else (226, 228, 228)
    b.add([(-0.01, -0.26, 0.5), (-0.01, 0.26, 0.5), (-0.01, 0.26, 0.61), (-0.01, -0.26, 0.61)], (-1, 0, 0), plate, detail=True, finest=8.0)
    f = w * 0.74
    b.add([(length, -f, sill), (length, f, sill), (length, f, nose), (length, -f, nose)], (1, 0, 0), paint)
    b.add([(length, -f, sill - 0.08), (length, f, sill - 0.08), (length, f, sill + 0.13), (length, -f, sill + 0.13)], (1, 0, 0), dark, finest=6.0)
    b.add([(length + 0.01, -f * 0.5, nose - 0.26), (length + 0.01, f * 0.5, nose - 0.26), (length + 0.01, f * 0.5, nose - 0.08), (length + 0.01, -f * 0.5, nose - 0.08)], (1, 0, 0), BLACK, detail=True, finest=8.0)
    b.add([(length + 0.01, -0.26, 0.42), (length + 0.01, 0.26, 0.42), (length + 0.01, 0.26, 0.53), (length + 0.01, -0.26, 0.53)], (1, 0, 0), (226, 228, 228), detail=True, finest=8.0)
    b.both([(length + 0.01, f * 0.58, nose - 0.24), (length + 0.01, f, nose - 0.22), (length + 0.01, f, nose - 0.07), (length + 0.01, f * 0.58, nose - 0.09)], (1, 0, 0), (235, 238, 238), detail=True, lamp=True)
    b.both([(length, f, nose - 0.22), (length - 0.33, w, nose - 0.12), (length - 0.33, w, nose), (length, f, nose - 0.07)], (1, 1, 0), (215, 218, 218), detail=True, finest=8.0)
    # Decks: boot and bonnet, then the greenhouse on them.
    if boot > 0.3:
        b.add([(0, -r, belt), (corner, -w, belt), (boot, -w, belt + 0.02), (boot, w, belt + 0.02), (corner, w, belt), (0, r, belt)], (0, 0, 1), paint)
    b.add([(screen - 0.1, -w, belt + 0.02), (screen - 0.1, w, belt + 0.02), (length - 0.35, w, nose + 0.05), (length, f, nose), (length, -f, nose), (length - 0.35, -w, nose + 0.05)], (0, 0, 1), paint)
    g, t = w * 0.97, w * 0.76
    base_back = boot * 0.9 + 0.02
    back = [(base_back, -g * 0.95, belt), (base_back, g * 0.95, belt), (roof_back, t, height - 0.03), (roof_back, -t, height - 0.03)]
    wind = [(screen, -g * 0.95, belt), (screen, g * 0.95, belt), (roof_front, t, height - 0.03), (roof_front, -t, height - 0.03)]
    b.both([(base_back, g * 0.95, belt), (screen, g * 0.95, belt), (roof_front, t, height - 0.03), (roof_back, t, height - 0.03)], (0, 1, 0.2), paint)
    b.add(back, (-1, 0, 0.2), paint)
    b.add(wind, (1, 0, 0.2), paint)
    b.add([(roof_back, -t, height - 0.03), (roof_back, t, height - 0.03), (roof_front, t, height - 0.03), (roof_front, -t, height - 0.03)], (0, 0, 1), paint)
    b.add([(roof_back + 0.1, -t * 0.8, height), (roof_back + 0.1, t * 0.8, height), (roof_front - 0.1, t * 0.8, height), (roof_front - 0.1, -t * 0.8, height)], (0, 0, 1), paint)
    b.add(_inset(back, 0.86, 0.8), (-1, 0, 0.2), GLASS, detail=True)
    b.add(_inset(back, 0.8, 0.35, 0.62), (-1, 0, 0.2), (96, 88, 80), detail=True, finest=12.0)
    b.add(_inset(wind, 0.9, 0.86), (1, 0, 0.2), GLASS, detail=True)
    b.add(_inset(wind, 0.84, 0.35, 0.62), (1, 0, 0.2), (104, 96, 88), detail=True, finest=12.0)
    _side_windows(b, base_back, screen, roof_back, roof_front, g * 0.95, t, belt, height - 0.03)
    b.both([(screen - 0.25, w, belt + 0.04), (screen - 0.25, w + 0.16, belt + 0.04), (screen - 0.25, w + 0.16, belt + 0.17), (screen - 0.25, w, belt + 0.17)], (-1, 0, 0), dark, finest=14.0)
    return b.mesh(length, width, height)


def _inset(quad: list[tuple[float, float, float]], across: float, up: float, centre: float = 0.5) -> Floats:
    """A smaller quadrilateral on a face of two lower and two upper corners, a hair in front of it."""
    q = np.array(quad)
    low, high = centre - up / 2, centre + up / 2
    left, right = 0.5 - across / 2, 0.5 + across / 2

    def at(x: float, y: float) -> Floats:
        lower, upper = q[0] + x * (q[1] - q[0]), q[3] + x * (q[2] - q[3])
        return np.asarray(lower + y * (upper - lower))

    return np.array([at(left, low), at(right, low), at(right, high), at(left, high)])


def _side_windows(
    b: _Builder, a0: float, a1: float, top0: float, top1: float, low: float, high: float, belt: float, roof: float
) -> None:
    quad = [(a0, low, belt), (a1, low, belt), (top1, high, roof), (top0, high, roof)]
    q = np.array(quad)

    def at(x: float, y: float) -> Floats:
        lower, upper = q[0] + x * (q[1] - q[0]), q[3] + x * (q[2] - q[3])
        return np.asarray(lower + y * (upper - lower) + (0, 0.005, 0))

    for x0, x1 in ((0.06, 0.27), (0.3, 0.56), (0.59, 0.93)):
        b.both([at(x0, 0.12), at(x1, 0.12), at(x1, 0.86), at(x0, 0.86)], (0, 1, 0.2), GLASS, detail=True)
        b.both([at(x0, 0.55), at(x1, 0.5), at(x1, 0.86), at(x0, 0.86)], (0, 1, 0.2), (92, 84, 76), detail=True, finest=16.0)


def box_vehicle(rng: np.random.Generator, kind: str) -> Mesh:
    """A van, bus or truck."""
    length, width, height = {
        "van": (rng.uniform(4.8, 6.0), 1.98, rng.uniform(1.95, 2.6)),
        "bus": (rng.uniform(10.5, 12.2), 2.5, rng.uniform(3.0, 3.3)),
        "truck": (rng.uniform(7.5, 12.5), 2.48, rng.uniform(3.3, 3.9)),
    }[kind]
    paint = tuple(float(c) for c in np.array(PAINTS[rng.integers(len(PAINTS))]))
    if kind == "van" and rng.random() < 0.6:
        paint = (226.0, 229.0, 230.0)
    cab_paint = tuple(float(c) for c in np.array(PAINTS[rng.integers(len(PAINTS))])) if kind == "truck" else paint
    w, floor = width / 2, 0.42 if kind == "van" else 0.5
    dark = (48, 48, 50)
    b = _Builder()
    radius = 0.34 if kind == "van" else 0.5
    axles = (0.22 * length, length - (0.95 if kind == "van" else 1.6))
    for a in axles:
        for sign in (-1, 1):
            for face in (-1, 1):
                x = a + face * radius * 0.9
                b.add([(x, sign * w * 0.95, 0), (x, sign * w * 0.55, 0), (x, sign * w * 0.55, 2 * radius), (x, sign * w * 0.95, 2 * radius)], (face, 0, 0), TYRE)
    cab = length - (2.1 if kind == "truck" else 0.0)
    slope = {"van": 0.9, "bus": 0.12, "truck": 0.15}[kind]
    parts = [(0.0, cab - (0.15 if kind == "truck" else 0.0), height, paint, 0.0 if kind == "truck" else slope)]
    if kind == "truck":
        parts = [(cab, length, min(2.9, height), cab_paint, slope), *parts]
    for a0, a1, top, colour, lean in parts:
        waist = top * 0.5 if lean > 0.5 else floor + 0.4
        front_top = a1 - lean
        b.both([(a0, w, floor), (a1, w, floor), (a1, w, waist), (front_top, w, top), (a0, w, top)], (0, 1, 0), colour)
        b.add([(a0, -w, floor), (a0, w, floor), (a0, w, top), (a0, -w, top)], (-1, 0, 0), colour)
        b.add([(a1, -w, floor), (a1, w, floor), (a1, w, waist), (a1, -w, waist)], (1, 0, 0), colour)
        b.add([(a1, -w, waist), (a1, w, waist), (front_top, w, top), (front_top, -w, top)], (1, 0, 0.2), colour)
        b.add([(a0, -w, top), (a0, w, top), (front_top, w, top), (front_top, -w, top)], (0, 0, 1), colour)
    b.both([(0, w + 0.005, floor), (length, w + 0.005, floor), (length, w + 0.005, floor + 0.16), (0, w + 0.005, floor + 0.16)], (0, 1, 0), dark, detail=True, finest=6.0)
    for a in axles:
        b.wheel(a, w + 0.012, radius)
    _box_details(b, kind, rng, length, w, height, floor, slope, cab)
    return b.mesh(length, width, height)


def _box_details(
    b: _Builder, kind: str, rng: np.random.Generator, length: float, w: float, height: float, floor: float, slope: float, cab: float
) -> None:
    def rear(y0: float, y1: float, h0: float, h1: float, colour: tuple[float, ...], **flags: bool | float) -> None:
        b.add([(-0.01, y0, h0), (-0.01, y1, h0), (-0.01, y1, h1), (-0.01, y0, h1)], (-1, 0, 0), colour, detail=True, **flags)  # type: ignore[arg-type]

    def side(a0: float, a1: float, h0: float, h1: float, colour: tuple[float, ...], **flags: bool | float) -> None:
        b.both([(a0, w + 0.008, h0), (a1, w + 0.008, h0), (a1, w + 0.008, h1), (a0, w + 0.008, h1)], (0, 1, 0), colour, detail=True, **flags)  # type: ignore[arg-type]

    rear(-w, w, floor, floor + 0.2, (52, 52, 54), finest=4.0)
    rear(-0.28, 0.28, floor + 0.24, floor + 0.36, (222, 224, 224), finest=8.0)
    for sign in (-1, 1):
        rear(sign * w * 0.97, sign * w * 0.8, floor + 0.28, floor + (0.75 if kind == "van" else 0.45), (32, 30, 175), lamp=True)
        b.add([(length + 0.01, sign * w * 0.6, floor + 0.22), (length + 0.01, sign * w * 0.95, floor + 0.22), (length + 0.01, sign * w * 0.95, floor + 0.42), (length + 0.01, sign * w * 0.6, floor + 0.42)], (1, 0, 0), (235, 238, 238), detail=True, lamp=True)
    if kind == "truck":
        rear(-0.02, 0.02, floor + 0.2, height - 0.1, (70, 70, 72), finest=8.0)
        stripe = tuple(float(c) for c in rng.uniform(20, 230, 3))
        side(0.6, cab - 0.8, height * 0.5, height * 0.68, stripe, finest=3.0)
        side(cab + 0.4, length - 0.35, 1.55, 2.3, GLASS)
        top = min(2.9, height)
        b.add(_inset([(length, -w, floor + 0.7), (length, w, floor + 0.7), (length - slope, w, top), (length - slope, -w, top)], 0.9, 0.42, 0.62), (1, 0, 0), GLASS, detail=True)
        return
    if kind == "bus":
        for k in range(int(length // 1.5)):
            side(0.35 + k * 1.5, 1.7 + k * 1.5 - 0.08, 1.25, 2.45, GLASS)
        rear(-w * 0.85, w * 0.85, 1.5, height - 0.5, GLASS)
        b.add([(length + 0.01, -w * 0.92, 1.1), (length + 0.01, w * 0.92, 1.1), (length - slope, w * 0.92, height - 0.45), (length - slope, -w * 0.92, height - 0.45)], (1, 0, 0.1), GLASS, detail=True)
        b.add([(length - slope + 0.02, -w * 0.6, height - 0.4), (length - slope + 0.02, w * 0.6, height - 0.4), (length - slope + 0.02, w * 0.6, height - 0.12), (length - slope + 0.02, -w * 0.6, height - 0.12)], (1, 0, 0), (40, 160, 240), detail=True, lamp=True, finest=8.0)
        return
    waist = height * 0.5
    windscreen = [(length, -w, waist), (length, w, waist), (length - slope, w, height), (length - slope, -w, height)]
    b.add(_inset(windscreen, 0.88, 0.74), (1, 0, 0.2), GLASS, detail=True)
    side(length - 1.9, length - slope * 0.75, waist + 0.08, waist + 0.55, GLASS)
    if rng.random() < 0.5:
        side(1.0, length - 2.1, waist + 0.08, waist + 0.55, GLASS)
    for sign in (-1, 1):
        rear(sign * 0.05, sign * w * 0.78, waist + 0.1, height - 0.35, GLASS)
    rear(-0.015, 0.015, floor + 0.2, height - 0.1, (60, 60, 62), finest=8.0)
