"""What every layout deals in: a frame's files, and the labels that they hold."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from perception.classes import ClassSet
from perception.datasets.class_file import Bits, OwnClasses
from perception.errors import DataError
from perception.sources.images import read_image_file

Ids = npt.NDArray[np.uint16]
Size = tuple[int, int]
UNCLAIMED = 65535  # a thing's pixel that no instance claims
MOST_OF_A_CLASS = 999  # instances: an id is class id × 1000 + k
# What Pillow raises of broken and of huge images besides.
_PILLOW = (
    Image.DecompressionBombError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    EOFError,
    AttributeError,
)
IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class Files:
    """One frame's files; `lanes` says where ground is paint (1, 255 unsure), `instances` who is who."""

    image: Path
    label: Path
    lanes: Path | None = None
    instances: Path | None = None
    key: str = ""  # the image's name in a label file of several images
    names: Mapping[int, str] | None = None  # of categories, by number, where the label has numbers


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
        background: class bits of `drive` where no region is labelled, if its labels are regions.
    """

    find: Callable[[Path], list[Files]]
    decode: Callable[[Files, Size], Labels]
    decode_own: Callable[[Files, Size, OwnClasses], Labels] | None = None
    background: int = 0


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image upright, as uint8 (h, w, 3) BGR. Raises DataError where it is missing or broken."""
    if not path.exists():
        raise DataError(f"{path}: missing; the data set is incomplete")
    try:
        return read_image_file(path)
    except (OSError, ValueError, cv2.error) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace or remove it") from error


def read_labels(path: Path, size: Size, *, colours: bool = False) -> npt.NDArray[np.uint8]:
    """Read a label image: ids uint8 (h, w), or colours uint8 (h, w, 3 or 4), BGR.

    An image with a palette, as VOC, labelme and CVAT write them, holds ids: its indices.

    Args:
        colours: take the colours of its palette in their place.

    Raises:
        DataError: it is missing, broken, of another depth, or of another height and width.
    """
    label = _read(path, size, colours=colours)
    if label.dtype != np.uint8:
        raise DataError(f"{path}: its pixels are {label.dtype}, expected uint8; convert it")
    return np.asarray(label, np.uint8)


def read_ids(path: Path, size: Size) -> Ids:
    """An image of ids, uint8 or uint16, of height and width; of one with a palette, the indices."""
    ids = _read(path, size)
    if ids.ndim != 2 or ids.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: {ids.dtype} {ids.shape}, expected one channel of uint8 or uint16 ids")
    return ids.astype(np.uint16)


def _read(path: Path, size: Size, *, colours: bool = False) -> npt.NDArray[np.generic]:
    """The pixels, upright, as Pillow reads them, which keeps palettes; what has colours, in BGR."""
    if not path.exists():
        raise DataError(f"{path}: missing; the data set is incomplete")
    try:
        with Image.open(BytesIO(path.read_bytes())) as stored:  # Pillow garbles TIFF that it maps and turns
            if sorted(stored.size) != sorted(size):  # before it is decoded: it may be of any size
                check_size(path, stored.size[::-1], size)
            stored.load()  # which turns TIFF already
            image = ImageOps.exif_transpose(stored)
            shown = image.convert("RGB") if image.mode in {"P", "PA"} and colours else image
            if shown.mode in {"PA", "LA"}:
                shown = shown.getchannel(0)
            pixels = np.array(shown)
    except (OSError, SyntaxError, ValueError, struct.error, *_PILLOW) as error:
        raise DataError(f"{path}: not a readable image; replace or remove it") from error
    check_size(path, pixels.shape[:2], size)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8)
    if pixels.ndim == 3:
        return pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    return pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels


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
