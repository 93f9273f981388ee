"""COCO's layout: one JSON file of all annotations, as COCO, CVAT, Label Studio and others write it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError

from perception.datasets.class_file import OwnClasses
from perception.datasets.formats.files import Files, Labels, Size, check_size
from perception.datasets.formats.regions import Region, box_corners, drive_labels, own_labels, rasterise
from perception.datasets.formats.run_lengths import from_runs
from perception.errors import DataError
from perception.parsing import faults, parse_json

LOG = logging.getLogger(__name__)


def find_coco(folder: Path) -> list[Files]:
    """A folder of images next to `annotations/instances_FOLDER.json`, or one folder above that."""
    looked = [parent / "annotations" / f"instances_{folder.name}.json" for parent in folder.parents[:2]]
    found = [path for path in looked if path.exists()]
    if not found:
        raise DataError(f"{folder}: no annotations; looked for {' and '.join(map(str, looked))}")
    return [Files(folder / name, found[0], key=name) for name in sorted(read_coco(found[0]).images)]


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
    segmentation: _Rle | list[list[float]] | None = None
    bbox: tuple[float, float, float, float] | None = None  # x, y, width, height
    iscrowd: bool = False
    attributes: dict[str, Any] | None = None  # CVAT's


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class CocoFile:
    """One annotations file: images by file name, their annotations by file name, names of categories."""

    images: dict[str, _Image]
    annotations: dict[str, list[_Annotation]]
    names: dict[int, str]


def read_coco(path: Path) -> CocoFile:
    """Read `instances_*.json`, once unless it changes.

    Raises:
        DataError: it is not JSON, or not COCO's, or names images or categories that it does not have.
    """
    return _parse_coco(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _parse_coco(path: Path, _changed_ns: int) -> CocoFile:
    try:
        file = _Coco.model_validate(parse_json(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not COCO's instances: {_first(error)}") from error
    files = {image.id: image.file_name.replace("\\", "/") for image in file.images}
    for name in files.values():
        if name.startswith("/") or ".." in name.split("/") or "\0" in name or name[1:2] == ":":
            raise DataError(f"{path}: the image {name!r} is not within the data set's folder")
    annotations: dict[str, list[_Annotation]] = {name: [] for name in files.values()}
    names = {category.id: category.name for category in file.categories}
    singles = _single_objects(file.annotations, path)
    for number, one in enumerate(file.annotations):
        if one.image_id not in files or one.category_id not in names:
            raise DataError(
                f"{path}: annotation {number} is of image {one.image_id} and category {one.category_id}, "
                "which the file does not hold"
            )
        crowd = one.iscrowd and number not in singles
        annotations[files[one.image_id]].append(one.model_copy(update={"iscrowd": crowd}))
    return CocoFile({files[image.id]: image for image in file.images}, annotations, names)


def _single_objects(annotations: list[_Annotation], path: Path) -> set[int]:
    """The numbers of annotations that say `iscrowd: 1` and are single objects all the same.

    CVAT exports every mask as a run-length code with `iscrowd: 1`. Its annotations have `attributes` with
    `occluded`, which COCO's own do not. A file in which all are crowds is taken as written like that, too: in
    COCO's own, crowds are few among single objects (in val2017, 446 of 36,781).
    """
    crowds = {number for number, one in enumerate(annotations) if one.iscrowd}
    found = {number for number in crowds if _is_cvat(annotations[number].attributes or {})}
    if crowds and len(crowds) == len(annotations):
        found = crowds
    if found:
        LOG.warning(
            "%s: %d masks say iscrowd 1, as CVAT writes them; taken as single objects", path, len(found)
        )
    return found


def _is_cvat(attributes: dict[str, Any]) -> bool:
    return "occluded" in attributes and not attributes.get("is_crowd")


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"{faults(error)[0]} ({error.error_count()} problems)"
    return str(error)


def decode_coco(files: Files, size: Size) -> Labels:
    return drive_labels(_regions(files, size), size, files.label)


def decode_coco_own(files: Files, size: Size, own: OwnClasses) -> Labels:
    return own_labels(_regions(files, size), size, own, files.label)


def _regions(files: Files, size: Size) -> Iterator[Region]:
    file = read_coco(files.label)
    image = file.images[files.key]
    check_size(files.label, (image.height, image.width), size)
    for one in file.annotations[files.key]:
        mask, boxed = _mask(one, size, files)
        name = file.names[one.category_id]
        yield Region(name, (name, one.category_id), name, mask, one.iscrowd or boxed)


def _mask(one: _Annotation, size: Size, files: Files) -> tuple[npt.NDArray[np.bool_], bool]:
    """The mask of an annotation as bool (h, w), and whether it is only the annotation's box.

    A segmentation is a run-length code, compressed or not, or polygons, of which some have an area.
    """
    region = one.segmentation
    try:
        if isinstance(region, _Rle):
            check_size(files.label, region.size, size)
            return from_runs(region.counts, size), False
        if any(len(polygon) >= 6 for polygon in region or ()):
            return rasterise(region or [], size), False
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{files.label}: a region of {files.image.name} cannot be decoded: {error}"
        ) from error
    if one.bbox is None or not all(map(isfinite, one.bbox)):
        raise DataError(
            f"{files.label}: an annotation of {files.image.name} has no segmentation and no bbox; remove it"
        )
    x, y, w, h = one.bbox
    x, right = np.clip((x, x + w), 0, size[1]).tolist()
    y, bottom = np.clip((y, y + h), 0, size[0]).tolist()
    return rasterise([box_corners(x, y, right, bottom)], size), True
