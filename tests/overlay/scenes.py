"""Scenes to draw, and what to measure in the pictures."""

import cv2
import numpy as np
import numpy.typing as npt

from perception import Frame, Instance, Lane, Scene, draw
from perception.classes import DRIVE
from perception.overlay import Image, Style

ROAD, VEHICLE, PEDESTRIAN = DRIVE.id("road"), DRIVE.id("vehicle"), DRIVE.id("pedestrian")
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]


def scene_of(height: int, width: int, boxes: tuple[Box, ...] = (), **more: object) -> Scene:
    """Road, and a vehicle that fills each box, the later ones over the earlier; their tracks count from 1."""
    labels = np.full((height, width), ROAD, np.uint8)
    instance_map = np.zeros((height, width), np.uint16)
    instances = []
    for k, (x0, y0, x1, y1) in enumerate(boxes, start=1):
        labels[max(y0, 0) : y1, max(x0, 0) : x1] = VEHICLE
        instance_map[max(y0, 0) : y1, max(x0, 0) : x1] = VEHICLE * 1000 + k
        instances.append(Instance(VEHICLE * 1000 + k, VEHICLE, 0.9, (x0, y0, x1, y1), k))
    values = {
        "instances": tuple(instances),
        "age_ms": 41.0,
        "max_age_ms": 250.0,
        "timings_ms": {"infer": 38.2},
    } | more
    return Scene(12, 0, 0, "", "front", labels, instance_map, **values)  # type: ignore[arg-type]


def drawn(scene: Scene, *styles: Style, grey: int = 100) -> Image:
    height, width = scene.labels.shape
    frame = Frame(np.full((height, width, 3), grey, np.uint8), stamp_ns=0, sequence=12)
    return draw(frame, scene, DRIVE, styles)


def changed(picture: Image, grey: int = 100) -> Mask:
    mask: Mask = (picture != grey).any(axis=2)
    return mask


def of_colour(picture: Image, colour: tuple[int, int, int]) -> Mask:
    mask: Mask = (picture == np.array(colour, np.uint8)).all(axis=2)
    return mask


def away_from(mask: Mask) -> npt.NDArray[np.float32]:
    """How far each pixel is from the mask, in px."""
    away: npt.NDArray[np.float32] = cv2.distanceTransform(  # type: ignore[assignment]
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return away


def lane(*points: tuple[float, float], **values: object) -> Lane:
    given_values = {"kind": "solid", "confidence": 1.0} | values
    return Lane(np.array(points, np.float32).reshape(-1, 2), **given_values)  # type: ignore[arg-type]


def runs(mask: Mask) -> list[int]:
    """Lengths of what is true without a break."""
    turns = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    lengths: list[int] = np.diff(turns)[::2].tolist()
    return lengths
