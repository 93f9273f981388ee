"""What is drawn in a frame, as a list from far to near that can be played into the image and into each truth map.

The image and the maps are filled through the same polygons and masks, so the maps hold exactly the visible
geometry. Nothing here is antialiased; softening comes later, with the sensor.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.simulation.textures import Sprite

SHIFT = 4  # binary digits of a pixel's fraction in polygon corners
_LIMIT = 1 << 15  # corners further out than this many pixels are drawn there

Image = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]
Light = tuple[float, Colour]  # gain, and the haze to add


def fixed(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Pixel coordinates (n, 2) as the fixed-point numbers that OpenCV draws."""
    return np.rint(np.clip(points, -_LIMIT, _LIMIT) * (1 << SHIFT)).astype(np.int32)


@dataclass(slots=True)
class Polygon:
    """A convex planar face of one colour. `points` (n, 3) are u, v, depth; rows from `clip` on are hidden."""

    points: npt.NDArray[np.float64]
    corners: npt.NDArray[np.int32]
    colour: Colour
    label: int
    instance: int
    clip: int
    detail: bool = False  # lies on a face that is listed before it, so that it changes the image only

    def paint(self, image: Image) -> None:
        cv2.fillConvexPoly(image[: self.clip], self.corners, self.colour, cv2.LINE_8, SHIFT)

    def fill(self, target: npt.NDArray[Any], value: int) -> None:
        if not self.detail:
            cv2.fillConvexPoly(target[: self.clip], self.corners, (value,), cv2.LINE_8, SHIFT)

    def fill_depth(self, target: npt.NDArray[np.float32]) -> None:
        if not self.detail:
            height, width = target.shape
            low, high = np.floor(self.points[:, :2].min(0)) - 1, np.ceil(self.points[:, :2].max(0)) + 2
            x0, y0 = (int(x) for x in np.clip(low, 0, (width, self.clip)))
            x1, y1 = (int(x) for x in np.clip(high, 0, (width, min(self.clip, height))))
            if x1 > x0 and y1 > y0:
                mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
                corners = self.corners - np.array([x0, y0], np.int32) * (1 << SHIFT)
                cv2.fillConvexPoly(mask, corners, (255,), cv2.LINE_8, SHIFT)
                cv2.copyTo(plane_depth(self.points, x0, y0, x1, y1), mask, target[y0:y1, x0:x1])


def plane_depth(
    points: npt.NDArray[np.float64], x0: int, y0: int, x1: int, y1: int
) -> npt.NDArray[np.float32]:
    """Depth of the plane through `points` (n, 3: u, v, depth) at the pixels of a box; 1/depth is linear in u, v."""
    inverse = 1 / points[:, 2]
    middle = points[:, :2].mean(0)
    design = np.column_stack([points[:, :2] - middle, np.ones(len(points))])
    a, b, c = np.linalg.lstsq(design, inverse, rcond=1e-6)[0]
    plane = a * (np.arange(x0, x1) - middle[0]) + (b * (np.arange(y0, y1) - middle[1]) + c)[:, None]
    return (1 / np.clip(plane, inverse.min(), inverse.max())).astype(np.float32)


class _Masked:
    """Something textured: `box` x0, y0, x1, y1 in the image, and in it the colours and the mask they show through."""

    box: tuple[int, int, int, int]
    label: int
    instance: int

    def colours(self) -> Image:
        raise NotImplementedError

    @cached_property
    def mask(self) -> Image:
        raise NotImplementedError

    def depth(self) -> npt.NDArray[np.float32]:
        raise NotImplementedError

    def paint(self, image: Image) -> None:
        x0, y0, x1, y1 = self.box
        cv2.copyTo(self.colours(), self.mask, image[y0:y1, x0:x1])

    def fill(self, target: npt.NDArray[Any], value: int) -> None:
        x0, y0, x1, y1 = self.box
        plane = np.full((y1 - y0, x1 - x0), value, target.dtype)
        cv2.copyTo(plane, self.mask, target[y0:y1, x0:x1])

    def fill_depth(self, target: npt.NDArray[np.float32]) -> None:
        x0, y0, x1, y1 = self.box
        cv2.copyTo(self.depth(), self.mask, target[y0:y1, x0:x1])


@dataclass
class Cutout(_Masked):
    """An upright sprite that faces the camera, with its left edge, top and scale (pixels per sprite pixel)."""

    sprite: Sprite
    left: float
    top: float
    scale: float
    distance: float
    box: tuple[int, int, int, int]
    light: Light
    label: int
    instance: int

    def _transform(self, reduction: int) -> npt.NDArray[np.float64]:
        scale = self.scale * reduction
        return np.array([[scale, 0, self.left - self.box[0]], [0, scale, self.top - self.box[1]]])

    def colours(self) -> Image:
        level = self.sprite.level(self.scale)
        x0, y0, x1, y1 = self.box
        size = (x1 - x0, y1 - y0)
        warped = cv2.warpAffine(
            self.sprite.colours[level], self._transform(1 << level), size, borderMode=cv2.BORDER_REPLICATE
        )
        return lit(warped, self.light)

    @cached_property
    def mask(self) -> Image:
        level = self.sprite.level(self.scale)
        x0, y0, x1, y1 = self.box
        soft = cv2.warpAffine(self.sprite.masks[level], self._transform(1 << level), (x1 - x0, y1 - y0))
        return cv2.threshold(soft, 127, 255, cv2.THRESH_BINARY)[1]

    def depth(self) -> npt.NDArray[np.float32]:
        x0, y0, x1, y1 = self.box
        return np.full((y1 - y0, x1 - x0), self.distance, np.float32)


@dataclass
class Panel(_Masked):
    """A textured quadrilateral; `points` (4, 3) u, v, depth and `corners` (4, 2) in the texture, both clockwise."""

    texture: Sprite
    points: npt.NDArray[np.float64]
    corners: npt.NDArray[np.float64]
    box: tuple[int, int, int, int]
    light: Light
    label: int
    instance: int = 0

    def colours(self) -> Image:
        x0, y0, x1, y1 = self.box
        extent = np.ptp(self.points[:, :2], axis=0)
        stretch = float(np.max(extent / np.maximum(np.ptp(self.corners, axis=0), 1e-6)))
        level = self.texture.level(stretch)
        points = (self.points[:, :2] - (x0, y0)).astype(np.float32)
        transform = cv2.getPerspectiveTransform((self.corners / (1 << level)).astype(np.float32), points)
        size = (x1 - x0, y1 - y0)
        warped = cv2.warpPerspective(
            self.texture.colours[level], transform, size, borderMode=cv2.BORDER_REPLICATE
        )
        return lit(warped, self.light)

    @cached_property
    def mask(self) -> Image:
        x0, y0, x1, y1 = self.box
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillConvexPoly(mask, fixed(self.points[:, :2] - (x0, y0)), (255,), cv2.LINE_8, SHIFT)
        return mask

    def depth(self) -> npt.NDArray[np.float32]:
        return plane_depth(self.points, *self.box)


@dataclass
class Glow:
    """A soft disc of light added to the image; it is no thing of its own and leaves the truth alone."""

    u: float
    v: float
    radius: float
    box: tuple[int, int, int, int]
    colour: Colour
    label = instance = 0

    def paint(self, image: Image) -> None:
        x0, y0, x1, y1 = self.box
        scale = self.radius / _DISC
        transform = np.array([[scale, 0, self.u - self.radius - x0], [0, scale, self.v - self.radius - y0]])
        disc = cv2.warpAffine(_disc(), transform, (x1 - x0, y1 - y0))
        light = cv2.merge([cv2.convertScaleAbs(disc, alpha=c / 255) for c in self.colour])
        cv2.add(image[y0:y1, x0:x1], light, image[y0:y1, x0:x1])

    def fill(self, target: npt.NDArray[Any], value: int) -> None:
        pass

    def fill_depth(self, target: npt.NDArray[np.float32]) -> None:
        pass


_DISC = 48


@lru_cache(maxsize=1)
def _disc() -> Image:
    """A bright middle in a wide faint halo, uint8."""
    y, x = np.mgrid[: 2 * _DISC, : 2 * _DISC] - (_DISC - 0.5)
    away = np.hypot(x, y) / _DISC
    bright = 150 * np.exp(-((away / 0.16) ** 2)) + 70 * np.clip(1 - away, 0, 1) ** 2
    return bright.astype(np.uint8)


def lit(colours: npt.NDArray[Any], light: Light) -> Image:
    """Colours times the gain, plus the haze."""
    gain, haze = light
    if gain != 1.0:
        colours = cv2.convertScaleAbs(colours, alpha=gain)
    if max(haze) >= 1.0:
        colours = cv2.add(colours, (*haze, 0.0))
    return colours
