"""A small drive that is known in every part, and the faults of cameras, for the tests of the image checks."""

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.frame import Frame
from perception.pixels import Pixels
from perception.scene import Scene, Status, unknown_scene
from perception.types import Image

WIDTH, HEIGHT = 320, 180
PERIOD_NS = 40_000_000
SECOND = 25  # frames
ALL = slice(None)
HALF = slice(0, WIDTH // 2)
SKY, TREES, ROAD = (230, 200, 170), (40, 90, 60), (100, 100, 100)  # BGR
_RNG = np.random.default_rng(5)
_HOUSES = _RNG.integers(40, 220, (6, 200), np.uint8)
_NOISES = _RNG.normal(0, 1, (5, HEIGHT, WIDTH, 3))
_LEAVES = _RNG.uniform(0.6, 1.4, (4, 64, 1)).repeat(5, 0).repeat(5, 1)


def picture(k: int, brightness: float = 1.0, noise: float = 1.5) -> Image:
    """uint8 (180, 320, 3): plain sky, trees, houses that pass by, and a plain road; with a sensor's noise."""
    image = np.empty((HEIGHT, WIDTH, 3), np.float64)
    image[:40], image[40:60], image[60:120], image[120:] = SKY, TREES, ROAD, ROAD
    image[40:60] *= np.roll(_LEAVES, 5 * k, axis=1)
    houses = np.roll(_HOUSES, k, axis=1)[:, :32]
    image[60:120] = cv2.resize(houses, (WIDTH, 60), interpolation=cv2.INTER_NEAREST)[..., None]
    image[120:, 150:156] = 240  # a marking
    return sensed(image * brightness, k, noise)


def sensed(light: npt.NDArray[np.integer | np.floating], k: int, noise: float) -> Image:
    """What a sensor with that noise, in grey levels, makes of it."""
    height, width = light.shape[:2]
    seen = light + noise * np.roll(_NOISES[k % 5, :height, :width], k // 5, axis=1)
    return np.clip(np.round(seen), 0, 255).astype(np.uint8)


def covered(k: int, rows: slice, columns: slice) -> Image:
    """By something dark."""
    image = picture(k, noise=0).astype(np.float64)
    image[rows, columns] = 45
    return sensed(image, k, 1.5)


def frame(pixels: Pixels, k: int) -> Frame:
    if isinstance(pixels, np.ndarray):
        pixels = np.ascontiguousarray(pixels)
    return Frame(pixels, k * PERIOD_NS, sequence=k)


def scene() -> Scene:
    """What a good network says of `picture`."""
    known = unknown_scene(frame(picture(0), 0), Status.OK)
    for rows, name in (
        (slice(0, 40), "sky"),
        (slice(40, 60), "vegetation"),
        (slice(60, 120), "building"),
        (slice(120, None), "road"),
    ):
        known.labels[rows] = DRIVE.id(name)
    return known
