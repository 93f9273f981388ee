"""How near a picture is to what it should be."""

from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from perception.errors import DataError
from perception.types import Image

WINDOW, SIGMA = 11, 1.5  # px, of SSIM's Gaussian
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
HIGHEST_PSNR = 100.0  # dB, in place of the infinity of equal pictures: a mean error of 1/400 of a level


def mean_squared_error(one: Image, other: Image) -> float:
    """Mean over two uint8 pictures of one shape. Raises DataError where they have two."""
    if one.shape != other.shape:
        raise DataError(f"pictures of {one.shape} and {other.shape} cannot be compared; give them one shape")
    difference = one.astype(np.int64) - other
    return float(np.mean(difference * difference))


def psnr_of_error(error: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error of pictures 0..255; at most `HIGHEST_PSNR`."""
    lowest = 255.0**2 / 10 ** (HIGHEST_PSNR / 10)
    return float(10 * np.log10(255.0**2 / max(error, lowest)))


def psnr(one: Image, other: Image) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures (h, w, c), in dB."""
    return psnr_of_error(mean_squared_error(one, other))


def ssim(one: Image, other: Image) -> float:
    """Structural similarity of two uint8 pictures (h, w, c), at most 1: Wang et al., 2004.

    The mean over the channels, and over the places where the Gaussian window lies within the picture.

    Raises:
        DataError: the pictures have two shapes, or are smaller than the window of 11×11 px.
    """
    mean_squared_error(one, other)  # compares the shapes
    if min(one.shape[:2]) < WINDOW:
        raise DataError(f"a picture of {one.shape[:2]} has no SSIM; it needs at least {WINDOW} px a side")
    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x, variance_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    )
    return float(similarity.mean())


@cache
def gaussian_window() -> npt.NDArray[np.float64]:
    """SSIM's window along one axis, float64 (11,), of sum 1."""
    return np.asarray(cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F), np.float64)[:, 0]


def _windowed(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Means under the window, where it lies within."""
    margin = WINDOW // 2
    means = cv2.sepFilter2D(x, cv2.CV_64F, gaussian_window(), gaussian_window())
    return np.asarray(means, np.float64)[margin:-margin, margin:-margin]


@dataclass
class PictureScore:
    """PSNR and SSIM of many pictures against the true ones; PSNR is of their common mean squared error."""

    errors: list[float] = field(default_factory=list)
    similarities: list[float] = field(default_factory=list)

    def add(self, picture: Image, truth: Image) -> None:
        self.errors.append(mean_squared_error(picture, truth))
        self.similarities.append(ssim(picture, truth))

    def figures(self) -> dict[str, float]:
        return {
            "PSNR, dB": psnr_of_error(float(np.mean(self.errors))),
            "SSIM": float(np.mean(self.similarities)),
        }


class PictureEvaluation:
    """The pictures of a network, compared with enlargement without one."""

    def __init__(self) -> None:
        self._scores: dict[str, PictureScore] = {}

    def add(self, shown: Image, picture: Image, truth: Image) -> None:
        """Count one frame: what the network was shown, what it made of it, and what is true.

        A picture is brought to the size of the true one. An input that is itself the truth is no rival.
        """
        self._count("all", picture, truth, cv2.INTER_LINEAR)
        if shown.shape != truth.shape:
            self._count("bilinear", shown, truth, cv2.INTER_LINEAR)
            self._count("bicubic", shown, truth, cv2.INTER_CUBIC)
        elif shown is not truth:
            self._count("the input", shown, truth, cv2.INTER_LINEAR)

    def _count(self, row: str, picture: Image, truth: Image, interpolation: int) -> None:
        sized = cv2.resize(picture, truth.shape[1::-1], interpolation=interpolation)
        self._scores.setdefault(row, PictureScore()).add(sized.astype(np.uint8), truth)

    def figures(self) -> dict[str, dict[str, float]]:
        """Row → figure → value: "all" is the network, the other rows what its input has already."""
        return {name: score.figures() for name, score in self._scores.items()}
