"""The ground and the backdrop: what lies under and behind everything else in a frame."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.simulation.camera import View
from perception.simulation.canvas import SHIFT, Image, fixed
from perception.simulation.look import Look
from perception.simulation.road import Road
from perception.simulation.textures import noise, sky, to_image

PERIOD = 32.0  # metres after which the ground's texture repeats
JUNCTION = 12.0  # metres along the road that a side street takes
YELLOW = 128  # added to the strength 1..127 of a mark for yellow paint
_LEVELS = 7
_COLOURS = {
    "asphalt": (96, 96, 97), "sidewalk": (150, 156, 162), "curb": (172, 176, 180), "paving": (128, 136, 144),
    "grass": (52, 104, 84), "field": (62, 118, 112), "dirt": (92, 112, 134),
}  # fmt: skip
_LABELS = {
    "asphalt": "road", "sidewalk": "sidewalk", "curb": "sidewalk", "paving": "sidewalk", "grass": "vegetation",
    "field": "vegetation", "dirt": "vegetation",
}  # fmt: skip


class GroundTexture:
    """The ground from above, lit, in levels of detail along the road, with a second section for junctions.

    `atlas` holds all levels one above the other, each padded by a row that continues it.
    """

    def __init__(self, road: Road, look: Look, rng: np.random.Generator, density: float) -> None:
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
        factor = look.light(np.array([0.0, 0.0, 1.0]))
        tone = rng.uniform(0.85, 1.45)
        levels, self.offsets, row = [], np.zeros((2, _LEVELS)), 0
        for section, length in enumerate((PERIOD, JUNCTION)):
            used = materials if section == 0 else np.zeros_like(materials)
            picture = _surface(rng, used, round(length * density), road, density, tone, d) * factor
            for level in range(_LEVELS):
                self.offsets[section, level] = row + 1
                levels.append(np.concatenate([picture[-1:], picture, picture[:1]]))
                row += len(levels[-1])
                size = (width, max(picture.shape[0] // 2, 1))
                picture = cv2.blur(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (2 * level + 1, 1))
        self.atlas = to_image(np.concatenate(levels))
        size = round(PERIOD * density / 2)
        worn = 0.5 + 0.9 * noise(rng, size, width // 2, 40, 5)
        self.wear = np.clip(worn * 6 + rng.uniform(0.8, 4.0), 0.12, 1).astype(np.float32)
        self.paint = factor * np.array([[226, 230, 232], [70, 178, 225]]) * rng.uniform(0.8, 1.02)


def _surface(
    rng: np.random.Generator, materials: npt.NDArray[Any], rows: int, road: Road, density: float, tone: float, d: Any
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
    return picture


@dataclass
class Marks:
    """Painted quadrilaterals: `corners` (n, 4, 2) of station and offset, `strength` (n,) 1..127, + YELLOW."""

    corners: npt.NDArray[np.float64]
    strength: npt.NDArray[np.int64]


class Ground:
    """The ground of one frame. `side_street` tells for stations whether a side street crosses there."""

    instance = 0

    def __init__(
        self, texture: GroundTexture, view: View, look: Look, marks: Marks,
        side_street: npt.NDArray[np.bool_], speed: float,
    ) -> None:  # fmt: skip
        self.texture, self.view, self.look = texture, view, look
        k = view.intrinsics
        self.first, self.size = view.horizon, (k.height - view.horizon, k.width)
        self.street = side_street
        self.shadows: list[npt.NDArray[np.int32]] = []
        self._speed = speed
        self._marks = marks
        across = view.depth / k.focal * texture.density * view.side
        start = (view.pose.offset - view.shift - texture.left) * texture.density - 0.5
        self._lines = np.stack([across, start], 1).astype(np.float32)

    def _columns(self, step: int) -> npt.NDArray[np.float32]:
        """float32: the texture's column for every row and every `step`-th column of the image."""
        k = self.view.intrinsics
        columns = np.arange((step - 1) / 2, k.width + step - 1, step) - k.cx
        line = np.stack([columns, np.ones_like(columns)]).astype(np.float32)
        return np.asarray(cv2.gemm(self._lines, line, 1.0, None, 0.0), np.float32)

    @cached_property
    def paint_mask(self) -> Image:
        """uint8: strength of the paint where there is some, else 0."""
        mask = np.zeros(self.size, np.uint8)
        corners, view = self._marks.corners, self.view
        if len(corners) and self.size[0]:
            points = view.project(corners[..., 0], corners[..., 1], 0.0)
            shown = ~view.hidden(corners[..., 0].min(1) - view.pose.station)
            shown &= (corners[..., 0].max(1) - view.pose.station > 1.0) & (points[..., 1].max(1) >= self.first)
            points[..., 1] -= self.first
            integers = fixed(points[..., :2].reshape(-1, 2)).reshape(-1, 4, 2)
            for index in np.flatnonzero(shown):
                cv2.fillConvexPoly(mask, integers[index], (int(self._marks.strength[index]),), cv2.LINE_8, SHIFT)
        return mask

    def paint(self, image: Image) -> None:
        if not self.size[0]:
            return
        texture, view = self.texture, self.view
        station = view.pose.station + view.ahead
        footprint = np.abs(np.gradient(view.ahead)) if len(view.ahead) > 1 else np.ones(1)
        smear = np.maximum(footprint, self._speed * self.look.blur) * texture.density
        level = np.clip(np.rint(np.log2(np.maximum(smear, 1e-3))), 0, _LEVELS - 1).astype(int)
        along = np.where(self.street, station % JUNCTION, station % PERIOD) * texture.density
        map_y = along / 2.0**level - 0.5 + texture.offsets[self.street.astype(int), level]
        # The texture is coarser than the image, so that every second column is enough.
        map_x = self._columns(2)
        rows = np.ascontiguousarray(np.broadcast_to(map_y.astype(np.float32)[:, None], map_x.shape))
        half = cv2.remap(texture.atlas, map_x, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        ground = np.ascontiguousarray(cv2.resize(half, (2 * map_x.shape[1], self.size[0]))[:, : self.size[1]])
        self._apply_marks(ground, station)
        self._apply_shadows(ground)
        self._apply_haze(ground)
        image[self.first :] = ground

    def _apply_marks(self, ground: Any, station: npt.NDArray[np.float64]) -> None:
        found = cv2.findNonZero(self.paint_mask)
        if found is None:
            return
        x, y = found.reshape(-1, 2).T
        at = y * self.size[1] + x
        strength = self.paint_mask.ravel()[at]
        wear = self.texture.wear
        line = ((station % PERIOD) * self.texture.density / 2).astype(np.int32) % wear.shape[0]
        across, start = self._lines[y].T
        column = np.clip((across * (x - self.view.intrinsics.cx) + start) / 2, 0, wear.shape[1] - 1).astype(np.int32)
        cover = wear[line[y], column] * (strength & 127).astype(np.float32) * np.float32(1 / 127)
        paint = self.texture.paint.astype(np.float32)[(strength >= YELLOW).astype(np.int8)]
        flat = ground.reshape(-1, 3)
        under = flat[at].astype(np.float32)
        flat[at] = np.clip(under + (paint - under) * cover[:, None], 0, 255).astype(np.uint8)

    def _apply_shadows(self, ground: Any) -> None:
        if not self.shadows:
            return
        mask = np.zeros(self.size, np.uint8)
        for corners in self.shadows:
            cv2.fillConvexPoly(mask, corners, (255,), cv2.LINE_8, SHIFT)
        top = max(int(min(c[:, 1].min() for c in self.shadows)) >> SHIFT, 0)
        mask, part = mask[top:], ground[top:]
        if len(part):
            lit = self.look.light(np.array([0.0, 0.0, 1.0]))
            share = float((self.look.ambient / lit).mean()) if self.look.shadows else 0.72
            cv2.copyTo(cv2.convertScaleAbs(part, alpha=share), cv2.blur(mask, (3, 3)) & 255, part)

    def _apply_haze(self, ground: Any) -> None:
        clear = np.exp(-self.view.ahead / self.look.visibility)
        bands = np.rint(clear * 48).astype(int)
        edges = np.flatnonzero(np.diff(bands)) + 1
        for start, stop in zip([0, *edges], [*edges, len(bands)], strict=True):
            gain = bands[start] / 48
            if gain < 0.99:
                part = ground[start:stop]
                cv2.convertScaleAbs(part, part, gain)
                cv2.add(part, (*(self.look.haze * (1 - gain)), 0.0), part)

    def fill_labels(self, labels: Image) -> None:
        if not self.size[0]:
            return
        rows = np.broadcast_to(self.street.astype(np.float32)[:, None], self.size)
        part = labels[self.first :]
        part[:] = cv2.remap(
            self.texture.classes, self._columns(1), np.ascontiguousarray(rows), cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        part[self.paint_mask > 0] = DRIVE.id("lane_marking")

    def fill_depth(self, depth: npt.NDArray[np.float32]) -> None:
        depth[self.first :] = self.view.depth[:, None]


class Backdrop:
    """Sky and far hills, as a panorama wide enough for every heading of the drive."""

    def __init__(self, road: Road, look: Look, rng: np.random.Generator, width: int, height: int, focal: float) -> None:
        self._turn = road.bend.steepest + 0.05
        self._focal = focal
        wide = width + 2 * int(np.ceil(self._turn * focal)) + 2
        self.picture = sky(rng, look, height, wide, width)
        self.labels = np.full((height, wide), DRIVE.id("sky"), np.uint8)
        rows = np.arange(height)[:, None]
        for k, (label, colour) in enumerate(
            (("vegetation", (110, 110, 90)), ("vegetation", (62, 92, 70)))
        ):
            rise = (0.035 - 0.012 * k) * width * rng.uniform(0.4, 1.3)
            line = noise(rng, 1, wide, width / (2 + 3 * k), 6 - 2 * k)[0] * 0.6 + 0.45
            if k:
                line = line + 0.12 * noise(rng, 1, wide, width / 90, 2)[0]
            inside = rows > height - 1 - np.maximum(line, 0.06) * rise
            clear = look.clear(900 - 500 * k)
            factor = look.ambient + 0.4 * look.sun
            lit = np.array(colour) * factor * clear + look.haze * (1 - clear)
            if clear > 0.03:
                self.picture[inside] = to_image(lit)
                self.labels[inside] = DRIVE.id(label)

    def _part(self, view: View) -> tuple[slice, slice, int]:
        """Rows and columns of the panorama, and the image rows that they fill."""
        width, filled = view.intrinsics.width, min(view.horizon, view.intrinsics.height)
        shift = self._focal * (self._turn + float(np.clip(view.pose.heading * view.side, -self._turn, self._turn)))
        left = int(np.clip(round(shift), 0, self.picture.shape[1] - width))
        return slice(len(self.picture) - filled, len(self.picture)), slice(left, left + width), filled

    def paint(self, image: Image, view: View) -> None:
        rows, columns, filled = self._part(view)
        image[:filled] = self.picture[rows, columns]

    def fill_labels(self, labels: Image, view: View) -> None:
        rows, columns, filled = self._part(view)
        labels[:filled] = self.labels[rows, columns]
