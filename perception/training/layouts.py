"""Public data-set layouts: where the files of a frame lie, and what their labels mean."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import COMMA10K, DRIVE, LABEL_MAPS
from perception.errors import DataError

Ids = npt.NDArray[np.uint16]
EVERYTHING = (1 << len(DRIVE)) - 1
NO_THINGS = EVERYTHING & ~DRIVE.bits(*DRIVE.things)
UNCLAIMED = 65535  # a road user's pixel that no instance claims


@dataclass(frozen=True)
class Files:
    """One frame's files; `lanes` says where ground is paint (1, 255 unsure), `instances` who is who."""

    image: Path
    label: Path
    lanes: Path | None = None
    instances: Path | None = None


@dataclass(frozen=True)
class Labels:
    """Both uint16 (h, w): class bits, and class id × 1000 + k of known instances, else 0."""

    target: Ids
    instances: Ids


@dataclass(frozen=True)
class Layout:
    """`find` lists a folder's labelled frames; `decode` reads the labels of one, of height and width."""

    find: Callable[[Path], list[Files]]
    decode: Callable[[Files, tuple[int, int]], Labels]


def read_image(path: Path, flags: int) -> npt.NDArray[np.uint8]:
    """Read an 8-bit image file. Raises DataError where it is missing, broken or of another depth."""
    image = _read(path, flags)
    if image.dtype != np.uint8:
        raise DataError(f"{path}: its pixels are {image.dtype}, expected uint8; convert it")
    return np.asarray(image, np.uint8)


def _read(path: Path, flags: int) -> npt.NDArray[np.generic]:
    if not path.exists():
        raise DataError(f"{path}: missing; the data set is incomplete")
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DataError(f"{path}: not a readable image; replace or remove it")
    return image


def _read_ids(path: Path) -> Ids:
    """An image of ids, uint8 or uint16."""
    ids = _read(path, cv2.IMREAD_UNCHANGED)
    if ids.ndim != 2 or ids.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: {ids.dtype} {ids.shape}, expected one channel of uint8 or uint16 ids")
    return ids.astype(np.uint16)


def _decode_by(name: str) -> Callable[[Files, tuple[int, int]], Labels]:
    """Labels by a table of ids; instances as class id × 1000 + k, where they lie beside."""
    table = LABEL_MAPS[name].lookup()

    def decode(files: Files, shape: tuple[int, int]) -> Labels:
        label = read_image(files.label, cv2.IMREAD_UNCHANGED)
        if label.ndim != 2:
            raise DataError(
                f"{files.label}: a label of shape {label.shape}, expected one channel of class ids; "
                "convert it"
            )
        target = table[label]
        instances = np.zeros(shape, np.uint16)
        if files.instances is not None:
            instances = _read_ids(files.instances)
            instances[instances == UNCLAIMED] = 0
        return Labels(target, instances)

    return decode


_CITYSCAPES = LABEL_MAPS["cityscapes"].lookup()


def _decode_cityscapes(files: Files, shape: tuple[int, int]) -> Labels:
    """Instances of the public set (label id × 1000 + k), or of clips (vehicles and people in two files)."""
    labels = _decode_by("cityscapes")(Files(files.image, files.label), shape)
    if files.instances is None:
        return labels
    ids = _read_ids(files.instances)
    target, instances = labels.target, labels.instances
    if files.instances.name.endswith("instanceIds.png"):
        class_of = {label: int(bits).bit_length() - 1 for label, bits in enumerate(_CITYSCAPES)}
        values, number = np.unique(ids, return_inverse=True)
        # Labels of several kinds become one class, so instances are numbered anew.
        renamed = [
            1000 * class_of[value // 1000] + k if class_of.get(value // 1000) in DRIVE.thing_ids else 0
            for k, value in enumerate(values.tolist())
        ]
        return Labels(target, np.array(renamed, np.uint16)[number].reshape(shape))
    vehicle = (ids != 255) & (target == DRIVE.bits("vehicle"))
    instances[vehicle] = 1000 * DRIVE.id("vehicle") + ids[vehicle]
    people = _read_ids(files.instances.with_name(files.instances.name.replace("_instances", "_people")))
    person = (people != UNCLAIMED) & (people > 0)
    instances[person] = people[person]
    return Labels(target, instances)


def _decode_comma10k(files: Files, shape: tuple[int, int]) -> Labels:
    label = read_image(files.label, cv2.IMREAD_UNCHANGED)
    if label.ndim != 3:
        raise DataError(f"{files.label}: a label of shape {label.shape}, expected a colour image; convert it")
    rgb = label[..., 2::-1].astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    target = np.zeros(rgb.shape, np.uint16)
    for (r, g, b), names in COMMA10K.items():
        target[rgb == (r << 16 | g << 8 | b)] = DRIVE.bits(*names)
    return Labels(target, np.zeros(shape, np.uint16))


def _decode_penn_fudan(files: Files, shape: tuple[int, int]) -> Labels:
    """Pedestrians 1…n; nothing is said of all else but that it is none."""
    mask = _read_ids(files.label)
    pedestrian = DRIVE.bits("pedestrian")
    target = np.where(mask > 0, pedestrian, EVERYTHING & ~pedestrian).astype(np.uint16)
    return Labels(target, np.where(mask > 0, 1000 * DRIVE.id("pedestrian") + mask, 0).astype(np.uint16))


# COCO's numbers of what may be one of our things; trains, planes and boats are ignored.
_COCO = {0: "pedestrian", 1: "two_wheeler", 2: "vehicle", 3: "two_wheeler", 5: "vehicle", 7: "vehicle"}
_COCO_IGNORED = {4, 6, 8}


def _decode_coco(files: Files, shape: tuple[int, int]) -> Labels:
    """Polygons, a line each: class x y x y …, in shares of width and height.

    Who sits on a two-wheeler is a part of it in the `drive` set and a person here: such a person is either.
    """
    height, width = shape
    target = np.full(shape, NO_THINGS, np.uint16)
    instances = np.zeros(shape, np.uint16)
    polygons: list[tuple[int, npt.NDArray[np.int32]]] = []
    for line in files.label.read_text().splitlines():
        try:
            number, *sides = line.split()
            corners = np.array(sides, np.float64).reshape(-1, 2) * (width, height)
            polygons.append((int(number), np.rint(corners).astype(np.int32)))
        except ValueError as error:
            raise DataError(f"{files.label}: {line[:40]!r} is not `class x y x y …`: {error}") from error
    polygons.sort(key=lambda polygon: -float(cv2.contourArea(polygon[1])))
    ridden = np.zeros(shape, np.uint8)
    cv2.fillPoly(ridden, [points for kind, points in polygons if _COCO.get(kind) == "two_wheeler"], 1)
    for k, (kind, points) in enumerate(polygons, start=1):
        if kind not in _COCO and kind not in _COCO_IGNORED:
            continue
        mask = np.zeros(shape, np.uint8)
        cv2.fillPoly(mask, [points], 1)
        inside = mask > 0
        rides = kind == 0 and np.count_nonzero(ridden[inside]) > 0.1 * np.count_nonzero(inside)
        if kind in _COCO_IGNORED:
            target[inside], instances[inside] = 0, 0
        elif rides:
            target[inside], instances[inside] = DRIVE.bits("pedestrian", "two_wheeler"), 0
        else:
            target[inside] = DRIVE.bits(_COCO[kind])
            instances[inside] = 1000 * DRIVE.id(_COCO[kind]) + k
    return Labels(target, instances)


def _camvid(folder: Path) -> list[Files]:
    def beside(kind: str, image: Path) -> Path:
        return folder.with_name(folder.name + kind) / f"{image.stem}.png"

    images = sorted(p for p in folder.iterdir() if p.suffix in {".jpg", ".png"})
    return [Files(p, beside("annot", p), beside("lanes", p), beside("instances", p)) for p in images]


def _suffixed(
    image: str, label: str, lanes: str | None = None, instances: str | None = None
) -> Callable[[Path], list[Files]]:
    """Layouts that keep a frame's files side by side under one stem."""

    def find(folder: Path) -> list[Files]:
        def beside(path: Path, suffix: str | None) -> Path | None:
            return path.with_name(path.name.removesuffix(image) + suffix) if suffix else None

        return [
            Files(path, label_path, beside(path, lanes), beside(path, instances))
            for path in sorted(folder.rglob(f"*{image}"))
            if (label_path := beside(path, label)) and label_path.exists()
        ]

    return find


def _cityscapes(folder: Path) -> list[Files]:
    """The public tree (leftImg8bit beside gtFine), or images and labels side by side."""
    clips = _suffixed("_leftImg8bit.jpg", "_labelIds.png", "_lanes.png", "_instances.png")(folder)
    truth = Path(*("gtFine" if part == "leftImg8bit" else part for part in folder.parts))
    public = []
    for image in sorted(folder.rglob("*_leftImg8bit.png")):
        stem = truth / image.relative_to(folder).with_name(image.name.removesuffix("_leftImg8bit.png"))
        label, instances = (
            stem.with_name(f"{stem.name}_gtFine_{kind}Ids.png") for kind in ("label", "instance")
        )
        public.append(Files(image, label, instances=instances))
    return clips + public


def _folder(labels: str, images: str = "images") -> Callable[[Path], list[Files]]:
    """`images/NAME.*` and `labels/NAME.png`."""

    def find(folder: Path) -> list[Files]:
        found = sorted((folder / images).glob("*"))
        return [Files(image, folder / labels / f"{image.stem}.png") for image in found]

    return find


def _penn_fudan(folder: Path) -> list[Files]:
    images = sorted((folder / "PNGImages").glob("*"))
    return [Files(image, folder / "PedMasks" / f"{image.stem}_mask.png") for image in images]


def _coco(folder: Path) -> list[Files]:
    """`images/…/NAME.jpg` and `labels/…/NAME.txt`, polygons."""
    images = sorted((folder / "images").rglob("*.jpg"))
    labels = [folder / "labels" / p.relative_to(folder / "images").with_suffix(".txt") for p in images]
    return [Files(p, label) for p, label in zip(images, labels, strict=True) if label.exists()]


LAYOUTS = {
    "camvid": Layout(_camvid, _decode_by("camvid")),
    "cityscapes": Layout(_cityscapes, _decode_cityscapes),
    "idd_lite": Layout(_suffixed("_image.jpg", "_label.png", "_lanes.png"), _decode_by("idd_lite")),
    "apollo": Layout(_suffixed(".jpg", "_bin.png"), _decode_by("apollo")),
    "comma10k": Layout(_folder("masks", "imgs"), _decode_comma10k),
    "penn_fudan": Layout(_penn_fudan, _decode_penn_fudan),
    "coco": Layout(_coco, _decode_coco),
    "folder": Layout(_folder("labels"), _decode_by("drive")),
}
