"""What is drawn in a frame: a list from far to near, played into the image and into each truth map.

The image and the maps are filled through the same polygons and masks, so the maps hold exactly the visible
geometry. Nothing here is antialiased; softening comes later, with the sensor.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.simulation.textures import Sprite
from perception.types import Doubles, Floats, Image

SHIFT = 4  # binary digits of a pixel's fraction in polygon corners
_LIMIT = 1 << 15  # corners further out than this many pixels are drawn there

Colour = tuple[float, float, float]
Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in the image
Light = tuple[float, Colour]  # gain, and the haze to add
_PLAIN: Light = (1.0, (0.0, 0.0, 0.0))


def fixed_point(points: Doubles) -> npt.NDArray[np.int32]:
    """Pixel coordinates (n, 2) as the fixed-point numbers that OpenCV draws."""
    limited = np.minimum(np.maximum(points, -_LIMIT), _LIMIT)
    return np.asarray(np.rint(limited * (1 << SHIFT)), np.int32)


@dataclass(slots=True)
class Polygon:
    """A convex planar face of one colour. `points` (n, 3) are u, v, depth; rows from `clip` on are hidden."""

    points: Doubles
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

    def fill_depth(self, target: Floats) -> None:
        if not self.detail:
            fill_face_depth(target, self.points, self.corners, self.clip)


@dataclass(slots=True)
class Faces:
    """Those `faces`, in this order, of a mesh of convex faces that `starts` cuts the `points` (n, 3) into."""

    points: Doubles
    starts: list[int]
    faces: list[int]
    colours: list[Colour]  # of the faces in `faces`
    detail: list[bool]
    label: int
    instance: int
    clip: int
    corners: npt.NDArray[np.int32]

    def paint(self, image: Image) -> None:
        shown, corners, starts = image[: self.clip], self.corners, self.starts
        for face, colour in zip(self.faces, self.colours, strict=True):
            cv2.fillConvexPoly(shown, corners[starts[face] : starts[face + 1]], colour, cv2.LINE_8, SHIFT)

    def fill(self, target: npt.NDArray[Any], value: int) -> None:
        shown = target[: self.clip]
        for face in self.faces:
            if not self.detail[face]:
                part = self.corners[self.starts[face] : self.starts[face + 1]]
                cv2.fillConvexPoly(shown, part, (value,), cv2.LINE_8, SHIFT)

    def fill_depth(self, target: Floats) -> None:
        for face in self.faces:
            if not self.detail[face]:
                part = slice(self.starts[face], self.starts[face + 1])
                fill_face_depth(target, self.points[part], self.corners[part], self.clip)


def fill_face_depth(target: Floats, points: Doubles, corners: npt.NDArray[np.int32], clip: int) -> None:
    """Write the depth of a convex face (see `Polygon`) into the pixels that it covers."""
    height, width = target.shape
    low, high = np.floor(points[:, :2].min(0)) - 1, np.ceil(points[:, :2].max(0)) + 2
    x0, y0 = (int(x) for x in np.clip(low, 0, (width, clip)))
    x1, y1 = (int(x) for x in np.clip(high, 0, (width, min(clip, height))))
    if x1 > x0 and y1 > y0:
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        shifted = corners - np.array([x0, y0], np.int32) * (1 << SHIFT)
        cv2.fillConvexPoly(mask, shifted, (255,), cv2.LINE_8, SHIFT)
        cv2.copyTo(plane_depth(points, x0, y0, x1, y1), mask, target[y0:y1, x0:x1])


def plane_depth(points: Doubles, x0: int, y0: int, x1: int, y1: int) -> Floats:
    """Depth of the plane through `points` (n, 3: u, v, depth) at the pixels of a box.

    Its inverse is linear in u and v.
    """
    inverse = 1 / points[:, 2]
    middle = points[:, :2].mean(0)
    design = np.column_stack([points[:, :2] - middle, np.ones(len(points))])
    a, b, c = np.linalg.lstsq(design, inverse, rcond=1e-6)[0]
    plane = a * (np.arange(x0, x1) - middle[0]) + (b * (np.arange(y0, y1) - middle[1]) + c)[:, None]
    return np.asarray(1 / np.clip(plane, inverse.min(), inverse.max()), np.float32)


class _Masked(ABC):
    """Something textured: `box` x0, y0, x1, y1 in the image, its colours and the mask they show through."""

    box: Box
    label: int
    instance: int

    @abstractmethod
    def colours(self) -> Image: ...

    @cached_property
    @abstractmethod
    def mask(self) -> Image: ...

    @abstractmethod
    def depth(self) -> Floats: ...

    def paint(self, image: Image) -> None:
        x0, y0, x1, y1 = self.box
        cv2.copyTo(self.colours(), self.mask, image[y0:y1, x0:x1])

    def fill(self, target: npt.NDArray[Any], value: int) -> None:
        x0, y0, x1, y1 = self.box
        plane = np.full((y1 - y0, x1 - x0), value, target.dtype)
        cv2.copyTo(plane, self.mask, target[y0:y1, x0:x1])

    def fill_depth(self, target: Floats) -> None:
        x0, y0, x1, y1 = self.box
        cv2.copyTo(self.depth(), self.mask, target[y0:y1, x0:x1])


@dataclass
class Cutout(_Masked):
    """An upright sprite that faces the camera, over the pixels `frame`, of which `box` shows."""

    sprite: Sprite
    frame: Box
    distance: float
    box: Box
    light: Light
    label: int
    instance: int

    def colours(self) -> Image:
        return self._show(self.sprite.colours, self.light)

    @cached_property
    def mask(self) -> Image:
        soft = self._show(self.sprite.masks, _PLAIN)
        return cv2.threshold(soft, 127, 255, cv2.THRESH_BINARY)[1].astype(np.uint8, copy=False)

    def _show(self, levels: tuple[Image, ...], light: Light) -> npt.NDArray[Any]:
        x0, y0, x1, y1 = self.frame
        scale = (y1 - y0) / levels[0].shape[0]
        picture = levels[self.sprite.level(scale)]
        if self.box == self.frame:
            return lit(cv2.resize(picture, (x1 - x0, y1 - y0)), light)
        rows, columns = picture.shape[:2]
        across, up = (x1 - x0) / columns, (y1 - y0) / rows
        left, top = x0 - self.box[0] + across / 2 - 0.5, y0 - self.box[1] + up / 2 - 0.5
        transform = np.array([[across, 0, left], [0, up, top], [0, 0, 1]])
        return enlarged(picture, transform, self.box, across, up, light)

    def depth(self) -> Floats:
        x0, y0, x1, y1 = self.box
        return np.full((y1 - y0, x1 - x0), self.distance, np.float32)


@dataclass
class Panel(_Masked):
    """A textured quadrilateral: `points` (4, 3) u, v, depth and `corners` (4, 2) in the texture, clockwise.

    `across` and `up` are how many times the texture is enlarged.
    """

    texture: Sprite
    points: Doubles
    corners: Doubles
    across: float
    up: float
    box: Box
    light: Light
    label: int
    instance: int = 0

    def colours(self) -> Image:
        # One level coarser than sharp: the lens is no sharper, and less is read.
        level = self.texture.level(0.5 * max(self.across, self.up))
        points = (self.points[:, :2] - self.box[:2]).astype(np.float32)
        corners = (self.corners / (1 << level)).astype(np.float32)
        transform = np.asarray(cv2.getPerspectiveTransform(corners, points), np.float64)
        picture = self.texture.colours[level]
        across, up = self.across * 2**level, self.up * 2**level
        return enlarged(picture, transform, self.box, across, up, self.light)

    @cached_property
    def mask(self) -> Image:
        x0, y0, x1, y1 = self.box
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillConvexPoly(mask, fixed_point(self.points[:, :2] - (x0, y0)), (255,), cv2.LINE_8, SHIFT)
        return mask

    def depth(self) -> Floats:
        return plane_depth(self.points, *self.box)


@dataclass
class Glow:
    """A soft disc of light added to the image; it is no thing of its own and leaves the truth alone."""

    u: float
    v: float
    radius: float
    box: Box
    colour: Colour
    label = instance = 0

    def paint(self, image: Image) -> None:
        x0, y0, x1, y1 = self.box
        scale = self.radius / _DISC
        transform = np.array([[scale, 0, self.u - self.radius - x0], [0, scale, self.v - self.radius - y0]])
        light = cv2.warpAffine(_disc(self.colour), transform, (x1 - x0, y1 - y0))
        cv2.add(image[y0:y1, x0:x1], light, image[y0:y1, x0:x1])

    def fill(self, target: npt.NDArray[Any], value: int) -> None:
        pass

    def fill_depth(self, target: Floats) -> None:
        pass


_DISC = 48


@lru_cache(maxsize=16)
def _disc(colour: Colour) -> Image:
    """A bright middle in a wide faint halo, uint8 of three channels."""
    y, x = np.mgrid[: 2 * _DISC, : 2 * _DISC] - (_DISC - 0.5)
    away = np.hypot(x, y) / _DISC
    bright = 150 * np.exp(-((away / 0.16) ** 2)) + 70 * np.clip(1 - away, 0, 1) ** 2
    return np.asarray(bright[..., None] * np.array(colour) / 255, np.uint8)


def enlarged(
    picture: Image, transform: Doubles, box: Box, across: float, up: float, light: Light
) -> npt.NDArray[Any]:
    """A lit picture under a 3×3 transform, over a box; what is much enlarged is warped small and resized."""
    width, height = box[2] - box[0], box[3] - box[1]
    step_x, step_y = (4 if scale > 2.8 else 2 if scale > 1.3 else 1 for scale in (across, up))
    shrink = np.array([[1 / step_x, 0, 0.5 / step_x - 0.5], [0, 1 / step_y, 0.5 / step_y - 0.5], [0, 0, 1]])
    small = (-(-width // step_x), -(-height // step_y))
    # Samples are about as far apart as pixels of the level, so that the nearest serves, but for what is near.
    flags = cv2.INTER_NEAREST if step_x * step_y < 4 else cv2.INTER_LINEAR
    border = cv2.BORDER_REPLICATE
    warped = lit(
        cv2.warpPerspective(picture, shrink @ transform, small, flags=flags, borderMode=border), light
    )
    if step_x == step_y == 1:
        return warped
    return cv2.resize(warped, (small[0] * step_x, small[1] * step_y))[:height, :width]


def lit(colours: npt.NDArray[Any], light: Light) -> Image:
    """Colours times the gain, plus the haze; may change them in place."""
    gain, haze = light
    if gain != 1.0:
        cv2.convertScaleAbs(colours, colours, gain)
    if max(haze) >= 1.0:
        cv2.add(colours, np.array((*haze, 0.0)), colours)
    return colours
