"""Layouts whose labels are regions, each of one category: YOLO's polygons, COCO's JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from pydantic import BaseModel, Field, ValidationError

from perception.classes import DRIVE
from perception.datasets.class_file import Label, OwnClasses
from perception.datasets.formats.files import MOST_OF_A_CLASS, Files, Labels, Size, check_size
from perception.datasets.formats.pixels import EVERYTHING
from perception.errors import DataError

NO_THINGS = EVERYTHING & ~DRIVE.bits(*DRIVE.things)
# What may be one of our things; trains, planes and boats are ignored.
_THINGS = {
    "person": "pedestrian", "bicycle": "two_wheeler", "car": "vehicle", "motorcycle": "two_wheeler",
    "bus": "vehicle", "truck": "vehicle",
}  # fmt: skip
_IGNORED = {"airplane", "train", "boat"}
_YOLO_NAMES = ("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat")


@dataclass(frozen=True)
class Region:
    """`mask` bool (h, w); a category has a number and perhaps a name.

    A crowd is many in one region, or one that is known by its box alone: its pixels are unknown.
    """

    number: int
    name: str | None
    mask: npt.NDArray[np.bool_]
    crowd: bool = False


def decode_yolo(files: Files, size: Size) -> Labels:
    return _drive(_yolo(files.label, size), size)


def decode_yolo_own(files: Files, size: Size, own: OwnClasses) -> Labels:
    return _own(_yolo(files.label, size), size, own, files.label)


def decode_coco(files: Files, size: Size) -> Labels:
    return _drive(_coco(files, size), size)


def decode_coco_own(files: Files, size: Size, own: OwnClasses) -> Labels:
    return _own(_coco(files, size), size, own, files.label)


def _in_order(regions: Iterable[Region]) -> list[Region]:
    """What lies before others comes last: crowds are behind all, the small before the large."""
    return sorted(regions, key=lambda region: (not region.crowd, -np.count_nonzero(region.mask)))


def _drive(regions: Iterable[Region], size: Size) -> Labels:
    """Road users; all else is none of them.

    Who sits on a two-wheeler is a part of it in the `drive` set and a person here: such a person is either.
    """
    target = np.full(size, NO_THINGS, np.uint32)
    instances = np.zeros(size, np.uint16)
    regions = _in_order(regions)
    ridden = np.zeros(size, bool)
    for region in regions:
        ridden |= region.mask & (_THINGS.get(region.name or "") == "two_wheeler")
    for k, region in enumerate(regions, start=1):
        inside, thing = region.mask, _THINGS.get(region.name or "")
        rides = thing == "pedestrian" and ridden[inside].sum() > 0.1 * inside.sum()
        if region.name in _IGNORED or (thing and region.crowd):
            target[inside], instances[inside] = 0, 0
        elif rides:
            target[inside], instances[inside] = DRIVE.bits("pedestrian", "two_wheeler"), 0
        elif thing:
            target[inside] = DRIVE.bits(thing)
            instances[inside] = 1000 * DRIVE.id(thing) + k if k <= MOST_OF_A_CLASS else 0
    return Labels(target, instances)


def _own(regions: Iterable[Region], size: Size, own: OwnClasses, path: Path) -> Labels:
    """One's own classes by number or name; where no region is, the rest of them, or nothing is known."""
    target = np.full(size, own.rest or 0, np.uint32)
    instances = np.zeros(size, np.uint16)
    unnamed: Counter[str] = Counter()
    for k, region in enumerate(_in_order(regions), start=1):
        known_as: tuple[Label, ...] = tuple(
            label for label in (region.name, region.number) if label is not None
        )
        bits = own.mean(known_as)
        if bits is None:
            unnamed[str(known_as[0])] += 1
            continue
        thing = bits.bit_length() - 1
        told_apart = thing in own.class_set.thing_ids and bits == 1 << thing and k <= MOST_OF_A_CLASS
        target[region.mask] = 0 if region.crowd else bits
        instances[region.mask] = 1000 * thing + k if told_apart and not region.crowd else 0
    if unnamed:
        raise own.unnamed(path, unnamed, "regions")
    return Labels(target, instances)


def _yolo(path: Path, size: Size) -> Iterator[Region]:
    """A line each, in shares of width and height: polygons `class x y x y …`, or boxes `class x y w h`."""
    height, width = size
    if not path.exists():
        raise DataError(f"{path}: missing; the data set is incomplete")
    for line in path.read_text().splitlines():
        try:
            number, *sides = line.split()
            kind, corners = int(number), np.array(sides, np.float64).reshape(-1, 2) * (width, height)
        except ValueError as error:
            raise DataError(f"{path}: {line[:40]!r} is not `class x y x y …`: {error}") from error
        box = len(corners) == 2
        if box:
            centre, half = corners[0], corners[1] / 2
            corners = _box_corners(*(centre - half), *(centre + half))
        mask = rasterise([corners.ravel().tolist()], size)
        yield Region(kind, _YOLO_NAMES[kind] if kind < len(_YOLO_NAMES) else None, mask, crowd=box)


def rasterise(polygons: list[list[float]], size: Size) -> npt.NDArray[np.bool_]:
    """The union of polygons [x, y, x, y, …] in pixels as bool (h, w), by pycocotools' own rasteriser.

    Pixel centres lie at half-integer coordinates, so a polygon from 10 to 20 covers ten pixels. Polygons of
    fewer than three corners cover nothing.
    """
    polygons = [polygon for polygon in polygons if len(polygon) >= 6]
    if not polygons:
        return np.zeros(size, bool)
    return np.asarray(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size)))) > 0


def _box_corners(left: float, top: float, right: float, bottom: float) -> npt.NDArray[np.float64]:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


class _Category(BaseModel):
    id: int
    name: str


class _Image(BaseModel):
    id: int
    file_name: str
    height: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]


class _Rle(BaseModel):
    counts: str | list[int]
    size: tuple[int, int]


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    segmentation: _Rle | list[list[float]] = []
    bbox: tuple[float, float, float, float] | None = None  # x, y, width, height
    iscrowd: bool = False


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class CocoFile:
    """One annotations file: images by file name, with their annotations; names of categories."""

    images: dict[str, _Image]
    annotations: dict[int, list[_Annotation]]
    names: dict[int, str]

    def image(self, path: Path) -> _Image:
        """The entry of a file, whose name here may hold a folder."""
        names = ("/".join(path.parts[-n:]) for n in range(1, len(path.parts)))
        return next(self.images[name] for name in names if name in self.images)


def read_coco(path: Path) -> CocoFile:
    """Read `instances_*.json`, once unless it changes.

    Raises:
        DataError: it is not JSON, or not COCO's, or names images or categories that it does not have.
    """
    return _parse_coco(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _parse_coco(path: Path, _changed_ns: int) -> CocoFile:
    try:
        file = _Coco.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not COCO's instances: {_first(error)}") from error
    annotations: dict[int, list[_Annotation]] = {image.id: [] for image in file.images}
    names = {category.id: category.name for category in file.categories}
    for number, one in enumerate(file.annotations):
        if one.image_id not in annotations or one.category_id not in names:
            raise DataError(
                f"{path}: annotation {number} is of image {one.image_id} and category {one.category_id}, "
                "which the file does not hold"
            )
        annotations[one.image_id].append(one)
    return CocoFile({image.file_name: image for image in file.images}, annotations, names)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first: Any = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']} ({error.error_count()} problems)"
    return str(error)


def _coco(files: Files, size: Size) -> Iterator[Region]:
    file = read_coco(files.label)
    image = file.image(files.image)
    check_size(files.label, (image.height, image.width), size)
    for one in file.annotations[image.id]:
        crowd, segmentation = one.iscrowd, one.segmentation
        if not segmentation and one.bbox is not None:
            x, y, w, h = one.bbox
            crowd, segmentation = True, [_box_corners(x, y, x + w, y + h).ravel().tolist()]
        mask = _decode_mask(segmentation, size, files)
        yield Region(one.category_id, file.names[one.category_id], mask, crowd)


def _decode_mask(segmentation: _Rle | list[list[float]], size: Size, files: Files) -> npt.NDArray[np.bool_]:
    """A run-length code, compressed or not, or the union of polygons, as bool (h, w)."""
    try:
        if isinstance(segmentation, list):
            return rasterise(segmentation, size)
        if isinstance(segmentation.counts, str):
            check_size(files.label, segmentation.size, size)
            code = {"size": list(size), "counts": segmentation.counts.encode()}
        else:
            check_size(files.label, segmentation.size, size)
            code = coco_mask.frPyObjects({"size": list(size), "counts": segmentation.counts}, *size)
        return np.asarray(coco_mask.decode(code)) > 0
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{files.label}: a region of {files.image.name} cannot be decoded: {error}"
        ) from error
