"""The vehicles: cars, vans, buses and trucks of varied size and colour."""

import numpy as np

from perception.simulation.mesh import BLACK, Colour, Mesh, MeshBuilder, Point, on
from perception.types import Rng

GLASS, SHEEN, BUMPER = (58, 50, 44), (98, 90, 82), (52, 52, 54)
TAIL, HEAD, PLATE = (32, 30, 175), (235, 238, 238), (226, 228, 228)
PAINTS = (
    (228, 230, 230), (196, 198, 200), (150, 152, 154), (70, 72, 75), (34, 34, 36), (38, 34, 150),
    (130, 62, 30),
    (86, 40, 22), (60, 92, 44), (50, 110, 170), (40, 170, 215), (120, 140, 150), (30, 40, 90), (165, 130, 70),
)  # fmt: skip


Pair = tuple[float, float]
UP = (0.0, 0.0, 1.0)


def _paint(rng: Rng) -> Colour:
    blue, green, red = np.array(PAINTS[int(rng.integers(len(PAINTS)))]) * rng.uniform(0.9, 1.08)
    return float(blue), float(green), float(red)


def _tone(colour: Colour, factor: float, offset: float = 0.0) -> Colour:
    blue, green, red = (min(c * factor + offset, 255.0) for c in colour)
    return blue, green, red


def car(rng: Rng) -> Mesh:
    """A hatchback, saloon, estate or off-roader."""
    kind = str(rng.choice(["hatch", "saloon", "estate", "tall"], p=[0.35, 0.3, 0.15, 0.2]))
    length = {"hatch": 4.0, "saloon": 4.6, "estate": 4.7, "tall": 4.5}[kind] * rng.uniform(0.94, 1.06)
    width = rng.uniform(1.72, 1.9)
    belt, height = (1.02, rng.uniform(1.62, 1.8)) if kind == "tall" else (0.9, rng.uniform(1.4, 1.52))
    boot = 0.75 if kind == "saloon" else 0.08
    roof = boot + {"hatch": 0.45, "saloon": 0.75, "estate": 0.3, "tall": 0.3}[kind], length - 1.75
    paint, screen, nose = _paint(rng), length - 1.0, belt - rng.uniform(0.12, 0.22)
    b, w = MeshBuilder(), width / 2
    # Mirrors and the insides of wheels come first, for the body to hide what is behind it.
    mirror = _tone(paint, 0.6)
    for ahead in (-1, 1):
        b.ends(screen - 0.25, (w, w + 0.16), (belt + 0.04, belt + 0.17), ahead, mirror, finest=14.0)
    axles = 0.78, length - 0.85
    for a in axles:
        b.treads(a, w * 0.5, w * 0.9, 0.315)
    _car_body(b, paint, length, w, belt, nose, screen)
    for a in axles:
        b.wheels(a, w + 0.01, 0.315)
    _car_rear(b, rng, paint, w, belt)
    _car_nose(b, paint, length, w, nose)
    if boot > 0.3:
        r = w * 0.86
        deck = [(0, -r, belt), (0.22, -w, belt), (boot, -w, belt + 0.02), (boot, w, belt + 0.02)]
        b.face([*deck, (0.22, w, belt), (0, r, belt)], UP, paint)
    _car_top(b, paint, (boot * 0.9 + 0.02, screen), roof, w, belt, height - 0.03)
    return b.mesh(length, width, height)


def _car_body(
    b: MeshBuilder, paint: Colour, length: float, w: float, belt: float, nose: float, screen: float
) -> None:
    """The sides, from a plan with rounded corners, with doors; and the bonnet."""
    sill, dark = 0.3, _tone(paint, 0.45)
    plan = [(0.0, w * 0.86), (0.22, w), (screen, w), (length - 0.35, w), (length, w * 0.74)]
    tops = [belt, belt + 0.02, belt + 0.02, nose + 0.05, nose]
    for k in range(4):
        (a0, b0), (a1, b1) = plan[k], plan[k + 1]
        outward = (b0 - b1, a1 - a0, 0.0)
        b.pair([(a0, b0, sill), (a1, b1, sill), (a1, b1, tops[k + 1]), (a0, b0, tops[k])], outward, paint)
        low, high = sill - 0.08, sill + 0.07
        b.pair([(a0, b0, low), (a1, b1, low), (a1, b1, high), (a0, b0, high)], outward, dark, finest=6.0)
    crease = _tone(paint, 1.25, 8)
    b.flanks(w + 0.005, (0.22, screen), (belt - 0.12, belt - 0.08), crease, detail=True, finest=12.0)
    for a in (length * 0.3, length * 0.53, length * 0.74):
        b.flanks(w + 0.005, (a, a + 0.025), (sill + 0.1, belt - 0.02), dark, detail=True, finest=25.0)
    bonnet = [(screen - 0.1, w, belt + 0.02), (length - 0.35, w, nose + 0.05), (length, w * 0.74, nose)]
    b.face([*bonnet, *[(a, -y, h) for a, y, h in reversed(bonnet)]], UP, paint)


def _car_rear(b: MeshBuilder, rng: Rng, paint: Colour, w: float, belt: float) -> None:
    r, top, low = w * 0.86, belt - 0.06, belt - 0.08 - rng.uniform(0.14, 0.3)
    inner = r * rng.uniform(0.5, 0.68)
    b.end(0, (-r, r), (0.3, belt), -1, paint)
    b.end(0, (-r, r), (0.22, 0.46), -1, _tone(paint, 0.45), finest=6.0)
    b.end(-0.005, (-r, r), (belt - 0.07, belt), -1, _tone(paint, 1.18, 6), detail=True, finest=8.0)
    b.ends(-0.01, (inner, r), (low, top), -1, TAIL, detail=True, lamp=True)
    around = [(-0.005, r, low), (0.22, w + 0.01, low + 0.02), (0.22, w + 0.01, top - 0.04), (-0.005, r, top)]
    b.pair(around, (-1, 1, 0), TAIL, detail=True, finest=8.0)
    plate = (120.0, 215.0, 232.0) if rng.random() < 0.4 else PLATE
    b.end(-0.01, (-0.26, 0.26), (0.5, 0.61), -1, plate, detail=True, finest=8.0)


def _car_nose(b: MeshBuilder, paint: Colour, length: float, w: float, nose: float) -> None:
    f, front = w * 0.74, length + 0.01
    b.end(length, (-f, f), (0.3, nose), 1, paint)
    b.end(length, (-f, f), (0.22, 0.43), 1, _tone(paint, 0.45), finest=6.0)
    b.end(front, (-f * 0.5, f * 0.5), (nose - 0.26, nose - 0.08), 1, BLACK, detail=True, finest=8.0)
    b.end(front, (-0.26, 0.26), (0.42, 0.53), 1, PLATE, detail=True, finest=8.0)
    b.ends(front, (f * 0.58, f), (nose - 0.23, nose - 0.07), 1, HEAD, detail=True, lamp=True)
    around = [(length, f, nose - 0.22), (length - 0.33, w, nose - 0.12), (length - 0.33, w, nose)]
    b.pair([*around, (length, f, nose - 0.07)], (1, 1, 0), _tone(HEAD, 0.92), detail=True, finest=8.0)


def _car_top(
    b: MeshBuilder, paint: Colour, foot: Pair, roof: Pair, w: float, belt: float, top: float
) -> None:
    """The cabin with its windows; `foot` and `roof` are where it begins and ends, below and above."""
    g, t = w * 0.92, w * 0.76
    side: list[Point] = [(foot[0], g, belt), (foot[1], g, belt), (roof[1], t, top), (roof[0], t, top)]
    b.pair(side, (0, 1, 0.2), paint)
    glazed: list[tuple[list[Point], float]] = []
    for ahead, a0, a1 in ((-1.0, foot[0], roof[0]), (1.0, foot[1], roof[1])):
        pane: list[Point] = [(a0, -g, belt), (a0, g, belt), (a1, t, top), (a1, -t, top)]
        b.face(pane, (ahead, 0, 0.2), paint)
        glazed.append((pane, ahead))
    for inset, half, height in ((0, t, top), (0.1, t * 0.8, top + 0.03)):
        a0, a1 = roof[0] + inset, roof[1] - inset
        b.face([(a0, -half, height), (a0, half, height), (a1, half, height), (a1, -half, height)], UP, paint)
    for pane, ahead in glazed:
        b.face(on(pane, (0.06, 0.94), (0.08, 0.9)), (ahead, 0, 0.2), GLASS, detail=True)
        b.face(on(pane, (0.09, 0.91), (0.45, 0.8)), (ahead, 0, 0.2), SHEEN, detail=True, finest=12.0)
    for x0, x1 in ((0.06, 0.27), (0.3, 0.56), (0.59, 0.93)):
        b.pair(on(side, (x0, x1), (0.12, 0.86)) + np.array([0, 0.005, 0]), (0, 1, 0.2), GLASS, detail=True)
        sheen = on(side, (x0, x1), (0.55, 0.86)) + np.array([0, 0.006, 0])
        b.pair(sheen, (0, 1, 0.2), SHEEN, detail=True, finest=16.0)


def _box(b: MeshBuilder, along: Pair, w: float, up: Point, lean: float, colour: Colour) -> None:
    """A box from floor to top (`up`: floor, waist, top), with a front that leans back above its waist."""
    (a0, a1), (floor, waist, top) = along, up
    back = a1 - lean
    b.pair([(a0, w, floor), (a1, w, floor), (a1, w, waist), (back, w, top), (a0, w, top)], (0, 1, 0), colour)
    b.end(a0, (-w, w), (floor, top), -1, colour)
    b.end(a1, (-w, w), (floor, waist), 1, colour)
    b.face([(a1, -w, waist), (a1, w, waist), (back, w, top), (back, -w, top)], (1, 0, 0.2), colour)
    b.face([(a0, -w, top), (a0, w, top), (back, w, top), (back, -w, top)], UP, colour)


def _screen(length: float, w: float, low: float, high: float, lean: float) -> list[Point]:
    """The front above the waist of such a box, from its lower left corner on."""
    back = length - lean
    return [(length, -w, low), (length, w, low), (back, w, high), (back, -w, high)]


def _lights(b: MeshBuilder, length: float, w: float, floor: float, tail: float) -> None:
    """Bumpers, plates and lamps."""
    b.end(-0.01, (-w, w), (floor, floor + 0.2), -1, BUMPER, detail=True, finest=4.0)
    b.end(length + 0.01, (-w, w), (floor, floor + 0.18), 1, BUMPER, detail=True, finest=4.0)
    b.end(-0.01, (-0.28, 0.28), (floor + 0.24, floor + 0.36), -1, PLATE, detail=True, finest=8.0)
    b.end(length + 0.01, (-w * 0.5, w * 0.5), (floor + 0.28, floor + 0.46), 1, BLACK, detail=True, finest=6.0)
    b.ends(-0.01, (w * 0.8, w * 0.97), (floor + 0.28, floor + tail), -1, TAIL, detail=True, lamp=True)
    b.ends(length + 0.01, (w * 0.6, w * 0.95), (floor + 0.22, floor + 0.42), 1, HEAD, detail=True, lamp=True)
    b.flanks(w + 0.005, (0, length), (floor, floor + 0.16), BUMPER, detail=True, finest=6.0)


def van(rng: Rng) -> Mesh:
    """A delivery van or a minibus."""
    length, width, height, floor = rng.uniform(4.8, 6.0), 1.98, rng.uniform(1.95, 2.6), 0.42
    b, w, waist = MeshBuilder(), width / 2, height * 0.5
    paint = (226.0, 229.0, 230.0) if rng.random() < 0.6 else _paint(rng)
    axles = 0.22 * length, length - 0.95
    for a in axles:
        b.treads(a, w * 0.55, w * 0.95, 0.34)
    _box(b, (0, length), w, (floor, waist, height), 0.9, paint)
    _lights(b, length, w, floor, 0.75)
    for a in axles:
        b.wheels(a, w + 0.012, 0.34)
    pane = _screen(length, w, waist, height, 0.9)
    b.face(on(pane, (0.06, 0.94), (0.12, 0.88)), (1, 0, 0.2), GLASS, detail=True)
    b.face(on(pane, (0.1, 0.9), (0.5, 0.8)), (1, 0, 0.2), SHEEN, detail=True, finest=12.0)
    b.flanks(w + 0.008, (length - 1.9, length - 0.65), (waist + 0.08, waist + 0.55), GLASS, detail=True)
    if rng.random() < 0.5:
        b.flanks(w + 0.008, (1.0, length - 2.1), (waist + 0.08, waist + 0.55), GLASS, detail=True)
    b.ends(-0.01, (0.05, w * 0.78), (waist + 0.1, height - 0.35), -1, GLASS, detail=True)
    b.end(-0.01, (-0.015, 0.015), (floor + 0.2, height - 0.1), -1, BUMPER, detail=True, finest=8.0)
    return b.mesh(length, width, height)


def bus(rng: Rng) -> Mesh:
    """A town bus."""
    length, width, height, floor = rng.uniform(10.5, 12.2), 2.5, rng.uniform(3.0, 3.3), 0.42
    b, w, paint = MeshBuilder(), width / 2, _paint(rng)
    axles = 0.26 * length, length - 2.6
    for a in axles:
        b.treads(a, w * 0.55, w * 0.95, 0.48)
    _box(b, (0, length), w, (floor, 1.0, height), 0.15, paint)
    _lights(b, length, w, floor, 0.5)
    for a in axles:
        b.wheels(a, w + 0.012, 0.48)
    for k in range(int(length // 1.5)):
        b.flanks(w + 0.008, (0.3 + k * 1.5, 1.68 + k * 1.5), (1.25, 2.45), GLASS, detail=True)
    b.end(-0.01, (-w * 0.85, w * 0.85), (1.5, height - 0.5), -1, GLASS, detail=True)
    pane = _screen(length, w, 1.0, height, 0.15)
    b.face(on(pane, (0.05, 0.95), (0.05, 0.78)), (1, 0, 0.1), GLASS, detail=True)
    line = on(pane, (0.2, 0.8), (0.83, 0.95))
    b.face(line, (1, 0, 0.1), (40, 160, 240), detail=True, lamp=True, finest=8.0)
    return b.mesh(length, width, height)


def truck(rng: Rng) -> Mesh:
    """A truck: a cab before a cargo box."""
    length, width, height, floor = rng.uniform(7.5, 12.5), 2.48, rng.uniform(3.3, 3.9), 0.5
    b, w, cab, roof = MeshBuilder(), width / 2, length - 2.1, 2.9
    box_paint = (215.0, 218.0, 220.0) if rng.random() < 0.4 else _paint(rng)
    axles = 0.9, 2.1, length - 1.4
    for a in axles:
        b.treads(a, w * 0.5, w * 0.95, 0.5)
    parts = [
        ((cab, length), (floor, 1.3, roof), 0.15, _paint(rng)),
        ((0.0, cab - 0.15), (floor + 0.12, 2, height), 0.0, box_paint),
    ]
    # The cab comes first: from behind the box hides it, and from ahead little of the box shows.
    for along, up, lean, colour in parts:
        _box(b, along, w, up, lean, colour)
    _lights(b, length, w, floor, 0.45)
    for a in axles:
        b.wheels(a, w + 0.012, 0.5)
    stripe = _paint(rng)
    b.flanks(w + 0.008, (0.6, cab - 0.8), (height * 0.5, height * 0.68), stripe, detail=True, finest=3.0)
    b.flanks(w + 0.008, (cab + 0.4, length - 0.35), (1.55, 2.3), GLASS, detail=True)
    b.end(-0.01, (-0.02, 0.02), (floor + 0.5, height - 0.1), -1, BUMPER, detail=True, finest=8.0)
    pane = _screen(length, w, 1.3, roof, 0.15)
    b.face(on(pane, (0.05, 0.95), (0.15, 0.8)), (1, 0, 0.1), GLASS, detail=True)
    return b.mesh(length, width, height)
