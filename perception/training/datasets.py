"""Labelled frames of public data-set layouts, on disk as their authors publish them.

A data set is named `LAYOUT:PATH`, for example `camvid:data/camvid/val`. Every frame comes as its image and,
for each pixel, the set of classes it may be (bits of `perception.classes`): that is how sets that label only
a part of the classes train and score one network together. Instances come with the same honesty: a pixel
that may be of a road user, and belongs to no instance, is of one that nobody told apart.

Labels that lie beside the published ones are named: `LAYOUT+lanes:PATH` says where ground is paint,
`LAYOUT+instances:PATH` which road user is which, `LAYOUT+lanes+instances:PATH` both.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, LABEL_MAPS
from perception.errors import DataError
from perception.simulation import Drive, SimulationOptions, parse_options
from perception.simulation.drive import Truth
from perception.training.layouts import LAYOUTS, Files, Layout, read_image

GROUND = DRIVE.bits("road", "lane_marking")
EXTRAS = ("lanes", "instances")


@dataclass(frozen=True)
class Sample:
    """A labelled frame.

    Attributes:
        image: uint8 (h, w, 3) BGR.
        target: uint16 (h, w) class bits, 0 ignore.
        instances: uint16 (h, w); class id × 1000 + k where the road user is known, else 0.
        earlier: the frames before it, the oldest first, as large as it.
        picture: what a network that gives pictures should make of it, uint8 (h, w, 3); None: not known.
        depth: float32 (h, w) metres along the optical axis, 0 unknown; None: not known at all.
        key_points: float32 (n, 4): kind, x, y, and the height of the person, in pixels; None: not known.
        truth: all that the simulated camera knows of the frame; None for others.
    """

    name: str
    image: npt.NDArray[np.uint8]
    target: npt.NDArray[np.uint16]
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
    """Frames of a layout, with its labels in files."""

    def __init__(self, name: str, files: list[Files], layout: Layout) -> None:
        self.name = name
        self.files = files
        self.layout = layout

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        files = self.files[index]
        image = read_image(files.image, cv2.IMREAD_COLOR)
        labels = self.layout.decode(files, image.shape[:2])
        target = labels.target
        for path, array in [(files.label, target), (files.label, labels.instances)]:
            if array.shape != image.shape[:2]:
                raise DataError(
                    f"{path}: label is {array.shape[1]}x{array.shape[0]}, its image "
                    f"{image.shape[1]}x{image.shape[0]}; both must have one size"
                )
        if files.lanes is not None:
            target = _paint(target, read_image(files.lanes, cv2.IMREAD_UNCHANGED))
        return Sample(files.image.stem, image, target, labels.instances)


class SimulatedDataset:
    """Frames of many simulated drives: `sim:?frames=600&size=704x396` takes a few of each of 150 drives."""

    FRAMES_A_DRIVE = 4
    APART_S = 20.0  # far enough that little of one frame is seen in the next

    def __init__(self, name: str, options: SimulationOptions) -> None:
        self.name = name
        self.options = options

    def __len__(self) -> int:
        return self.options.frames

    def __getitem__(self, index: int) -> Sample:
        drive, frame = divmod(index, self.FRAMES_A_DRIVE)
        rendering = self._drive(drive).render(round(frame * self.APART_S * self.options.rate))
        truth = rendering.truth
        target = LABEL_MAPS["drive"].lookup()[truth.labels]
        name = f"seed{self.options.seed + drive}-{frame}"
        return Sample(name, rendering.image, target, truth.instance_map, truth)

    @lru_cache(maxsize=1)  # noqa: B019 - one drive, kept while its frames are read in order
    def _drive(self, number: int) -> Drive:
        return Drive(replace(self.options, seed=self.options.seed + number))


def open_dataset(spec: str) -> Dataset:
    """Open `LAYOUT:PATH`, with `+lanes` and `+instances` after the layout for labels that lie beside.

    Raises:
        DataError: unknown layout, missing folder, no labelled frame in it, or no such labels beside them.
    """
    name, _, path = spec.partition(":")
    name, *extras = name.split("+")
    if name == "sim" and not extras:
        return SimulatedDataset(spec, parse_options(path))
    if name not in LAYOUTS or not set(extras) <= set(EXTRAS):
        raise DataError(
            f"{spec}: unknown layout; known: {', '.join([*LAYOUTS, 'sim'])}, all but sim also as "
            "LAYOUT+lanes, LAYOUT+instances and LAYOUT+lanes+instances"
        )
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{spec}: no folder {folder}; name the folder with the images")
    layout = LAYOUTS[name]
    files = layout.find(folder)
    if not files:
        raise DataError(f"{spec}: no labelled frame found; is this the {name} layout?")
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
    return ImageDataset(spec, files, layout)


def public_name(spec: str) -> str:
    """A data set's layout and last two folders: what others may know of it, without the machine's paths."""
    layout, _, path = spec.partition(":")
    return f"{layout}: {'/'.join(Path(path).parts[-2:])}"


def _paint(target: npt.NDArray[np.uint16], lanes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """Say of ground pixels whether they are paint, plain road, or (unsure) stay either."""
    ground = target == GROUND
    target = target.copy()
    target[ground & (lanes == 1)] = DRIVE.bits("lane_marking")
    target[ground & (lanes == 0)] = DRIVE.bits("road")
    return target
