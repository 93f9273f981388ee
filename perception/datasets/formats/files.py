"""What every layout deals in: a frame's files, and the labels that they hold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.datasets.class_file import Bits, OwnClasses
from perception.errors import DataError
from perception.image_file import decode_image

Ids = npt.NDArray[np.uint16]
Size = tuple[int, int]
UNCLAIMED = 65535  # a thing's pixel that no instance claims
MOST_OF_A_CLASS = 999  # instances: an id is class id × 1000 + k
IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class Files:
    """One frame's files; `lanes` says where ground is paint (1, 255 unsure), `instances` who is who."""

    image: Path
    label: Path
    lanes: Path | None = None
    instances: Path | None = None


@dataclass(frozen=True)
class Labels:
    """`target` uint32 (h, w): class bits; `instances` uint16 (h, w): class id × 1000 + k, 0 none known."""

    target: Bits
    instances: Ids


@dataclass(frozen=True)
class Layout:
    """How one kind of data set lies on disk.

    Attributes:
        find: lists a folder's frames.
        decode: reads the labels of one, of height and width, into the class set `drive`.
        decode_own: the same into one's own classes; None: its labels have no use outside `drive`.
    """

    find: Callable[[Path], list[Files]]
    decode: Callable[[Files, Size], Labels]
    decode_own: Callable[[Files, Size, OwnClasses], Labels] | None = None


def read_image(path: Path, flags: int, size: Size | None = None) -> npt.NDArray[np.uint8]:
    """Read an 8-bit image file upright, of height and width where `size` is given.

    Raises:
        DataError: it is missing, broken, of another depth, or of another size.
    """
    image = _read(path, flags, size)
    if image.dtype != np.uint8:
        raise DataError(f"{path}: its pixels are {image.dtype}, expected uint8; convert it")
    return np.asarray(image, np.uint8)


def read_ids(path: Path, size: Size) -> Ids:
    """An image of ids, uint8 or uint16, of height and width."""
    ids = _read(path, cv2.IMREAD_UNCHANGED, size)
    if ids.ndim != 2 or ids.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: {ids.dtype} {ids.shape}, expected one channel of uint8 or uint16 ids")
    return ids.astype(np.uint16)


def _read(path: Path, flags: int, size: Size | None) -> npt.NDArray[np.generic]:
    if not path.exists():
        raise DataError(f"{path}: missing; the data set is incomplete")
    image = decode_image(np.fromfile(path, np.uint8), flags)
    if image is None:
        raise DataError(f"{path}: not a readable image; replace or remove it")
    if size is not None:
        check_size(path, image.shape[:2], size)
    return image


def check_size(path: Path, found: Size, expected: Size) -> None:
    """Raise DataError where a label is not of its image's height and width."""
    if found != expected:
        raise DataError(
            f"{path}: label is {found[1]}x{found[0]}, its image {expected[1]}x{expected[0]}; "
            "both must have one size"
        )


def number_instances(groups: npt.NDArray[np.integer], target: Bits, classes: ClassSet) -> Ids:
    """Instance ids, uint16, of groups of pixels (0: of none).

    A group is of the thing that most of its pixels are, if any thing's, and holds those pixels alone. It gets
    no id beyond 999 of a class.
    """
    ids = np.zeros(target.shape, np.uint16)
    inside = groups > 0
    if not classes.things or not inside.any():
        return ids
    values, index = np.unique(groups[inside], return_inverse=True)
    of = target[inside]
    pixels = np.array([np.bincount(index[of == 1 << i], minlength=len(values)) for i in classes.thing_ids])
    new = np.zeros(len(values), np.uint16)
    for row, thing in enumerate(classes.thing_ids):
        chosen = np.flatnonzero((pixels.argmax(0) == row) & (pixels[row] > 0))[:MOST_OF_A_CLASS]
        new[chosen] = 1000 * thing + 1 + np.arange(len(chosen))
    ids[inside] = np.where(of == np.uint32(1) << (new[index] // 1000).astype(np.uint32), new[index], 0)
    return ids
