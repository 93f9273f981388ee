"""Procedural pictures: noise, sprites with reduced levels, trees, building fronts and the sky."""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from perception.simulation.look import Look
from perception.types import Bools, Floats, Image, Rng


def noise(rng: Rng, height: int, width: int, cell: float, octaves: int = 4) -> Floats:
    """float32 (height, width), about -1..1: cloudy noise with coarsest cells `cell` pixels wide."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        shape = (int(np.ceil(height / step)) + 1, int(np.ceil(width / step)) + 1)
        grid = rng.uniform(-1, 1, shape).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR) * 0.5**octave
    return total * 0.7


def to_image(colours: npt.NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(colours, 0, 255), np.uint8)


@dataclass
class Sprite:
    """A picture with a mask, and both halved again and again; `metres` is the height of the whole picture.

    A person's has `joints`, x and y in pixels in the order of KEY_POINTS, and is `stature` pixels tall.
    """

    colours: tuple[Image, ...]
    masks: tuple[Image, ...]
    metres: float
    joints: tuple[tuple[int, int], ...] = ()
    stature: float = 0.0

    @classmethod
    def of(cls, colours: Image, mask: Image | None, metres: float) -> "Sprite":
        mask = np.full(colours.shape[:2], 255, np.uint8) if mask is None else mask
        return cls(_levels(colours), _levels(mask), metres)

    @cached_property
    def average(self) -> list[float]:
        return [float(c) for c in self.colours[-1].reshape(-1, 3).mean(0)]

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.colours[0].shape[:2]
        return height, width

    def level(self, scale: float) -> int:
        """The level to draw from when the picture is drawn `scale` times as large."""
        return min(max(math.floor(0.3 - math.log2(max(scale, 1e-6))), 0), len(self.colours) - 1)


def _levels(picture: Image) -> tuple[Image, ...]:
    """The picture, and half of it as long as that has sides of 4 pixels at least."""
    levels = [picture]
    while min(levels[-1].shape[:2]) >= 8:
        height, width = levels[-1].shape[:2]
        smaller = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(smaller.astype(np.uint8))
    return tuple(levels)


def tree(rng: Rng, light: Look) -> Sprite:
    """A broad-leaved tree or a conifer, about 5 to 12 m high."""
    height, width = 256, 208
    y, x = np.mgrid[:height, :width].astype(np.float32)
    conifer = rng.random() < 0.25
    crown = np.full((height, width), -1.0, np.float32)
    top_light = np.zeros((height, width), np.float32)
    if conifer:
        broad, tiers = rng.uniform(50, 75), rng.uniform(14, 22)
        half = (y / height) * broad * (0.75 + 0.25 * np.abs(np.sin(y / height * tiers)))
        crown = 1 - np.abs(x - width / 2) / np.maximum(half, 1)
        crown[int(height * 0.93) :] = -1
        top_light = -(x - width / 2) / np.maximum(half, 1) * 0.4
    else:
        centre, spread = rng.uniform(0.32, 0.42) * height, rng.uniform(38, 62)
        for _ in range(int(rng.integers(9, 17))):
            cx, cy = width / 2 + rng.normal(0, spread * 0.55), centre + rng.normal(0, spread * 0.5)
            radius = rng.uniform(0.35, 0.7) * spread
            cx, cy = float(np.clip(cx, radius, width - radius)), float(np.clip(cy, radius, height * 0.72))
            blob = 1 - np.hypot(x - cx, y - cy) / radius
            new = blob > crown
            top_light[new] = ((cy - y) / radius)[new] * 0.8
            crown = np.maximum(crown, blob)
    leafy = noise(rng, height, width, 7, 3)
    ragged = crown * 1.1 + noise(rng, height, width, 30, 3) * 0.35 + leafy * 0.33
    leaves = ragged > 0.1
    hue = rng.choice(4, p=[0.5, 0.2, 0.18, 0.12])
    base = np.array([(48, 92, 70), (40, 105, 100), (52, 78, 58), (38, 92, 150)][hue], np.float32)
    base *= rng.uniform(0.7, 1.15) * rng.uniform(0.9, 1.1, 3)
    under = np.clip((y / height - 0.2) * 0.5, 0, 0.3)
    shade = 0.92 + 0.2 * top_light - under + 0.42 * leafy + 0.3 * noise(rng, height, width, 20, 3)
    colours = base * np.clip(shade, 0.25, 1.6)[..., None]
    thickness = rng.uniform(0.012, 0.03) * height
    bent = width / 2 + np.sin(y / height * 3) * rng.uniform(-4, 4)
    trunk = (np.abs(x - bent) < thickness * (0.7 + 0.5 * y / height)) & (y > height * 0.4) & ~leaves
    bark = np.array([58, 68, 80], np.float32) * (0.8 + 0.3 * noise(rng, height, width, 6, 3))[..., None]
    colours = np.where(trunk[..., None], bark * (1.15 - 0.3 * (x > bent)[..., None]), colours)
    mask = (leaves | trunk).astype(np.uint8) * 255
    light_factor = light.ambient + 0.55 * light.sun
    return Sprite.of(to_image(colours * light_factor), mask, float(rng.uniform(5, 12)))


def bush(rng: Rng, light: Look) -> Sprite:
    """A shrub, 1 to 2.5 m high."""
    height, width = 96, 128
    y, x = np.mgrid[:height, :width].astype(np.float32)
    form = 1 - np.hypot((x - width / 2) / (width * 0.46), (y - height) / (height * 0.9))
    mask = (form + noise(rng, height, width, 22, 4) * 0.25 > 0.04).astype(np.uint8) * 255
    base = np.array([45, 85, 65], np.float32) * rng.uniform(0.7, 1.2) * rng.uniform(0.85, 1.15, 3)
    shade = 1.1 - 0.5 * y / height + 0.35 * noise(rng, height, width, 12, 4)
    light_factor = light.ambient + 0.55 * light.sun
    return Sprite.of(to_image(base * shade[..., None] * light_factor), mask, float(rng.uniform(1.0, 2.5)))


_WALLS = (
    (90, 105, 150), (70, 82, 120), (150, 170, 190), (175, 185, 190), (120, 140, 165), (200, 205, 208),
    (140, 140, 138),
    (110, 150, 180), (160, 150, 130), (95, 98, 104),
)  # fmt: skip
DENSITY = 18  # texture pixels a metre of a building front


def front(rng: Rng, look: Look, lateral: float, storeys: int, shops: float) -> tuple[Sprite, Sprite]:
    """A building front, 14 m wide, and its picture in the light of the house's near end.

    `lateral` is the direction it faces along the offset, -1 or 1; `shops` is how likely there is one.
    """
    storey, base = rng.uniform(2.9, 3.6), rng.uniform(3.2, 4.4)
    metres = base + (storeys - 1) * storey + rng.uniform(0.3, 1.0)
    height, width = int(metres * DENSITY), 14 * DENSITY
    wall = np.array(_WALLS[rng.integers(len(_WALLS))], np.float32) * rng.uniform(0.75, 1.1)
    grain = 1 + 0.07 * noise(rng, height, width, 40, 3) + 0.04 * noise(rng, height, width, 2, 1)
    colours = wall * grain[..., None]
    if rng.random() < 0.45:  # brick courses
        colours[:: int(rng.integers(3, 5))] *= 0.88
    glass = np.zeros((height, width), bool)
    _windows(rng, look, colours, glass, storeys, storey, base)
    _ground_floor(rng, look, colours, glass, base, rng.random() < shops)
    cornice = int(rng.uniform(0.15, 0.5) * DENSITY)
    colours[:cornice] = wall * rng.uniform(0.6, 1.25)
    colours[cornice : cornice + 2] *= 0.6
    both = []
    for normal in ((lateral, 0.0, 0.0), (0.0, -1.0, 0.0)):
        lit = colours * look.light(np.array(normal))
        lit[glass] = colours[glass]  # lamps burn behind it
        both.append(Sprite.of(to_image(lit), None, metres))
    return both[0], both[1]


def _windows(
    rng: Rng, look: Look, colours: Floats, glass: Bools, storeys: int, storey: float, base: float
) -> None:
    height, width = colours.shape[:2]
    columns = int(rng.integers(4, 8))
    pitch = width / columns
    wide, high = rng.uniform(0.35, 0.7) * pitch, rng.uniform(0.4, 0.62) * storey * DENSITY
    frame = np.array(rng.choice([[225, 228, 230], [70, 75, 85], [50, 60, 90]]), np.float32)
    balcony = rng.random() < 0.25
    for row in range(storeys - 1):
        bottom = height - (base + row * storey + 0.75) * DENSITY
        for column in range(columns):
            x0, y0 = int((column + 0.5) * pitch - wide / 2), int(bottom - high)
            x1, y1 = int(x0 + wide), int(bottom)
            if y0 < 4:
                continue
            colours[y0 - 2 : y1 + 2, max(x0 - 2, 0) : x1 + 2] = frame
            sky = np.linspace(rng.uniform(0.5, 0.9), 0.3, y1 - y0)[:, None, None]
            pane = np.array([120, 105, 90], np.float32) * sky * rng.uniform(0.5, 1.1)
            on = look.night and rng.random() < 0.35
            if on:
                pane = np.array([110, 190, 235], np.float32) * rng.uniform(0.5, 1.0) * np.ones_like(sky)
            elif rng.random() < 0.3:  # a drawn curtain
                pane = pane * 0.5 + np.array([170, 175, 180]) * rng.uniform(0.3, 0.6)
            colours[y0:y1, x0:x1] = pane
            glass[y0:y1, x0:x1] = on
            colours[y0:y1, (x0 + x1) // 2 : (x0 + x1) // 2 + 1] = frame * (0.6 if on else 1)
            colours[y1 + 2 : y1 + 4, max(x0 - 3, 0) : x1 + 3] *= 0.6
            if balcony:
                colours[y1 - int(0.4 * DENSITY) : y1 + 3, max(x0 - 5, 0) : x1 + 5] = frame * 0.55


def _ground_floor(rng: Rng, look: Look, colours: Floats, glass: Bools, base: float, shop: bool) -> None:
    height, width = colours.shape[:2]
    top = int(height - (base - 0.5) * DENSITY)
    left = 4
    while left < width - 30:
        wide = int(rng.uniform(2.2, 4.5) * DENSITY) if shop else int(rng.uniform(1.8, 3.0) * DENSITY)
        right = min(left + wide, width - 4)
        if shop:
            colour = rng.uniform(20, 210, 3).astype(np.float32)
            colours[top : top + int(0.6 * DENSITY), left:right] = colour
            colours[top + 4 : top + 9, left + 6 : right - 6 : 3] = 255 - colour
            y0, y1 = top + int(0.65 * DENSITY), height - int(rng.uniform(0.1, 0.6) * DENSITY)
            on = look.night and rng.random() < 0.6
            pane = np.linspace(95, 45, y1 - y0)[:, None, None] * np.array([1.05, 1, 0.92])
            pane = pane * rng.uniform(0.6, 1.2)
            colours[y0:y1, left:right] = np.array([150, 205, 235]) * rng.uniform(0.6, 1.0) if on else pane
            colours[y0:y1, left:right] += 18 * noise(rng, y1 - y0, right - left, 12, 2)[..., None]
            glass[top:y1, left:right] = on
            colours[y0:y1, left : left + 2] = colour * 0.6
        elif rng.random() < 0.3:  # a door
            y0 = height - int(2.2 * DENSITY)
            x1 = left + int(1.1 * DENSITY)
            colours[y0:height, left:x1] = rng.uniform(25, 120, 3)
            colours[y0 + 3 : y0 + 12, left + 3 : x1 - 3] = (60, 55, 50)
        else:
            y0, y1 = height - int(2.4 * DENSITY), height - int(0.95 * DENSITY)
            x0, x1 = left + 6, left + int(1.4 * DENSITY)
            colours[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = (205, 208, 210)
            colours[y0:y1, x0:x1] = np.linspace(85, 40, y1 - y0)[:, None, None] * np.array([1.1, 1.0, 0.9])
        left = right + int(rng.uniform(0.1, 0.8) * DENSITY) + 3


def sky(rng: Rng, look: Look, height: int, width: int, far: int) -> Image:
    """uint8 (height, width, 3): the sky down to the horizon; clouds are computed small and enlarged.

    `far` is the width of the view, which sets the size of the clouds.
    """
    small_height, small_width = max(height // 4, 8), max(width // 4, 8)
    up = np.linspace(1, 0, small_height, dtype=np.float32)[:, None]
    blend = (up**0.65)[..., None]
    colours = look.zenith * blend + look.horizon * (1 - blend)
    # Clouds lie flatter towards the horizon: their noise is stretched sideways there.
    field = noise(rng, small_height * 3, small_width, max(far / 9, 4), 5)
    rows = (np.power(1 - up[:, 0], 0.6) * (small_height * 3 - 1)).astype(np.float32)
    map_x, map_y = np.meshgrid(np.arange(small_width, dtype=np.float32), rows)
    field = np.asarray(cv2.remap(field, map_x, map_y, cv2.INTER_LINEAR), np.float32)
    cover = np.clip((field + look.clouds * 1.5 - 0.75) * 2.2, 0, 1)[..., None] * (0.35 + 0.65 * up[..., None])
    bright = np.clip(look.horizon * 1.08 + 12, 0, 255) if look.time != "night" else look.horizon * 0.9
    relief = (1.0 - 0.16 * look.clouds + 0.14 * np.roll(field, -2, 0))[..., None]
    amount = cover * (0.75 if look.weather != "fog" else 0.1)
    colours = colours * (1 - amount) + bright * relief * amount
    if look.weather == "fog":
        colours = colours * 0.3 + look.haze * 0.7
    return cv2.resize(to_image(colours), (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
