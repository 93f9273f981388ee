"""People on foot and on two wheels, drawn once as sprites for each phase of their motion."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from perception.classes import KEY_POINTS
from perception.simulation.look import Look
from perception.simulation.textures import Sprite, noise, to_image
from perception.types import Rng

PHASES = 8
_SCALE = 80  # sprite pixels a metre
_HEIGHT, _WIDTH = 2.05, 1.3
_STATURE = 1.8  # of a walker, metres from sole to crown
_SKINS = ((140, 170, 215), (110, 145, 195), (70, 95, 145), (45, 62, 98))
_CLOTHES = (
    (40, 38, 36), (70, 62, 55), (120, 80, 45), (150, 150, 150), (210, 212, 212), (40, 40, 160),
    (60, 110, 60), (40, 170, 215),
    (150, 90, 130), (90, 70, 60), (60, 80, 120), (35, 60, 95), (30, 125, 225),
)  # fmt: skip


@dataclass(frozen=True)
class Outfit:
    """What a person looks like."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    top: tuple[int, int, int]
    trousers: tuple[int, int, int]
    build: float
    skirt: bool
    bag: bool


def outfit(rng: Rng) -> Outfit:
    def pick(colours: tuple[tuple[int, int, int], ...]) -> tuple[int, int, int]:
        return colours[int(rng.integers(len(colours)))]

    hair = pick(((25, 28, 32), (40, 55, 80), (90, 130, 165), (120, 120, 122), (30, 35, 55)))
    skin, top, trousers = pick(_SKINS), pick(_CLOTHES), pick(_CLOTHES[:6] + _CLOTHES[10:12])
    build, skirt, bag = float(rng.uniform(0.85, 1.2)), bool(rng.random() < 0.2), bool(rng.random() < 0.35)
    return Outfit(skin, hair, top, trousers, build, skirt, bag)


class _Sketch:
    """Limbs and shapes in metres (x from the middle, y up from the ground) on a sprite."""

    def __init__(self, width: float, height: float) -> None:
        self.size = (round(height * _SCALE), round(width * _SCALE))
        self.colours = np.zeros((*self.size, 3), np.uint8)
        self.mask = np.zeros(self.size, np.uint8)
        self.joints: dict[str, tuple[int, int]] = {}

    def pixel(self, x: float, y: float) -> tuple[int, int]:
        return round(self.size[1] / 2 + x * _SCALE), round(self.size[0] - 2 - y * _SCALE)

    def joint(self, name: str, x: float, y: float) -> None:
        self.joints[name] = self.pixel(x, y)

    def limb(self, points: list[tuple[float, float]], thickness: float, colour: tuple[float, ...]) -> None:
        line = [np.array([self.pixel(*p) for p in points], np.int32)]
        cv2.polylines(self.colours, line, False, colour, max(round(thickness * _SCALE), 1))
        cv2.polylines(self.mask, line, False, (255,), max(round(thickness * _SCALE), 1))

    def shape(self, points: list[tuple[float, float]], colour: tuple[float, ...]) -> None:
        polygon = [np.array([self.pixel(*p) for p in points], np.int32)]
        cv2.fillPoly(self.colours, polygon, colour)
        cv2.fillPoly(self.mask, polygon, (255,))

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: tuple[float, ...], line: float = -1
    ) -> None:
        axes = (round(rx * _SCALE), round(ry * _SCALE))
        thick = -1 if line < 0 else max(round(line * _SCALE), 1)
        cv2.ellipse(self.colours, self.pixel(x, y), axes, 0, 0, 360, colour, thick)
        cv2.ellipse(self.mask, self.pixel(x, y), axes, 0, 0, 360, (255,), thick)

    def sprite(self, look: Look, height: float) -> Sprite:
        shading = np.random.default_rng(1)
        rows, columns = self.size
        middle = cv2.distanceTransform(self.mask, cv2.DIST_L2, 3) / (0.08 * _SCALE)
        relief = 0.72 + 0.33 * np.clip(middle, 0, 1) + 0.10 * noise(shading, rows, columns, 14, 3)
        light = look.ambient + 0.6 * look.sun
        filled = cv2.dilate(self.colours, np.ones((5, 5), np.uint8))
        colours = np.where(self.mask[..., None] > 0, self.colours, filled)
        return Sprite.of(to_image(colours * relief[..., None] * light), self.mask, height)


def _dim(colour: tuple[int, int, int], factor: float) -> tuple[float, ...]:
    return tuple(c * factor for c in colour)


def _walker(who: Outfit, phase: int, aside: bool, back: bool) -> _Sketch:
    sketch = _Sketch(_WIDTH, _HEIGHT)
    swing = float(np.sin(2 * np.pi * phase / PHASES))
    lift = float(np.cos(2 * np.pi * phase / PHASES))
    bob = 0.02 * abs(lift)
    hip, shoulder = 0.9 + bob, 1.45 + bob
    b, shoes = who.build, (34.0, 32, 34)
    leg, thigh = (who.skin, 0.1) if who.skirt else (who.trousers, 0.15 * b)
    for sign in (-1, 1):  # far limbs first
        tone = 0.75 if sign < 0 else 1.0
        # Walkers across the road face to the right: the near side is the right one, as it is from behind.
        side = "right" if (sign > 0) == (aside or back) else "left"
        if aside:
            stride = sign * swing
            knee = (0.17 * stride + 0.06, 0.48)
            foot = (0.34 * stride, 0.06 + (0.10 * max(sign * lift, 0)))
            sketch.limb([(0, hip), knee, foot], thigh, _dim(leg, tone))
            sketch.limb([foot, (foot[0] + 0.14, foot[1] - 0.01)], 0.09, shoes)
            hand = 0.08 - 0.25 * stride
            arm = [(0.0, shoulder - 0.06), (-0.16 * stride, 1.17), (hand, 0.94)]
            sketch.limb(arm, 0.105 * b, _dim(who.top, tone * 0.9))
            sketch.oval(hand, 0.92, 0.045, 0.055, who.skin)
            sketch.joint(f"{side}_hand", hand, 0.92)
            sketch.joint(f"{side}_foot", *foot)
        else:
            step = 0.09 * max(sign * swing, 0)
            x = sign * 0.09 * b
            limb = [(x, hip), (x * 1.05, 0.48 + step), (x, 0.07 + step)]
            sketch.limb(limb, thigh, _dim(leg, 0.85 + 0.15 * tone))
            sketch.oval(x, 0.05 + step, 0.065, 0.05, shoes)
            reach = sign * (0.245 * b)
            hand = 0.95 + 0.06 * sign * swing
            arm = [(sign * 0.19 * b, shoulder - 0.07), (reach, 1.17), (reach, hand)]
            sketch.limb(arm, 0.1 * b, _dim(who.top, 0.86))
            sketch.oval(reach, hand - 0.03, 0.045, 0.055, who.skin)
            sketch.joint(f"{side}_hand", reach, hand - 0.03)
            sketch.joint(f"{side}_foot", x, 0.05 + step)
    half = (0.13 if aside else 0.205) * b
    torso = [(half * 0.8, hip - 0.08), (half, shoulder - 0.08), (half * 0.6, shoulder + 0.03)]
    sketch.shape([*torso, *[(-x, y) for x, y in reversed(torso)]], who.top)
    if who.skirt:
        low, high = (half * 1.15, 0.5), (half * 0.8, hip + 0.1)
        sketch.shape([low, high, (-high[0], high[1]), (-low[0], low[1])], who.trousers)
    if who.bag:
        x = -half * 1.1 if aside else 0.0 if back else half
        sketch.oval(x, 1.2, 0.12, 0.19 if back or aside else 0.12, _dim(who.trousers, 0.6))
    sketch.limb([(0, shoulder), (0.01, shoulder + 0.1)], 0.1, _dim(who.skin, 0.85))
    sketch.oval(0.01 if aside else 0, shoulder + 0.2, 0.095, 0.125, who.skin)
    crown, tall = (0.22, 0.12) if back else (0.26, 0.075)
    sketch.oval(-0.03 if aside else 0, shoulder + crown, 0.1, tall, who.hair)
    sketch.joint("head", 0, shoulder + 0.2)
    sketch.joint("neck", 0, shoulder)
    sketch.joint("hips", 0, hip)
    return sketch


def _rider(who: Outfit, phase: int, back: bool, motor: bool) -> _Sketch:
    """A cyclist, or a motorcyclist, from behind or from the front."""
    sketch = _Sketch(_WIDTH, _HEIGHT)
    pedal = float(np.sin(2 * np.pi * phase / PHASES))
    black = (30.0, 30, 32)
    frame = _dim(who.top[::-1], 0.8)
    if motor:
        sketch.oval(0, 0.31, 0.09, 0.31, black)
        body = [(0.2, 0.45), (0.24, 0.8), (0.12, 0.95)]
        sketch.shape([*body, *[(-x, y) for x, y in reversed(body)]], frame)
        sketch.oval(0, 0.78, 0.07, 0.05, (40.0, 35, 200) if back else (235.0, 240, 240))
        sketch.limb([(-0.36, 1.05), (0.36, 1.05)], 0.045, black)
    else:
        sketch.oval(0, 0.34, 0.028, 0.34, black)
        sketch.limb([(0, 0.36), (0, 0.92)], 0.05, frame)
        sketch.limb([(-0.28, 1.02), (0.28, 1.02)], 0.035, black)
    for sign in (-1, 1):
        up = 0.30 + 0.13 * sign * pedal if not motor else 0.42
        x = sign * (0.12 if not motor else 0.22)
        knee = 0.62 + (0.0 if motor else 0.1 * sign * pedal)
        sketch.limb([(sign * 0.09, 0.98), (x * 1.15, knee), (x, up)], 0.13, _dim(who.trousers, 0.9))
        sketch.oval(x, up - 0.04, 0.06, 0.05, black)
        grip = 0.34 if motor else 0.27
        arm = [(sign * 0.18, 1.43), (sign * 0.31, 1.22), (sign * grip, 1.06)]
        sketch.limb(arm, 0.095, _dim(who.top, 0.85))
    torso = [(0.15, 0.93), (0.21, 1.4), (0.12, 1.52)]
    sketch.shape([*torso, *[(-x, y) for x, y in reversed(torso)]], who.top)
    if who.bag and back:
        sketch.oval(0, 1.22, 0.14, 0.19, _dim(who.trousers, 0.6))
    sketch.oval(0, 1.66, 0.1, 0.13, who.skin if not motor else black)
    helmet = who.top if motor or who.skirt else who.hair
    sketch.oval(0, 1.67 if back else 1.7, 0.11, 0.12 if back else 0.09, helmet)
    return sketch


class Figures:
    """The people of a drive, as sprites lit for it."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._sprites: dict[tuple[object, ...], Sprite] = {}

    def walker(self, who: Outfit, phase: int, aside: bool, back: bool) -> Sprite:
        key = ("walker", who, phase % PHASES, aside, back)
        if key not in self._sprites:
            sketch = _walker(who, phase % PHASES, aside, back)
            joints = tuple(sketch.joints[name] for name in KEY_POINTS)
            sprite = sketch.sprite(self.look, _HEIGHT)
            self._sprites[key] = replace(sprite, joints=joints, stature=_STATURE * _SCALE)
        return self._sprites[key]

    def rider(self, who: Outfit, phase: int, back: bool, motor: bool) -> Sprite:
        key = ("rider", who, phase % PHASES, back, motor)
        if key not in self._sprites:
            self._sprites[key] = _rider(who, phase % PHASES, back, motor).sprite(self.look, _HEIGHT)
        return self._sprites[key]
