"""Pictures that show how a lens was measured."""

from math import ceil, sqrt
from pathlib import Path

import cv2
import numpy as np

from calibration.coverage import COLUMNS, ROWS
from calibration.intrinsics import GRID, Intrinsics
from calibration.views import View
from perception.errors import SinkError
from perception.geometry.lens import Lens
from perception.types import Doubles, Image

CELL = 480  # width of a view on the sheet
WIDEST = np.radians(60)  # off the axis, of a picture without distortion: beyond, little is drawn large
GREEN, RED = (80, 220, 80), (60, 60, 240)


def draw(found: Intrinsics, folder: Path) -> None:
    """Write three pictures.

    corners.jpg: each view, and how far its corners are off, 20 times larger; coverage.jpg: where corners
    were, and how well rays are known; undistorted.jpg: a view, and the same with the lens undone.

    Raises:
        SinkError: one of them cannot be written.
    """
    for name, image in (
        ("corners", _sheet(found)),
        ("coverage", _coverage(found)),
        ("undistorted", _undistorted(found)),
    ):
        path = folder / f"{name}.jpg"
        try:
            path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
        except OSError as error:
            raise SinkError(f"{path}: cannot be written ({error.strerror})") from error


def _sheet(found: Intrinsics) -> Image:
    width, _ = found.size
    scale = min(1.0, CELL / width)
    cells = []
    for number, (view, off, error) in enumerate(
        zip(found.views, found.fit.residuals, found.fit.errors, strict=True), 1
    ):
        cells.append(_cell(view, scale, off, f"{number}  {error:.2f} px", GREEN))
    for view, error in found.dropped:
        cells.append(_cell(view, scale, np.zeros_like(view.corners.pixels), f"dropped  {error:.2f} px", RED))
    columns = ceil(sqrt(len(cells)))
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [cv2.hconcat(cells[at : at + columns]) for at in range(0, len(cells), columns)]
    return np.asarray(cv2.vconcat(rows), np.uint8)


def _cell(view: View, scale: float, off: Doubles, text: str, colour: tuple[int, int, int]) -> Image:
    image = np.asarray(
        cv2.resize(view.image(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
    for place, error in zip(view.corners.pixels, off, strict=True):
        at, end = (tuple(np.rint(one * scale).astype(int).tolist()) for one in (place, place + 20 * error))
        cv2.circle(image, at, 3, colour, 1, cv2.LINE_AA)
        cv2.line(image, at, end, RED, 1, cv2.LINE_AA)
    _write(image, text, (8, 20))
    return image


def _coverage(found: Intrinsics) -> Image:
    """Cells with corners are brighter; numbers are the error of rays, in pixels."""
    width, height = found.size
    cells = np.where(found.counts > 0, 110, 40).astype(np.uint8)
    grey = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    for column in range(1, COLUMNS):
        image[:, column * width // COLUMNS] = 70
    for row in range(1, ROWS):
        image[row * height // ROWS] = 70
    for view in found.views:
        for place in np.rint(view.corners.pixels).astype(int).tolist():
            cv2.circle(image, place, max(2, width // 400), GREEN, -1, cv2.LINE_AA)
    for row in range(0, GRID[1], 3):
        for column in range(0, GRID[0], 4):
            at = row * GRID[0] + column
            error = found.ray_errors[at]
            text = f"{error:.1f}" if np.isfinite(error) else "none"
            x, y = found.places[at]
            _write(image, text, (int(min(x + 2, width - 40)), int(np.clip(y + 5, 14, height - 4))))
    return image


def _undistorted(found: Intrinsics) -> Image:
    """The view that reaches furthest, as it is and without distortion."""
    size = width, height = found.size
    lens = Lens(found.info)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    view = max(found.views, key=lambda one: float(np.linalg.norm(one.corners.pixels - centre, axis=1).max()))
    ends = lens.to_rays(np.array([[0, centre[1]], [width - 1, centre[1]]]))
    half = float(np.nan_to_num(np.arccos(ends[:, 2]), nan=WIDEST).min())
    focal = width / 2 / np.tan(min(half, WIDEST))
    y, x = np.mgrid[:height, :width]
    rays = np.stack([(x - centre[0]) / focal, (y - centre[1]) / focal, np.ones(x.shape)], -1)
    across, down = (
        np.nan_to_num(lens.to_pixels(rays.reshape(-1, 3)), nan=-1e4)
        .astype(np.float32)
        .T.reshape(2, height, width)
    )
    image = view.image()
    straight = np.asarray(cv2.remap(image, across, down, cv2.INTER_LINEAR), np.uint8)
    _write(image, "as the lens shows it", (8, 20))
    _write(straight, "without distortion", (8, 20))
    return np.asarray(cv2.hconcat([image, straight]), np.uint8).reshape(size[1], 2 * size[0], 3)


def _write(image: Image, text: str, at: tuple[int, int]) -> None:
    """White, with a shadow."""
    x, y = at
    cv2.putText(image, text, (x + 1, y + 1), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
