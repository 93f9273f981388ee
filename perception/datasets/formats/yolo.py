"""YOLO's layout: a text file of polygons or boxes for each image, names of the categories in `data.yaml`."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perception.datasets.categories import COCO_NAMES
from perception.datasets.class_file import OwnClasses
from perception.datasets.formats.files import IMAGES, Files, Labels, Size
from perception.datasets.formats.regions import Region, box_corners, drive_labels, own_labels, rasterise
from perception.errors import DataError
from perception.parsing import read_yaml

LOG = logging.getLogger(__name__)
YAML = (".yaml", ".yml")
ROUNDING = 0.01  # by which shares of the image's sides may lie outside 0 to 1


def find_yolo(folder: Path) -> list[Files]:
    """`images/…/NAME.jpg` and `labels/…/NAME.txt`; an image without a label file is left out."""
    images = sorted(p for p in (folder / "images").rglob("*") if p.suffix.lower() in IMAGES)
    labels = [folder / "labels" / p.relative_to(folder / "images").with_suffix(".txt") for p in images]
    names = read_names(folder)
    if names is None and images:
        LOG.warning("%s: no data.yaml with names; its numbers are taken as COCO's categories", folder)
    return [Files(p, label, names=names) for p, label in zip(images, labels, strict=True) if label.exists()]


def read_names(folder: Path) -> Mapping[int, str] | None:
    """The names of the categories by number; None where no file says them.

    They stand in a YAML file of the folder (`names`, a list or a mapping), in `data.yaml`, `dataset.yaml` or
    `FOLDER.yaml` one folder above it, or a line each in `classes.txt`, `obj.names` or `labels/classes.txt`.

    Raises:
        DataError: a file that cannot be read, or two that differ.
    """
    own = sorted(path for path in folder.glob("*") if path.suffix in YAML)
    above = [folder.parent / f"{stem}{end}" for stem in ("data", "dataset", folder.name) for end in YAML]
    found: dict[Path, dict[int, str]] = {}
    for paths in (own, above):
        found = found or {p: names for p in paths if p.is_file() and (names := _names(p)) is not None}
    if len({tuple(sorted(names.items())) for names in found.values()}) > 1:
        raise DataError(f"{' and '.join(map(str, found))}: their names differ; keep one of them")
    for path in (folder / "classes.txt", folder / "obj.names", folder / "labels" / "classes.txt"):
        if not found and path.is_file():
            found[path] = dict(enumerate(filter(None, map(str.strip, _lines(path)))))
    return next(iter(found.values()), None)


def _names(path: Path) -> dict[int, str] | None:
    raw = read_yaml(path)
    if "kpt_shape" in raw:
        raise DataError(f"{path}: its labels hold key points (kpt_shape); give a set of polygons or boxes")
    names = raw.get("names")
    if names is None:
        return None
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    try:
        found = {int(number): str(name) for number, name in pairs}
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path}: names: expected a list, or a mapping of numbers to names: {error}"
        ) from error
    if not found:
        raise DataError(f"{path}: names: expected a list, or a mapping of numbers to names")
    return found


def decode_yolo(files: Files, size: Size) -> Labels:
    return drive_labels(_regions(files, size), size, files.label)


def decode_yolo_own(files: Files, size: Size, own: OwnClasses) -> Labels:
    return own_labels(_regions(files, size), size, own, files.label)


def _regions(files: Files, size: Size) -> Iterator[Region]:
    """A line each, in shares of width and height: polygons `class x y x y …`, or boxes `class x y w h`."""
    path, names = files.label, dict(enumerate(COCO_NAMES)) if files.names is None else files.names
    height, width = size
    if not path.exists():
        raise DataError(f"{path}: missing; the data set is incomplete")
    for line in filter(str.strip, _lines(path)):
        kind, corners = _numbers(line, path)
        box = len(corners) == 2
        corners = corners * (width, height)
        if box:
            centre, half = corners[0], corners[1] / 2
            points = box_corners(*(centre - half), *(centre + half))
        else:
            points = corners.ravel().tolist()
        name = names.get(kind)
        known_as = (kind,) if name is None else (kind, name)
        label = str(kind) if name is None else f"{name} ({kind})"
        yield Region(label, known_as, name, rasterise([points], size), crowd=box)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _numbers(line: str, path: Path) -> tuple[int, npt.NDArray[np.float64]]:
    """The category and the coordinates (n, 2) of a line."""
    said = f"{path}: {line[:40]!r}"
    try:
        number, *sides = line.split()
        kind, corners = int(number), np.array(sides, np.float64).reshape(-1, 2)
    except ValueError as error:
        raise DataError(f"{said} is not `class x y x y …`: {error}") from error
    if kind < 0 or len(corners) < 2 or not np.isfinite(corners).all():
        raise DataError(f"{said} is not `class x y x y …`: give a class from 0 on and coordinates")
    if corners.min() < -ROUNDING or corners.max() > 1 + ROUNDING:
        raise DataError(
            f"{said} has coordinates outside 0 to 1, as in pixels; divide x by the width and y by the height "
            "of the image"
        )
    return kind, corners
