"""Pictures as sources give them: BGR, or the planes of video, which need not become BGR on their way."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from perception.types import Doubles, Image

# Shares of red and of blue in luma, by the codes of ITU-T H.273, 8.3: BT.709, FCC, BT.601 twice, SMPTE 240M
# and BT.2020. A picture that says none is taken for BT.601, as by FFmpeg.
BT709, UNSPECIFIED, BT601 = 1, 2, 6
_SHARES = {
    BT709: (0.2126, 0.0722), UNSPECIFIED: (0.299, 0.114), 4: (0.3, 0.11), 5: (0.299, 0.114),
    BT601: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593),
}  # fmt: skip
MATRICES = frozenset(_SHARES)


@dataclass(frozen=True)
class Yuv420:
    """A picture as planes: luma, and the two differences of colour at half its height and width.

    Attributes:
        i420: uint8 (3 · height / 2, width), contiguous: the planes one after another; both sides are even.
        matrix: how the planes were mixed from colours, one of `MATRICES`.
        full_range: luma is 0 to 255; else it is 16 to 235, and the differences are 16 to 240.
    """

    i420: Image
    matrix: int = BT601
    full_range: bool = False

    @classmethod
    def of(cls, image: Image, matrix: int = BT601, full_range: bool = False) -> "Yuv420":
        """The planes of an image uint8 (h, w, 3), BGR, of even sides."""
        if matrix == BT601 and not full_range:  # which OpenCV knows, in 0.4 of the time
            return cls(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8))
        height, width = image.shape[:2]
        picture = cls(np.empty((height * 3 // 2, width), np.uint8), matrix, full_range)
        mixed = cv2.transform(image, from_bgr(matrix, full_range))
        half = cv2.resize(mixed, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        for channel, (plane, source) in enumerate(zip(picture.planes, (mixed, half, half), strict=True)):
            plane[:] = source[..., channel]
        return picture

    @property
    def height(self) -> int:
        return len(self.i420) * 2 // 3

    @property
    def width(self) -> int:
        return int(self.i420.shape[1])

    @property
    def y(self) -> Image:
        """uint8 (height, width), a view."""
        return self.i420[: self.height]

    @property
    def planes(self) -> tuple[Image, Image, Image]:
        """Y, U and V, views: uint8 (height, width), and twice (height / 2, width / 2)."""
        blueness, redness = self.i420[self.height :].reshape(2, self.height // 2, self.width // 2)
        return self.y, blueness, redness

    @cached_property
    def bgr(self) -> Image:
        """uint8 (height, width, 3), by FFmpeg."""
        import av  # noqa: PLC0415 - a third of the time that `import perception` takes

        picture = av.VideoFrame.from_ndarray(self.i420, format="yuv420p")
        picture.colorspace = self.matrix
        picture.color_range = 2 if self.full_range else 1
        return picture.to_ndarray(format="bgr24", threads=1).astype(np.uint8, copy=False)

    def resized(self, resize: Callable[[Image], Image]) -> Image:
        """uint8 (h, w, 3), BGR, of planes that `resize` brings to one size, each by itself."""
        merged = cv2.merge([resize(plane) for plane in self.planes])
        return np.asarray(cv2.transform(merged, to_bgr(self.matrix, self.full_range)), np.uint8)

    def copy(self) -> "Yuv420":
        return Yuv420(self.i420.copy(), self.matrix, self.full_range)


Pixels: TypeAlias = Image | Yuv420


def size_of(pixels: Pixels) -> tuple[int, int]:
    """Height and width."""
    if isinstance(pixels, Yuv420):
        return pixels.height, pixels.width
    return pixels.shape[0], pixels.shape[1]


def as_bgr(pixels: Pixels) -> Image:
    """uint8 (height, width, 3)."""
    return pixels.bgr if isinstance(pixels, Yuv420) else pixels


def grey(pixels: Pixels, rows: slice = slice(None)) -> Image:
    """Some rows as grey levels, 0 to 255: uint8 (n, width)."""
    if not isinstance(pixels, Yuv420):
        return np.asarray(cv2.cvtColor(pixels[rows], cv2.COLOR_BGR2GRAY), np.uint8)
    luma = pixels.y[rows]
    return luma if pixels.full_range else np.asarray(cv2.LUT(luma, _grey_levels()), np.uint8)


def subsample(pixels: Pixels, height: int, width: int) -> Pixels:
    """Single pixels out of a picture, at a smaller size of even sides."""
    if not isinstance(pixels, Yuv420):
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST)
        return np.asarray(small, np.uint8)
    sampled = Yuv420(np.empty((height * 3 // 2, width), np.uint8), pixels.matrix, pixels.full_range)
    for plane, few in zip(pixels.planes, sampled.planes, strict=True):
        cv2.resize(plane, few.shape[::-1], dst=few, interpolation=cv2.INTER_NEAREST)
    return sampled


@lru_cache
def from_bgr(matrix: int, full_range: bool) -> Doubles:
    """Rows Y, U, V from B, G, R and 1, in levels: float64 (3, 4). ITU-T H.273, 8.3, equations 38 to 49."""
    red, blue = _SHARES[matrix]
    luma = np.array([blue, 1 - red - blue, red])
    blueness = (np.array([1, 0, 0]) - luma) / (2 * (1 - blue))
    redness = (np.array([0, 0, 1]) - luma) / (2 * (1 - red))
    black, span, spread = (0, 1.0, 1.0) if full_range else (16, 219 / 255, 224 / 255)
    return np.column_stack([np.array([span * luma, spread * blueness, spread * redness]), [black, 128, 128]])


@lru_cache
def to_bgr(matrix: int, full_range: bool) -> Doubles:
    """The reverse of `from_bgr`: float64 (3, 4)."""
    mix = from_bgr(matrix, full_range)
    back = np.linalg.inv(mix[:, :3])
    return np.column_stack([back, -back @ mix[:, 3]])


@lru_cache
def _grey_levels() -> npt.NDArray[np.uint8]:
    """The grey level of each luma of limited range."""
    return np.rint((np.arange(256) - 16.0).clip(0, 219) * (255 / 219)).astype(np.uint8)
