"""Labelled frames of public data-set layouts, on disk as their authors publish them.

A data set is named `LAYOUT:PATH`, for example `camvid:data/camvid/val`. Every frame comes as its image and,
for each pixel, the set of classes it may be (bits of `perception.classes`): that is how sets that label only
a part of the classes train and score one network together. Instances come with the same honesty: a pixel
that may be of a road user, and belongs to no instance, is of one without an instance label.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, FARTHEST, ClassSet
from perception.datasets.class_file import Bits, OwnClasses
from perception.datasets.formats import Files, Layout, read_image, read_labels
from perception.datasets.label_maps import LABEL_MAPS
from perception.errors import DataError
from perception.simulation import Drive, SimulationOptions, Truth

GROUND = DRIVE.bits("road", "lane_marking")


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

    @property
    def names(self) -> list[str]:
        return [files.image.stem for files in self.files]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        files = self.files[index]
        image = read_image(files.image)
        size = image.shape[:2]
        if self.own is None or self.layout.decode_own is None:
            labels = self.layout.decode(files, size)
        else:
            labels = self.layout.decode_own(files, size, self.own)
        target = labels.target
        if files.lanes is not None:
            target = _paint(target, read_labels(files.lanes, size))
        return Sample(files.image.stem, image, target, labels.instances)


class SimulatedDataset:
    """Frames of many simulated drives: `sim:?frames=600&size=704x396` takes a few of each of 150 drives.

    Args:
        extras: which of "depth" and "key_points" to add.
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


@dataclass
class _Thinned:
    name: str
    whole: Dataset
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.whole[self.indices[index]]


def thinned(dataset: Dataset, most: int | None) -> Dataset:
    """So many of the samples at most, from the first to the last at equal steps; None: all."""
    if most is None or most >= len(dataset):
        return dataset
    chosen = np.linspace(0, len(dataset) - 1, most).round().astype(int).tolist()
    if isinstance(dataset, ImageDataset):
        return ImageDataset(dataset.name, [dataset.files[i] for i in chosen], dataset.layout, dataset.own)
    return _Thinned(dataset.name, dataset, tuple(chosen))


def teaches(dataset: Dataset, sample: Sample) -> bool:
    """Whether anything can be learnt from a sample, or scored on it: more than that nothing was labelled."""
    background = 0
    if isinstance(dataset, ImageDataset) and dataset.layout.background:
        background = dataset.layout.background if dataset.own is None else dataset.own.rest or 0
    if any(one is not None for one in (sample.picture, sample.depth, sample.key_points)):
        return True
    return bool(np.any((sample.target != 0) & (sample.target != background)))


def nothing_known(dataset: Dataset) -> DataError:
    return DataError(
        f"{dataset.name}: none of its {len(dataset)} frames has a label to learn from or to score: no region "
        "of a known class has a mask (boxes without masks, crowds and ignored categories are unknown)"
    )


def names_of(dataset: Dataset) -> list[str]:
    """The names of a data set's samples, without reading their images where that can be."""
    names = getattr(dataset, "names", None)
    return [dataset[i].name for i in range(len(dataset))] if names is None else list(names)


def classes_of(dataset: Dataset) -> ClassSet:
    """What a data set's labels mean."""
    own = dataset.own if isinstance(dataset, ImageDataset) else None
    return DRIVE if own is None else own.class_set


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
