"""The size at which a network sees a frame, and the frame at that size."""

import math
from functools import lru_cache
from typing import Generic, Self, TypeVar, overload

import cv2
import numpy as np
import numpy.typing as npt

from perception.errors import ConfigError
from perception.pixels import Pixels, Yuv420
from perception.types import Bools, Image

MOST_ENLARGED = 1920 * 1088  # pixels of a frame: super-resolution takes 1.4 GB for as many

Value = TypeVar("Value", np.uint8, np.float32)


def input_size(height: float, width: float, pixels: int, multiple: int) -> tuple[int, int]:
    """The network's input size for a frame: both sides multiples of `multiple`, area at most `pixels`.

    Of the sizes whose longer side is rounded to the nearest multiple, so that the aspect is off by at most
    half a multiple in the longer side, the largest. A frame too long for any of them gets the longest strip.
    """
    aspect = max(height, width) / min(height, width)
    short, long = multiple, pixels // multiple**2 * multiple
    for tiles in range(1, math.isqrt(pixels) // multiple + 1):
        nearest = round(tiles * aspect) * multiple
        if tiles * multiple * nearest <= pixels:
            short, long = tiles * multiple, nearest
    return (short, long) if height <= width else (long, short)


def fit_image(image: Image, pixels: int, multiple: int) -> Image:
    """An image uint8 (h, w, 3) at the size that `input_size` gives."""
    return fit(image, *input_size(image.shape[0], image.shape[1], pixels, multiple))


def fit(image: Pixels, height: int, width: int) -> Image:
    """An image at that size, uint8 (height, width, 3), BGR; or a plane (height, width); contiguous."""
    if isinstance(image, Yuv420):
        return image.resized(lambda plane: fit(plane, height, width))
    # Bilinear sampling sees two pixels a side, so a far larger image is halved until that is enough.
    while image.shape[0] > 2.5 * height and image.shape[1] > 2.5 * width:
        image = resize(image, image.shape[0] // 2, image.shape[1] // 2)
    return np.ascontiguousarray(resize(image, height, width))


def padded_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """The input size for a frame that is enlarged: its own, up to whole multiples.

    Raises:
        ConfigError: the frame is too large.
    """
    if height * width > MOST_ENLARGED:
        raise ConfigError(
            f"a frame of {width}×{height} is too large to be enlarged; allowed are {MOST_ENLARGED / 1e6:.1f} "
            "million pixels, give smaller ones"
        )
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def pad(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """An image uint8 (h, w, 3) with its last row and column repeated up to that size."""
    below, right = height - image.shape[0], width - image.shape[1]
    padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return padded.astype(np.uint8, copy=False)


def resize(image: npt.NDArray[Value], height: int, width: int) -> npt.NDArray[Value]:
    """An image or a map (h, w, …) at another size, bilinear."""
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


Id = TypeVar("Id", np.uint8, np.uint16)


def resize_ids(ids: npt.NDArray[Id], height: int, width: int) -> npt.NDArray[Id]:
    """A map of ids at another size: every pixel takes the id under its centre, so that none is made up.

    Args:
        ids: uint8 or uint16 (h, w).

    Returns:
        The same dtype, (height, width). Enlarging keeps every pixel of `ids`.
    """
    if ids.shape == (height, width):
        return ids
    # Rows are enlarged alone and then repeated, which takes two thirds of the time of both sides at once.
    # Same dtype in and out; cv2's annotations only know integers and floats at large.
    wide: npt.NDArray[Id] = cv2.resize(ids, (width, len(ids)), interpolation=cv2.INTER_NEAREST_EXACT)  # type: ignore[assignment]
    return wide[source_pixels(len(ids), height)]


@lru_cache
def source_pixels(size: int, enlarged: int) -> npt.NDArray[np.intp]:
    """From which pixel of a side `resize_ids` takes each one of the new side: (enlarged,), rising."""
    side = np.arange(size, dtype=np.float32)[None]
    resized = cv2.resize(side, (enlarged, 1), interpolation=cv2.INTER_NEAREST_EXACT)
    pixels = np.array(resized[0], np.intp)
    pixels.flags.writeable = False  # all share it
    return pixels


class Enlarged(Generic[Id]):
    """A map of ids at the size (height, width), enlarged when it is first asked for; any thread may ask.

    Args:
        cut: bool (height, width): where the enlarged map holds `value`, whatever `ids` says.
    """

    def __init__(
        self, ids: npt.NDArray[Id], height: int, width: int, cut: Bools | None = None, value: int = 0
    ) -> None:
        self.shape = height, width
        self.ids: npt.NDArray[Id] = ids
        self._cut, self._value = cut, value
        self._full: npt.NDArray[Id] | None = None

    @property
    def full(self) -> npt.NDArray[Id]:
        if self._full is None:
            full = resize_ids(self.ids, *self.shape)
            self._full = (
                full if self._cut is None else np.where(self._cut, full.dtype.type(self._value), full)
            )
        return self._full

    def like(self, ids: npt.NDArray[Id]) -> "Enlarged[Id]":
        """Another map, enlarged and cut as this one."""
        return Enlarged(ids, *self.shape, self._cut, self._value)


class MapField(Generic[Id]):
    """A field of a dataclass: it takes a map, or an `Enlarged` one, which stays so until the map is read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type) -> npt.NDArray[Id]: ...
    def __get__(self, owner: object | None, kind: type) -> npt.NDArray[Id] | Self:
        if owner is None:
            raise AttributeError(self._name)  # a dataclass takes that as: no default
        given: npt.NDArray[Id] | Enlarged[Id] = vars(owner)[self._name]
        return given.full if isinstance(given, Enlarged) else given

    def __set__(self, owner: object, given: npt.NDArray[Id] | Enlarged[Id]) -> None:
        vars(owner)[self._name] = given
