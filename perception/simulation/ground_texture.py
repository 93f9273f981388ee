"""The ground from above: asphalt, pavement, grass and fields as one repeating texture."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.simulation.look import Look
from perception.simulation.road import Road
from perception.simulation.textures import noise, to_image
from perception.types import Rng

PERIOD = 32.0  # metres after which the ground's texture repeats
JUNCTION = 12.0  # metres along the road that a side street takes
LEVELS = 7
RESERVE = 4.0
_COLOURS = {
    "asphalt": (96, 96, 97), "sidewalk": (150, 156, 162), "curb": (172, 176, 180), "paving": (128, 136, 144),
    "grass": (52, 104, 84), "field": (62, 118, 112), "dirt": (92, 112, 134),
}  # fmt: skip
_LABELS = {
    "asphalt": "road", "sidewalk": "sidewalk", "curb": "sidewalk", "paving": "sidewalk",
    "grass": "vegetation",
    "field": "vegetation", "dirt": "vegetation",
}  # fmt: skip


class GroundTexture:
    """The ground from above, lit, in levels of detail along the road, with a second section for junctions.

    `atlas` holds all levels one above the other, each padded by a row that continues it.
    """

    def __init__(self, road: Road, look: Look, rng: Rng, density: float) -> None:
        self.density = density  # pixels a metre, across and along
        self.left = road.edges[0] - 14.0
        width = round((road.edges[1] + 14.0 - self.left) * density)
        d = self.left + (np.arange(width) + 0.5) / density
        self.classes = np.zeros((2, width), np.uint8)
        materials = np.full(width, len(_COLOURS))
        for band in road.bands:
            inside = (d >= band.left) & (d < band.right)
            self.classes[:, inside] = DRIVE.id(_LABELS[band.material])
            materials[inside] = list(_COLOURS).index(band.material)
        self.classes[1] = DRIVE.id("road")
        # At night the texture is brighter than it is lit, so that the headlights' cones show no bands.
        factor = look.light(np.array([0.0, 0.0, 1.0])) * (RESERVE if look.beams else 1.0)
        tone = rng.uniform(0.85, 1.45)
        levels: list[npt.NDArray[Any]] = []
        self.offsets, row = np.zeros((2, LEVELS)), 0
        for section, length in enumerate((PERIOD, JUNCTION)):
            used = materials if section == 0 else np.zeros_like(materials)
            surface = _surface(rng, used, round(length * density), road, density, tone, d)
            picture: npt.NDArray[Any] = surface * factor
            if look.beams:
                picture *= _pools(road, d, picture.shape[0], density)
            for level in range(LEVELS):
                self.offsets[section, level] = row + 1
                levels.append(np.concatenate([picture[-1:], picture, picture[:1]]))
                row += len(levels[-1])
                size = (width, max(picture.shape[0] // 2, 1))
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                picture = cv2.blur(picture, (2 * level + 1, 1))
        self.atlas = to_image(np.concatenate(levels))
        rows = round(PERIOD * density / 2)
        worn = 0.5 + 0.9 * noise(rng, rows, width // 2, 40, 5)
        self.wear = np.clip(worn * 6 + rng.uniform(0.8, 4.0), 0.12, 1).astype(np.float32)
        self.paint = factor * np.array([[226, 230, 232], [70, 178, 225]]) * rng.uniform(0.8, 1.02)


def _surface(
    rng: Rng, materials: npt.NDArray[Any], rows: int, road: Road, density: float, tone: float, d: Any
) -> npt.NDArray[np.float32]:
    width = len(materials)
    palette = np.array([*_COLOURS.values(), (90, 120, 110)], np.float32)
    palette[0] *= tone
    palette[4:6] *= np.array(rng.uniform(0.75, 1.2, (2, 3)), np.float32)
    base = palette[materials]
    grain = noise(rng, rows, width, 2, 1)
    blotches = noise(rng, rows, width, 3.0 * density, 5)
    paved, green = materials == 0, (materials == 4) | (materials == 5)
    strength = np.where(green, 0.30, np.where(paved, 0.085, 0.07)).astype(np.float32)
    shade = 1 + strength * blotches + np.where(paved, 0.10, 0.08).astype(np.float32) * grain
    lanes = np.array(road.ahead + road.oncoming)
    track = np.min(np.abs(np.abs(d[:, None] - lanes) - 0.75), axis=1)
    shade *= np.where(paved, 1 - 0.09 * np.exp(-((track / 0.32) ** 2)), 1).astype(np.float32)
    slab = paved & False
    for at in np.arange(-60, 60, 0.6):
        slab |= np.abs(d - at) < 0.5 / density
    slabs = (materials == 1) | (materials == 3)
    shade[:, slabs & slab] *= 0.86
    joints = np.arange(0, rows, max(round(0.9 * density), 2))
    shade[np.ix_(joints, np.flatnonzero(slabs | (materials == 2)))] *= 0.85
    picture = (base * shade[..., None]).astype(np.float32)
    mask = np.zeros((rows, width), np.uint8)
    for _ in range(int(rng.integers(2, 9))):  # repaired patches
        x, y = int(rng.integers(width)), int(rng.integers(rows))
        size = (rng.uniform(0.5, 2.6, 2) * density).astype(int)
        cv2.rectangle(mask, (x, y), (x + int(size[0]), y + int(size[1])), 1, -1)
    for _ in range(int(rng.integers(0, 14))):  # cracks, filled with tar
        steps = rng.normal(0, 0.25 * density, (12, 2)).cumsum(0) + rng.uniform(0, 1, 2) * (width, rows)
        steps[:, 1] += np.arange(12) * rng.uniform(-0.4, 0.4) * density
        cv2.polylines(mask, [steps.astype(np.int32)], False, 2, 1)
    for kind, factor in ((1, rng.uniform(0.8, 1.12)), (2, 0.72)):
        picture[(mask == kind) & paved] *= np.float32(factor)
    return np.asarray(picture, np.float32)


def _pools(road: Road, d: Any, rows: int, density: float) -> npt.NDArray[np.float32]:
    """The light of street lamps on the ground, (rows, columns, 3), relative to the other light."""
    light = np.ones((rows, len(d), 3), np.float32)
    s = np.arange(rows)[:, None] / density
    for lamp, edge in zip(road.lamps, road.edges, strict=False):
        along = np.abs(s - lamp)
        along = np.minimum(along, PERIOD - along)
        pool = np.exp(-((along / 6.5) ** 2) - ((d - edge * 0.8) / 5.5) ** 2)
        light += pool[..., None].astype(np.float32) * np.array([0.8, 1.25, 1.6], np.float32)
    return light
