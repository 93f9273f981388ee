"""Labelled frames of public data-set layouts, on disk as their authors publish them.

A data set is named `LAYOUT:PATH`, for example `camvid:data/camvid/val`. Every frame comes as its image and,
for each pixel, the set of classes it may be (bits of `perception.classes`): that is how sets that label only
a part of the classes train and score one network together. Instances come with the same honesty: a pixel
that may be of a road user, and belongs to no instance, is of one that nobody told apart.

Labels that lie beside the published ones are named: `LAYOUT+lanes:PATH` says where ground is paint,
`LAYOUT+instances:PATH` which road user is which, `LAYOUT+lanes+instances:PATH` both. In the same way
`sim+depth:` and `sim+key_points:` ask for more of what the simulated camera knows.

`LAYOUT:PATH?only=GLOB,GLOB&without=GLOB` keeps the frames with stems that match a glob of `only`, and none of
`without`: that is how recordings are held out.

`noisy:`, `small:`, `same:` and `next:` before a data set or a source ask for pictures; see `degraded`.

Labels mean classes of the set `drive`, or those of a class file (see `class_file`); a plain folder
(`folder:PATH`) may hold it as `classes.yaml`.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet
from perception.datasets.class_file import Bits, OwnClasses, load_classes
from perception.datasets.formats import LAYOUTS, Files, Layout, read_image
from perception.datasets.label_maps import LABEL_MAPS
from perception.errors import DataError
from perception.simulation import FARTHEST, Drive, SimulationOptions, parse_options
from perception.simulation.drive import Truth

GROUND = DRIVE.bits("road", "lane_marking")
EXTRAS = ("lanes", "instances")
SIMULATED_EXTRAS = ("depth", "key_points")
PICTURES = ("noisy", "small", "same", "next")
CLASS_FILE = "classes.yaml"  # of a plain folder
PLAIN_FOLDER = re.compile(r"(?:^|:)folder(?:\+instances)?:([^?]*)")


@dataclass(frozen=True)
class Sample:
    """A labelled frame.

    Attributes:
        image: uint8 (h, w, 3) BGR.
        target: uint32 (h, w) class bits, 0 ignore.
        instances: uint16 (h, w); class id × 1000 + k where the road user is known, else 0.
        earlier: the frames before it, the oldest first, as large as it.
        picture: what a network that gives pictures should make of it, uint8 (h, w, 3); None: not known.
        depth: float32 (h, w) metres along the optical axis, 0 unknown; None: not known at all.
        key_points: float32 (n, 4): kind, x, y, and the height of the person, in pixels; None: not known.
        truth: all that the simulated camera knows of the frame; None for others.
    """

    name: str
    image: npt.NDArray[np.uint8]
    target: Bits
    instances: npt.NDArray[np.uint16]
    truth: Truth | None = None
    earlier: tuple[npt.NDArray[np.uint8], ...] = ()
    picture: npt.NDArray[np.uint8] | None = None
    depth: npt.NDArray[np.float32] | None = None
    key_points: npt.NDArray[np.float32] | None = None


class Dataset(Protocol):
    """A sequence of samples."""

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class ImageDataset:
    """Frames of a layout, with its labels in files; read into one's own classes where they are given."""

    def __init__(self, name: str, files: list[Files], layout: Layout, own: OwnClasses | None = None) -> None:
        self.name = name
        self.files = files
        self.layout = layout
        self.own = own

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        files = self.files[index]
        image = read_image(files.image, cv2.IMREAD_COLOR)
        size = image.shape[:2]
        if self.own is None or self.layout.decode_own is None:
            labels = self.layout.decode(files, size)
        else:
            labels = self.layout.decode_own(files, size, self.own)
        target = labels.target
        if files.lanes is not None:
            target = _paint(target, read_image(files.lanes, cv2.IMREAD_UNCHANGED, size))
        return Sample(files.image.stem, image, target, labels.instances)


class SimulatedDataset:
    """Frames of many simulated drives: `sim:?frames=600&size=704x396` takes a few of each of 150 drives.

    Args:
        extras: which of `SIMULATED_EXTRAS` to tell, too.
    """

    FRAMES_A_DRIVE = 4
    APART_S = 20.0  # far enough that little of one frame is seen in the next

    def __init__(self, name: str, options: SimulationOptions, extras: Collection[str] = ()) -> None:
        self.name = name
        self.options = options
        self.extras = extras

    def __len__(self) -> int:
        return self.options.frames

    def __getitem__(self, index: int) -> Sample:
        drive, frame = divmod(index, self.FRAMES_A_DRIVE)
        rendering = self._drive(drive).render(round(frame * self.APART_S * self.options.rate))
        truth = rendering.truth
        target = LABEL_MAPS["drive"].lookup()[truth.labels]
        name = f"seed{self.options.seed + drive}-{frame}"
        return Sample(
            name,
            rendering.image,
            target,
            truth.instance_map,
            truth,
            depth=np.where(truth.depth <= FARTHEST, truth.depth, 0) if "depth" in self.extras else None,
            key_points=truth.key_points if "key_points" in self.extras else None,
        )

    @lru_cache(maxsize=1)  # noqa: B019 - one drive, kept while its frames are read in order
    def _drive(self, number: int) -> Drive:
        return Drive(replace(self.options, seed=self.options.seed + number))


def open_dataset(spec: str, classes: OwnClasses | None = None) -> Dataset:
    """Open `LAYOUT:PATH`, with `+lanes` and `+instances` after the layout for labels that lie beside.

    `sim:?OPTIONS` takes `+depth` and `+key_points` in their place.

    Args:
        spec: the data set.
        classes: read it into these classes, in place of `drive`. A plain folder's own class file goes first.

    Raises:
        ConfigError: a wrong class file.
        DataError: unknown layout, missing folder, no labelled frame in it, no such labels beside them, or
            labels that are not of these classes.
    """
    name, _, path = spec.partition(":")
    if name in PICTURES:
        from perception.datasets.degraded import open_degraded  # noqa: PLC0415 - it is made of data sets

        return open_degraded(spec, classes)
    name, *extras = name.split("+")
    if name == "sim" and set(extras) <= set(SIMULATED_EXTRAS):
        _refuse_own(spec, classes)
        return SimulatedDataset(spec, parse_options(path), extras)
    if name not in LAYOUTS or not set(extras) <= set(EXTRAS):
        raise DataError(
            f"{spec}: unknown layout; known: {', '.join([*LAYOUTS, 'sim'])}, all but sim also as "
            "LAYOUT+lanes, LAYOUT+instances and LAYOUT+lanes+instances, sim as sim+depth and sim+key_points; "
            f"before a data set or a source {', '.join(f'{kind}:' for kind in PICTURES)}"
        )
    path, _, query = path.partition("?")
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{spec}: no folder {folder}; name the folder with the images")
    layout = LAYOUTS[name]
    if name == "folder":
        classes = _folder_classes(spec, folder, classes)
    if layout.decode_own is None or "lanes" in extras:  # paint is a class of `drive` alone
        _refuse_own(spec, classes)
    files = layout.find(folder)
    if not files:
        raise DataError(f"{spec}: no labelled frame found; is this the {name} layout?")
    files = _chosen(spec, files, query)
    for extra in extras:
        if any(getattr(entry, extra) is None for entry in files):
            raise DataError(f"{spec}: this layout has no {extra} beside its labels; leave out +{extra}")
    files = [
        replace(
            entry,
            lanes=entry.lanes if "lanes" in extras else None,
            instances=entry.instances if "instances" in extras else None,
        )
        for entry in files
    ]
    return ImageDataset(spec, files, layout, classes)


def _chosen(spec: str, files: list[Files], query: str) -> list[Files]:
    """The frames that `only=GLOB,GLOB&without=GLOB` leaves, by the stems of their images."""
    options = dict(part.partition("=")[::2] for part in query.split("&") if part)
    if unknown := set(options) - {"only", "without"}:
        raise DataError(f"{spec}: {', '.join(sorted(unknown))} is no option; known: only, without")
    only, without = (options.get(key, "").split(",") for key in ("only", "without"))

    def matches(entry: Files, globs: list[str]) -> bool:
        return any(fnmatchcase(entry.image.stem, one) for one in globs)

    chosen = [f for f in files if (only == [""] or matches(f, only)) and not matches(f, without)]
    if not chosen:
        raise DataError(f"{spec}: none of {len(files)} frames is left by `{query}`; correct the globs")
    return chosen


def classes_of(dataset: Dataset) -> ClassSet:
    """What a data set's labels mean."""
    own = dataset.own if isinstance(dataset, ImageDataset) else None
    return DRIVE if own is None else own.class_set


def folder_class_file(specs: Iterable[str]) -> Path | None:
    """The class file of the first plain folder among data sets that holds one."""
    held = (Path(found[1]) / CLASS_FILE for spec in specs if (found := PLAIN_FOLDER.search(spec)))
    return next((path for path in held if path.exists()), None)


def _folder_classes(spec: str, folder: Path, classes: OwnClasses | None) -> OwnClasses | None:
    """The folder's own class file, where it has one, which must hold the classes that are asked for."""
    path = folder / CLASS_FILE
    if not path.exists():
        return classes
    own = load_classes(path)
    if classes is not None and own.class_set != classes.class_set:
        raise DataError(
            f"{spec}: {path} has the classes {', '.join(own.class_set.names)}, but {classes.origin} has "
            f"{', '.join(classes.class_set.names)}; names, order, colours and things must be the same"
        )
    return own


def _refuse_own(spec: str, classes: OwnClasses | None) -> None:
    if classes is not None:
        known = ", ".join(name for name, layout in LAYOUTS.items() if layout.decode_own)
        raise DataError(
            f"{spec}: labelled in `drive`, and cannot be read into the classes of {classes.origin}; "
            f"{known} can, without +lanes"
        )


def public_name(spec: str) -> str:
    """A data set's layout and last two folders: what others may know of it, without the machine's paths."""
    layout, _, path = spec.partition(":")
    return f"{layout}: {'/'.join(Path(path).parts[-2:])}"


def _paint(target: Bits, lanes: npt.NDArray[np.uint8]) -> Bits:
    """Say of ground pixels whether they are paint, plain road, or (unsure) stay either."""
    ground = target == GROUND
    target = target.copy()
    target[ground & (lanes == 1)] = DRIVE.bits("lane_marking")
    target[ground & (lanes == 0)] = DRIVE.bits("road")
    return target
