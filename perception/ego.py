"""The own car where it is in view, such as its bonnet: a part of the picture in which nothing is detected."""

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import UNKNOWN
from perception.errors import ConfigError
from perception.picture_size import check_picture
from perception.resample import Enlarged, resize_ids, source_pixels
from perception.scene import Instance, Lane, Scene
from perception.types import Bools, Floats

Ids: TypeAlias = npt.NDArray[np.uint16]

MOST = 0.6  # of the picture: a mask of more is rather the inverse of one
ASPECT = 0.02  # by which the sides' ratios of mask and frame may differ: a mask may be rounded to few pixels
OUTSIDE = 0.5  # of an instance's pixels: with less of them outside, it is the own car
FEWEST_POINTS = 2  # of a lane


def read_ego_mask(path: Path) -> Bools:
    """bool (h, w): where the picture is not black, the own car is in view.

    Raises:
        ConfigError: it is no picture, or marks nothing or most of it.
    """
    if not path.is_file():
        raise ConfigError(f"ego mask {path}: no such file")
    data = np.fromfile(path, np.uint8)
    try:
        check_picture(data.tobytes())
    except ValueError as error:
        raise ConfigError(f"ego mask {path}: not a picture that can be read ({error})") from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ConfigError(f"ego mask {path}: not a picture that can be read")
    if image.ndim == 3:  # an alpha channel, which is opaque everywhere, marks nothing
        image = image[..., :3].max(axis=2)
    mask = np.asarray(image > 0)
    if not 0 < mask.mean() <= MOST:
        raise ConfigError(
            f"ego mask {path}: marks {100 * mask.mean():.0f} % of the picture as the own car, allowed is "
            f"more than 0 and at most {100 * MOST:.0f} %; the own car is white, all else black"
        )
    return mask


class EgoMask:
    """The mask at a frame's size, with what cutting it out of many scenes takes.

    Attributes:
        full: bool (height, width).
    """

    def __init__(self, full: Bools) -> None:
        self.full = full
        self._x, self._y, self._width, self._height = cv2.boundingRect(full.view(np.uint8))
        self._within: dict[tuple[int, int], Bools] = {}

    def touches(self, box: tuple[float, float, float, float]) -> bool:
        """Whether a box meets the rectangle around the mask."""
        x0, y0, x1, y1 = box
        across = x0 < self._x + self._width and x1 > self._x
        return across and y0 < self._y + self._height and y1 > self._y

    def within(self, height: int, width: int) -> Bools:
        """bool (height, width): which pixels of a smaller map lie wholly in it, once the map is enlarged."""
        size = height, width
        if size not in self._within:
            sides = zip(size, self.full.shape, strict=True)
            rows, columns = (np.searchsorted(source_pixels(*side), np.arange(side[0])) for side in sides)
            self._within[size] = np.logical_and.reduceat(
                np.logical_and.reduceat(self.full, rows, 0), columns, 1
            )
        return self._within[size]


def misfit(mask: Bools, height: int, width: int) -> str:
    """Why the mask is not for a frame of that size: it has another aspect; empty: it is."""
    tall, wide = mask.shape
    fits = abs(wide * height / (tall * width) - 1) <= ASPECT
    return "" if fits else f"is {wide}×{tall}, the frame {width}×{height}; give one of the frame's aspect"


def fit_ego_mask(mask: Bools, height: int, width: int) -> EgoMask:
    """The mask at a frame's size.

    Raises:
        ConfigError: it has another aspect.
    """
    if why := misfit(mask, height, width):
        raise ConfigError(f"ego mask: {why}")
    return EgoMask(resize_ids(mask.astype(np.uint8), height, width).astype(bool))


def cut_ego(scene: Scene, mask: EgoMask) -> Scene:
    """The scene with `Scene.ego_mask`, and nothing detected in it. Its maps need not be enlarged for that.

    Args:
        mask: of the scene's size.
    """
    kept = [cut for one in scene.instances if (cut := _outside(one, scene.coarse_instance_map, mask))]
    scene = scene.only(kept)
    labels, ids = scene.coarse_labels, scene.coarse_instance_map
    ids = np.where(mask.within(*ids.shape), np.uint16(0), ids)
    labels = np.where(mask.within(*labels.shape), np.uint8(UNKNOWN), labels)
    return scene.evolve(
        ego_mask=mask.full,
        labels=Enlarged(labels, *scene.size, mask.full, UNKNOWN),
        instance_map=Enlarged(ids, *scene.size, mask.full, 0),
        lanes=lanes_outside(scene.lanes, mask.full),
        depth=None if scene.depth is None else np.where(mask.full, np.float32(0), scene.depth),
        key_points=tuple(one for one in scene.key_points if not _inside(mask.full, one.x, one.y)),
    )


def lanes_outside(lanes: tuple[Lane, ...], mask: Bools) -> tuple[Lane, ...]:
    """The lanes without their points in the mask; those that then have fewer than two are left out."""
    cut = (replace(lane, points=lane.points[~_inside(mask, *lane.points.T)]) for lane in lanes)
    return tuple(lane for lane in cut if len(lane.points) >= FEWEST_POINTS)


def _outside(one: Instance, ids: Ids, mask: EgoMask) -> Instance | None:
    """What is left of an instance; None: too little, it is the own car.

    Args:
        ids: the map of instances, before it is enlarged.
    """
    if not mask.touches(one.box):
        return one
    x0, y0 = (max(0, int(side)) for side in one.box[:2])
    x1, y1 = (int(np.ceil(side)) for side in one.box[2:])
    rows, columns = (source_pixels(few, many) for few, many in zip(ids.shape, mask.full.shape, strict=True))
    own = ids[rows[y0:y1, None], columns[x0:x1]] == one.id
    left = own & ~mask.full[y0:y1, x0:x1]
    count = np.count_nonzero(left)
    if count == np.count_nonzero(own):
        return one
    if count < OUTSIDE * np.count_nonzero(own):
        return None
    x, y, width, height = cv2.boundingRect(left.view(np.uint8))
    return replace(one, box=(float(x0 + x), float(y0 + y), float(x0 + x + width), float(y0 + y + height)))


def _inside(mask: Bools, x: Floats | float, y: Floats | float) -> Bools:
    """Whether points lie in the mask; none does beyond the frame."""
    column, row = (np.rint(np.asarray(side)).astype(np.intp) for side in (x, y))
    height, width = mask.shape
    there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.asarray(there & mask[row.clip(0, height - 1), column.clip(0, width - 1)])
