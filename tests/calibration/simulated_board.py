"""A calibration board before a lens that is known exactly: its corners, and pictures of it, for tests."""

from collections.abc import Sequence
from itertools import cycle

import cv2
import numpy as np

from calibration.boards import Corners
from perception.camera_info import CameraInfo
from perception.geometry.lens import Lens
from perception.types import Bools, Doubles, Image, Rng

CELLS = 4  # of the picture, each way: the board is held into each of them in turn
FINE = 2  # samples of a pixel, each way
SQUARE = 0.04  # metres
TEXELS = 48  # of a square's side
SIZE = (480, 360)
GRID = np.stack(np.meshgrid(np.linspace(0, SIZE[0] - 1, 25), np.linspace(0, SIZE[1] - 1, 19)), -1).reshape(
    -1, 2
)


def camera(model: str, focal: float, d: Sequence[float]) -> CameraInfo:
    """Its centre is 3 px to the right of the picture's, and 2 px above; its pixels are not quite square."""
    k = (focal, 0.0, (SIZE[0] - 1) / 2 + 3, 0.0, focal * 1.004, (SIZE[1] - 1) / 2 - 2, 0.0, 0.0, 1.0)
    p = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
    return CameraInfo(*SIZE, model, tuple(d), k, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), p)


# 94°, 112° (stereographic, by the eight coefficients that come nearest) and 170° across their corners.
CAMERAS = {
    "plumb_bob": camera("plumb_bob", 360, [-0.3, 0.12, 0.001, -0.0008, -0.02]),
    "rational_polynomial": camera(
        "rational_polynomial", 300, [0.897, 0.159, 0.0005, -0.0003, 0.003, 1.147, 0.321, 0.0175]
    ),
    "equidistant": camera("equidistant", 195, [0.03, -0.02, 0.01, -0.002]),
}


def ray_errors(found: CameraInfo, truth: CameraInfo) -> Doubles:
    """How far off, in pixels, the rays of the whole picture are."""
    return np.asarray(np.linalg.norm(Lens(found).to_pixels(Lens(truth).to_rays(GRID)) - GRID, axis=1))


def turned_ray_errors(found: CameraInfo, truth: CameraInfo) -> Doubles:
    """The same once the true rays are turned to where those of `found` are (Kabsch's rotation)."""
    rays = Lens(truth).to_rays(GRID)
    left, _, right = np.linalg.svd(Lens(found).to_rays(GRID).T @ rays)
    turned = rays @ (left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right).T
    return np.asarray(np.linalg.norm(Lens(found).to_pixels(turned) - GRID, axis=1))


def charuco_texture(
    columns: int, rows: int, markers: int = cv2.aruco.DICT_4X4_50, legacy: bool = False
) -> Image:
    """Grey, without a border."""
    dictionary = cv2.aruco.getPredefinedDictionary(markers)
    board = cv2.aruco.CharucoBoard((columns, rows), SQUARE, SQUARE * 0.75, dictionary)
    board.setLegacyPattern(legacy)
    return np.asarray(board.generateImage((columns * TEXELS, rows * TEXELS)), np.uint8)


def chess_texture(columns: int, rows: int) -> Image:
    """Grey, with so many inner corners, and a white border."""
    y, x = np.mgrid[: rows + 1, : columns + 1]
    squares = np.where((x + y) % 2, 255, 0).astype(np.uint8)
    return np.pad(np.kron(squares, np.ones((TEXELS, TEXELS), np.uint8)), TEXELS // 2, constant_values=255)


class Studio:
    """A lens, and a board that is held before it.

    Args:
        places: (n, 2) the board's corners, in metres.
        whole: all of it is to be seen; else at least 12 corners.
        share: of the picture's width that it takes, held at the usual distance in the middle.
        tilt: the most, in degrees, away from facing the camera.
    """

    def __init__(
        self,
        info: CameraInfo,
        places: Doubles,
        rng: Rng,
        *,
        whole: bool = False,
        share: float = 0.6,
        tilt: float = 40.0,
    ) -> None:
        self._lens, self._rng = Lens(info), rng
        self._cells = cycle(rng.permutation(CELLS * CELLS).tolist())
        self._places, self._middle = places, places.mean(0)
        self._least = len(places) if whole else 12
        self._distance = (np.ptp(places[:, 0]) + 2 * SQUARE) * self._lens.focal / (share * SIZE[0])
        self._tilt = np.radians(tilt)
        x, y = ((np.arange(n * FINE) + 0.5) / FINE - 0.5 for n in SIZE)
        self._rays = self._lens.to_rays(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))

    def corners(self, noise: float, bend: float = 0.0) -> Corners:
        """Of the board in a new pose, as if they were found with that error in pixels, each way.

        Args:
            bend: by how much the board's middle stands out, in metres.
        """
        *_, pixels, seen = self._pose(bend)
        return Corners(pixels[seen] + self._rng.normal(0, noise, (int(seen.sum()), 2)), self._places[seen])

    def picture(self, texture: Image, blur: float = 0.7, noise: float = 2.0) -> Image:
        """BGR, of the board with that texture in a new pose."""
        turn, shift, *_ = self._pose(0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = (turn[:, 2] @ shift) / (self._rays @ turn[:, 2])
            places = (self._rays * depth[:, None] - shift) @ turn[:, :2] / SQUARE * TEXELS
        places += [(side - 1) / 2 for side in texture.shape[::-1]]
        maps = np.where((depth > 0)[:, None], places, -1e4).clip(-1e4, 1e4).astype(np.float32)
        across, down = np.nan_to_num(maps, nan=-1e4).T.reshape(2, SIZE[1] * FINE, SIZE[0] * FINE)
        light = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderValue=150).astype(np.float32)
        small = cv2.GaussianBlur(
            cv2.resize(light * 0.75 + 30, SIZE, interpolation=cv2.INTER_AREA), (0, 0), blur
        )
        grey = np.clip(np.rint(small + self._rng.normal(0, noise, small.shape)), 0, 255).astype(np.uint8)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)

    def _pose(self, bend: float) -> tuple[Doubles, Doubles, Doubles, Bools]:
        """The board's axes, its middle, its corners in the picture, and which of them are seen."""
        rng = self._rng
        flat = self._places - self._middle
        height = bend * (1 - (flat[:, 0] / flat[:, 0].max()) ** 2)
        while True:
            cell = divmod(next(self._cells), CELLS)
            at = 0.02 + 0.96 * (cell + rng.uniform(0, 1, 2)) / CELLS
            ray = self._lens.to_rays(at[None] * SIZE)[0]
            across = np.cross([0.0, 0.0, 1.0], ray)
            angle = np.arctan2(np.linalg.norm(across), ray[2])
            axis = rng.uniform(0, 2 * np.pi)
            tilted = rng.uniform(0.25, 1) * self._tilt * np.array([np.cos(axis), np.sin(axis), 0.0])
            turns = (
                across / max(float(np.linalg.norm(across)), 1e-9) * angle,
                tilted,
                np.array([0.0, 0.0, rng.uniform(-0.5, 0.5)]),
            )
            first, second, third = (cv2.Rodrigues(one)[0] for one in turns)
            turn, shift = first @ second @ third, ray * self._distance * rng.uniform(0.8, 1.8)
            pixels = self._lens.to_pixels(np.column_stack([flat, height]) @ turn.T + shift)
            seen = np.logical_and((pixels > 5).all(1), (pixels < np.array(SIZE) - 6).all(1))
            if seen.sum() >= self._least:
                return turn, shift, pixels, seen
