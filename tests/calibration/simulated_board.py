"""Pictures of a calibration board as a lens that is known exactly shows it, for tests."""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from perception.camera_info import CameraInfo
from perception.geometry.lens import Lens
from perception.types import Doubles, Image, Rng

FINE = 3  # samples of a pixel, each way
SQUARE = 0.04
TEXELS = 64  # of a square's side


def camera(size: tuple[int, int], model: str, focal: float, d: Sequence[float], shift: Any = (3.0, -2.0)) -> CameraInfo:
    """Its centre is `shift` away from the picture's."""
    (width, height), (right, down) = size, shift
    k = (focal, 0.0, (width - 1) / 2 + right, 0.0, focal * 1.004, (height - 1) / 2 + down, 0.0, 0.0, 1.0)
    p = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
    return CameraInfo(width, height, model, tuple(d), k, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), p)


def charuco_texture(columns: int, rows: int, markers: int = cv2.aruco.DICT_4X4_50, legacy: bool = False) -> Image:
    board = cv2.aruco.CharucoBoard(
        (columns, rows), SQUARE, SQUARE * 0.75, cv2.aruco.getPredefinedDictionary(markers)
    )
    board.setLegacyPattern(legacy)
    return np.asarray(board.generateImage((columns * TEXELS, rows * TEXELS)), np.uint8)


def chess_texture(columns: int, rows: int) -> Image:
    """With so many inner corners, and a white border."""
    y, x = np.mgrid[: rows + 1, : columns + 1]
    squares = np.where((x + y) % 2, 255, 0).astype(np.uint8)
    return np.pad(np.kron(squares, np.ones((TEXELS, TEXELS), np.uint8)), TEXELS // 2, constant_values=255)


def rotation(tilt: float, around: float, roll: float) -> Doubles:
    """Turned by `roll` about the line of sight, then by `tilt` about an axis across it at the angle `around`."""
    axis = np.array([np.cos(around), np.sin(around), 0.0])
    return np.asarray(cv2.Rodrigues(axis * tilt)[0] @ cv2.Rodrigues(np.array([0, 0, roll]))[0])


class Studio:
    """A lens before which boards are held."""

    def __init__(self, info: CameraInfo, texture: Image, blur: float = 0.7, noise: float = 2.0) -> None:
        self.lens, self.size = Lens(info), (info.width, info.height)
        self._texture, self._blur, self._noise = texture, blur, noise
        x, y = ((np.arange(n * FINE) + 0.5) / FINE - 0.5 for n in self.size)
        self._rays = self.lens.to_rays(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))

    def shows(self, turn: Doubles, shift: Doubles, rng: Rng) -> Image:
        """The picture, BGR, of the board's texture: its middle at `shift` in metres, turned by the matrix `turn`."""
        height, width = self._texture.shape
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = (turn[:, 2] @ shift) / (self._rays @ turn[:, 2])
            places = (self._rays * depth[:, None] - shift) @ turn[:, :2] / SQUARE * TEXELS
        places = np.where((depth > 0)[:, None], places, -1e4) + [(width - 1) / 2, (height - 1) / 2]
        maps = np.nan_to_num(places, nan=-1e4).clip(-1e4, 1e4).astype(np.float32)
        maps = maps.reshape(self.size[1] * FINE, self.size[0] * FINE, 2)
        light = cv2.remap(self._texture, maps, None, cv2.INTER_LINEAR, borderValue=150).astype(np.float32)
        light = cv2.resize(light * 0.75 + 30, self.size, interpolation=cv2.INTER_AREA)
        light = cv2.GaussianBlur(light, (0, 0), self._blur) if self._blur else light
        light += rng.normal(0, self._noise, light.shape)
        grey = np.clip(np.rint(light), 0, 255).astype(np.uint8)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)

    def views(self, count: int, rng: Rng, share: float = 0.45, tilt: float = 40.0) -> Iterator[Image]:
        """Boards spread over the picture.

        Args:
            share: of the picture's width that a board in the middle takes.
            tilt: the most, in degrees, away from the line of sight.
        """
        long = max(self._texture.shape) / TEXELS * SQUARE
        focal, columns = self.lens.focal, int(np.ceil(np.sqrt(count)))
        for view in range(count):
            across, down = (view % columns) / (columns - 1), view // columns / max((count - 1) // columns, 1)
            at = np.array([[0.12 + 0.76 * across, 0.15 + 0.7 * down]]) + rng.uniform(-0.05, 0.05, (1, 2))
            ray = self.lens.to_rays(at * self.size)[0]
            sight = np.cross([0.0, 0.0, 1.0], ray)
            angle = np.arctan2(np.linalg.norm(sight), ray[2])
            facing = cv2.Rodrigues(sight / max(np.linalg.norm(sight), 1e-9) * angle)[0]
            bent = np.radians(rng.uniform(0.4 * tilt, tilt))
            turn = facing @ rotation(bent, rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5))
            distance = long * focal / (share * self.size[0]) * rng.uniform(0.8, 1.4)
            yield self.shows(turn, ray * distance, rng)
