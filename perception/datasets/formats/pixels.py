"""Layouts whose labels are images: a value or a colour for each pixel."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet
from perception.datasets.class_file import DRIVE_IDS, Bits, OwnClasses
from perception.datasets.formats.files import (
    UNCLAIMED,
    Files,
    Ids,
    Labels,
    Size,
    number_instances,
    read_ids,
    read_labels,
)
from perception.datasets.label_maps import COMMA10K, LABEL_MAPS
from perception.errors import DataError

RIDER, TWO_WHEELERS = 25, (32, 33)  # Cityscapes label ids: of riders, of motorcycles and bicycles
EVERYTHING = (1 << len(DRIVE)) - 1
_CITYSCAPES = LABEL_MAPS["cityscapes"].lookup()
_COMMA10K = OwnClasses(
    DRIVE, {colour: DRIVE.bits(*names) for colour, names in COMMA10K.items()}, 0, "comma10k"
)


def decode_by(name: str) -> Callable[[Files, Size], Labels]:
    """Labels by a table of ids; instances as class id × 1000 + k, where there is a file of them.

    Where a label leaves open which class a pixel is, the instance on it says so; where both contradict each
    other, the class is unknown.
    """
    table = LABEL_MAPS[name].lookup()

    def decode(files: Files, size: Size) -> Labels:
        target = table[_values(files, size)]
        if files.instances is None:
            return Labels(target, np.zeros(size, np.uint16))
        instances = _instance_ids(files.instances, size)
        of = np.where(instances > 0, np.uint32(1) << (instances // 1000).astype(np.uint32), 0)
        return Labels(np.where(of > 0, target & of, target).astype(np.uint32), instances)

    return decode


def decode_own(files: Files, size: Size, own: OwnClasses) -> Labels:
    """Labels by one's own table of values or colours; instances may be numbered in any way."""
    return _grouped(_own_target(files, size, own), files, size, own.class_set, _instance_ids)


def decode_folder(files: Files, size: Size) -> Labels:
    """Ids of the class set `drive`, and no others."""
    return decode_own(files, size, DRIVE_IDS)


def decode_comma10k(files: Files, size: Size) -> Labels:
    return decode_own(files, size, _COMMA10K)


def decode_cityscapes(files: Files, size: Size) -> Labels:
    return _grouped(_CITYSCAPES[_values(files, size)], files, size, DRIVE, _cityscapes_groups)


def decode_cityscapes_own(files: Files, size: Size, own: OwnClasses) -> Labels:
    joined = [one for one in TWO_WHEELERS if own.mean((one,)) == own.mean((RIDER,))]
    groups = partial(_cityscapes_groups, two_wheelers=joined)
    return _grouped(_own_target(files, size, own), files, size, own.class_set, groups)


def decode_penn_fudan(files: Files, size: Size) -> Labels:
    """Pedestrians 1…n; nothing is said of all else but that it is none."""
    mask = read_ids(files.label, size)
    pedestrian = DRIVE.bits("pedestrian")
    target = np.where(mask > 0, pedestrian, EVERYTHING & ~pedestrian).astype(np.uint32)
    return Labels(target, np.where(mask > 0, 1000 * DRIVE.id("pedestrian") + mask, 0).astype(np.uint16))


def _grouped(
    target: Bits, files: Files, size: Size, classes: ClassSet, read: Callable[[Path, Size], Ids]
) -> Labels:
    """A target with its instances renumbered, where `read` finds their numbers in a file."""
    if files.instances is None:
        return Labels(target, np.zeros(size, np.uint16))
    return Labels(target, number_instances(read(files.instances, size), target, classes))


def _cityscapes_groups(path: Path, size: Size, two_wheelers: Collection[int] = TWO_WHEELERS) -> Ids:
    """Label id × 1000 + k of the public set, or numbers of the clips, whose `_things.png` goes first.

    Without it, vehicles and people are in two files. Riders of the public set are part of the two-wheeler
    under them, of those with these label ids.
    """
    if path.name.endswith("instanceIds.png"):
        ids = read_ids(path, size)
        return _with_riders(np.where(ids < 1000, 0, ids).astype(np.uint16), two_wheelers)  # below: a group
    things = path.with_name(path.name.replace("_instances", "_things"))
    if things.exists():
        return _instance_ids(things, size)
    vehicles = read_ids(path, size)  # 255 none
    people = _instance_ids(path.with_name(path.name.replace("_instances", "_people")), size)
    return np.where(people > 0, people, np.where(vehicles == 255, 0, vehicles + 1)).astype(np.uint16)


def _with_riders(ids: Ids, two_wheelers: Collection[int]) -> Ids:
    """Public Cityscapes instance ids (h, w) in which each rider has the id of the two-wheeler under them.

    That is the bicycle or motorcycle with the most pixels next to the rider's; riders that touch none keep
    their own id.
    """
    ids = ids.copy()
    ridden = np.where(np.isin(ids // 1000, [*two_wheelers]), ids, 0)
    for rider in np.unique(ids[ids // 1000 == RIDER]).tolist():
        around = cv2.dilate((ids == rider).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        touched = np.bincount(ridden[around])
        touched[0] = 0
        if touched.any():
            ids[ids == rider] = touched.argmax()
    return ids


def _instance_ids(path: Path, size: Size) -> Ids:
    ids = read_ids(path, size)
    return np.where(ids == UNCLAIMED, 0, ids).astype(np.uint16)


def _own_target(files: Files, size: Size, own: OwnClasses) -> Bits:
    return own.decode(read_labels(files.label, size, colours=own.by_colour), files.label)


def _values(files: Files, size: Size) -> npt.NDArray[np.uint8]:
    """The label's class ids, uint8 (h, w)."""
    label = read_labels(files.label, size)
    if label.ndim != 2:
        raise DataError(
            f"{files.label}: a label of shape {label.shape}, expected one channel of class ids; convert it"
        )
    return label
