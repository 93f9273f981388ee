"""Labels that are regions, each of one category, drawn into one map: what YOLO and COCO have in common."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from perception.classes import DRIVE
from perception.datasets.categories import NO_THINGS, drive_bits, kind_of
from perception.datasets.class_file import Label, OwnClasses
from perception.datasets.formats.files import MOST_OF_A_CLASS, Labels, Size
from perception.errors import DataError

REACH = 10  # sides of the image: nobody labels what is farther outside
_TWO_WHEELERS = {"bicycle", "motorcycle", "two wheeler"}


@dataclass(frozen=True)
class Region:
    """`mask` bool (h, w).

    Attributes:
        label: how messages call the category.
        known_as: the category's name and number, in the order in which a class file is asked for them.
        name: of the category; None where the file has only numbers.
        crowd: many in one region, or one that is known by its box alone: its pixels are unknown.
    """

    label: str
    known_as: tuple[Label, ...]
    name: str | None
    mask: npt.NDArray[np.bool_]
    crowd: bool = False


def drive_labels(regions: Iterable[Region], size: Size, path: Path) -> Labels:
    """Road users; all else is none of them.

    Who sits on a two-wheeler is a part of it in the `drive` set. A rider joins the two-wheeler with the most
    contact; a person, as which COCO labels riders, is either.

    Raises:
        DataError: a category of a name that is in no table.
    """
    regions = _in_order(regions)
    _refuse_unnamed(
        regions, lambda one: None if one.name is None else drive_bits(one.name), path, _unnamed_in_drive
    )
    target, instances = np.full(size, NO_THINGS, np.uint32), np.zeros(size, np.uint16)
    ridden = np.zeros(size, bool)
    for region in regions:
        ridden |= region.mask & (_kind(region) in _TWO_WHEELERS)
    with_rider = _joined(regions, lambda _: True)
    for k, region in enumerate(regions, start=1):
        inside, bits = region.mask, drive_bits(region.name or "") or 0
        thing = bits.bit_length() - 1
        counts = thing in DRIVE.thing_ids and bits == 1 << thing
        rides = _kind(region) == "person" and ridden[inside].sum() > 0.1 * inside.sum()
        if not bits or (region.crowd and bits != NO_THINGS):
            target[inside], instances[inside] = 0, 0
        elif rides:
            target[inside], instances[inside] = DRIVE.bits("pedestrian", "two_wheeler"), 0
        elif counts:
            number = with_rider.get(k, k)
            target[inside] = bits
            instances[inside] = 1000 * thing + number if number <= MOST_OF_A_CLASS else 0
        elif bits != NO_THINGS:
            target[inside], instances[inside] = bits, 0
    return Labels(target, instances)


def own_labels(regions: Iterable[Region], size: Size, own: OwnClasses, path: Path) -> Labels:
    """One's own classes by number or name; where no region is, the rest of them, or nothing is known.

    Raises:
        DataError: a category that the class file does not name.
    """
    regions = _in_order(regions)
    _refuse_unnamed(regions, lambda one: own.mean(one.known_as), path, own.unnamed)
    target, instances = np.full(size, own.rest or 0, np.uint32), np.zeros(size, np.uint16)
    with_rider = _joined(regions, lambda pair: own.mean(pair[0].known_as) == own.mean(pair[1].known_as))
    for k, region in enumerate(regions, start=1):
        bits = own.mean(region.known_as) or 0
        thing, number = bits.bit_length() - 1, with_rider.get(k, k)
        counts = thing in own.class_set.thing_ids and bits == 1 << thing and number <= MOST_OF_A_CLASS
        target[region.mask] = 0 if region.crowd else bits
        instances[region.mask] = 1000 * thing + number if counts and not region.crowd else 0
    return Labels(target, instances)


def rasterise(polygons: list[list[float]], size: Size) -> npt.NDArray[np.bool_]:
    """The union of polygons [x, y, x, y, …] in pixels as bool (h, w), by pycocotools' own rasteriser.

    Pixel centres lie at half-integer coordinates, so a polygon from 10 to 20 covers ten pixels. Polygons of
    fewer than three corners cover nothing.

    Raises:
        ValueError: a polygon's coordinates are no pairs, no numbers, or far outside.
    """
    polygons = [polygon for polygon in polygons if len(polygon) >= 6]
    # Pycocotools checks nothing, and takes memory by a polygon's length: it ends the process otherwise.
    most = REACH * max(size)
    for polygon in polygons:
        if len(polygon) % 2 or not all(-most <= one <= most for one in polygon):
            raise ValueError(f"a polygon has {len(polygon)} coordinates, or some far outside the image")
    if not polygons:
        return np.zeros(size, bool)
    return np.asarray(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size)))) > 0


def box_corners(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def _in_order(regions: Iterable[Region]) -> list[Region]:
    """Regions in the foreground come last: crowds are behind all, the small before the large."""
    return sorted(regions, key=lambda region: (not region.crowd, -np.count_nonzero(region.mask)))


def _kind(region: Region) -> str | None:
    return None if region.name is None else kind_of(region.name)


def _joined(regions: Sequence[Region], same: Callable[[tuple[Region, Region]], bool]) -> dict[int, int]:
    """Which two-wheeler each rider belongs to, by their numbers from 1 on: the one with the most contact."""
    numbered = list(enumerate(regions, start=1))
    wheels = [(k, one) for k, one in numbered if _kind(one) in _TWO_WHEELERS and not one.crowd]
    joined = {}
    for k, rider in numbered:
        if _kind(rider) != "rider" or rider.crowd:
            continue
        around = cv2.dilate(rider.mask.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        contact = {w: np.count_nonzero(around & one.mask) for w, one in wheels if same((rider, one))}
        if any(contact.values()):
            joined[k] = max(contact, key=lambda w: contact[w])
    return joined


def _refuse_unnamed(
    regions: Iterable[Region],
    meaning: Callable[[Region], int | None],
    path: Path,
    error: Callable[[Path, Counter[str], str], DataError],
) -> None:
    unnamed = Counter(region.label for region in regions if meaning(region) is None)
    if unnamed:
        raise error(path, unnamed, "regions")


def _unnamed_in_drive(path: Path, unnamed: Counter[str], unit: str) -> DataError:
    listed = ", ".join(f"{name} ({n} {unit})" for name, n in unnamed.most_common(10))
    return DataError(
        f"{path}: no class of `drive` is known for the categories {listed}; rename them (`perception "
        "classes` lists the names), or give a class file that says what they mean"
    )
