"""The own car where it is in view, such as its bonnet: a part of the picture in which nothing is detected."""

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import UNKNOWN
from perception.errors import ConfigError
from perception.resample import resize_ids
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
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except cv2.error:  # of a size that is not allowed
        image = None
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


def fit_ego_mask(mask: Bools, height: int, width: int) -> Bools:
    """The mask at a frame's size.

    Raises:
        ConfigError: it has another aspect.
    """
    tall, wide = mask.shape
    if abs(wide * height / (tall * width) - 1) > ASPECT:
        raise ConfigError(
            f"ego mask: is {wide}×{tall}, the frame {width}×{height}; give one of the frame's aspect"
        )
    return resize_ids(mask.astype(np.uint8), height, width).astype(bool)


def cut_ego(scene: Scene, mask: Bools) -> Scene:
    """The scene with `Scene.ego_mask`, and nothing detected in it.

    Args:
        mask: bool (height, width) of the scene's size.
    """
    outside = ~mask
    instance_map = scene.instance_map * outside
    kept = [cut for one in scene.instances if (cut := _outside(one, scene.instance_map, instance_map))]
    gone = {one.id for one in scene.instances} - {one.id for one in kept}
    if gone:
        instance_map[np.isin(instance_map, list(gone))] = 0
    return scene.evolve(
        ego_mask=mask,
        labels=scene.labels | (UNKNOWN * mask.view(np.uint8)),  # all bits
        instance_map=instance_map,
        instances=tuple(kept),
        lanes=lanes_outside(scene.lanes, mask),
        depth=None if scene.depth is None else np.where(mask, np.float32(0), scene.depth),
        key_points=tuple(one for one in scene.key_points if not _inside(mask, one.x, one.y)),
    )


def lanes_outside(lanes: tuple[Lane, ...], mask: Bools) -> tuple[Lane, ...]:
    """The lanes without their points in the mask; those that then have fewer than two are left out."""
    cut = (replace(lane, points=lane.points[~_inside(mask, *lane.points.T)]) for lane in lanes)
    return tuple(lane for lane in cut if len(lane.points) >= FEWEST_POINTS)


def _outside(one: Instance, before: Ids, after: Ids) -> Instance | None:
    """What is left of an instance; None: too little, it is the own car."""
    x0, y0 = (max(0, int(side)) for side in one.box[:2])
    x1, y1 = (int(np.ceil(side)) for side in one.box[2:])
    own, left = (ids[y0:y1, x0:x1] == one.id for ids in (before, after))
    count = np.count_nonzero(left)
    if count == np.count_nonzero(own):
        return one
    if count < OUTSIDE * np.count_nonzero(own):
        return None
    x, y, width, height = cv2.boundingRect(left.astype(np.uint8))
    return replace(one, box=(float(x0 + x), float(y0 + y), float(x0 + x + width), float(y0 + y + height)))


def _inside(mask: Bools, x: Floats | float, y: Floats | float) -> Bools:
    """Whether points lie in the mask; none does beyond the frame."""
    column, row = (np.rint(np.asarray(side)).astype(np.intp) for side in (x, y))
    height, width = mask.shape
    there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.asarray(there & mask[row.clip(0, height - 1), column.clip(0, width - 1)])
