"""Labelled frames of public data-set layouts, on disk as their authors publish them.

A data set is named `LAYOUT:PATH`, for example `camvid:data/camvid/val`. Every frame comes as its image and,
for each pixel, the set of classes it may be (bits of `perception.classes`): that is how sets that label only
a part of the classes train and score one network together.

Where labels say nothing of paint, `LAYOUT+lanes:PATH` adds machine-made masks of it that lie beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import COMMA10K, DRIVE, LABEL_MAPS
from perception.errors import DataError
from perception.simulation import Drive, SimulationOptions, parse_options

GROUND = DRIVE.bits("road", "lane_marking")


@dataclass(frozen=True)
class Sample:
    """image: uint8 (h, w, 3) BGR; target: uint16 (h, w) class bits, 0 ignore."""

    name: str
    image: npt.NDArray[np.uint8]
    target: npt.NDArray[np.uint16]


class Dataset(Protocol):
    """A sequence of samples."""

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class Files:
    """One frame's files; `lanes` says where road is paint: 1 paint, 255 unsure."""

    image: Path
    label: Path
    lanes: Path | None = None


class ImageDataset:
    """Frames whose labels are images, of ids or of colours. `decode` turns a label image into class bits."""

    def __init__(
        self,
        name: str,
        files: list[Files],
        decode: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint16]],
        *,
        colours: bool = False,
    ) -> None:
        self.name = name
        self.dimensions = 3 if colours else 2
        self.files = files
        self.decode = decode

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        files = self.files[index]
        image = read_image(files.image, cv2.IMREAD_COLOR)
        label = read_image(files.label, cv2.IMREAD_UNCHANGED)
        if label.ndim != self.dimensions:
            kind = "one channel of class ids" if self.dimensions == 2 else "a colour image"
            raise DataError(f"{files.label}: a label of shape {label.shape}, expected {kind}; convert it")
        target = self.decode(label)
        if target.shape != image.shape[:2]:
            raise DataError(
                f"{files.label}: label is {target.shape[1]}x{target.shape[0]}, its image "
                f"{image.shape[1]}x{image.shape[0]}; both must have one size"
            )
        if files.lanes is not None:
            target = _paint(target, read_image(files.lanes, cv2.IMREAD_UNCHANGED))
        return Sample(files.image.stem, image, target)


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
        target = LABEL_MAPS["drive"].lookup()[rendering.truth.labels]
        return Sample(f"seed{self.options.seed + drive}-{frame}", rendering.image, target)

    @lru_cache(maxsize=1)  # noqa: B019 - one drive, kept while its frames are read in order
    def _drive(self, number: int) -> Drive:
        return Drive(replace(self.options, seed=self.options.seed + number))


def open_dataset(spec: str) -> Dataset:
    """Open `LAYOUT:PATH` or `LAYOUT+lanes:PATH`.

    Raises:
        DataError: unknown layout, missing folder, or no labelled frame in it.
    """
    layout, _, path = spec.partition(":")
    layout, _, lanes = layout.partition("+")
    if layout == "sim" and not lanes:
        return SimulatedDataset(spec, parse_options(path))
    if layout not in LAYOUTS or lanes not in {"", "lanes"}:
        raise DataError(
            f"{spec}: unknown layout; known: {', '.join([*LAYOUTS, 'sim'])}, all but sim also as LAYOUT+lanes"
        )
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{spec}: no folder {folder}; name the folder with the images")
    files = LAYOUTS[layout](folder)
    if not lanes:
        files = [replace(entry, lanes=None) for entry in files]
    elif any(entry.lanes is None for entry in files):
        raise DataError(f"{spec}: this layout has no masks of paint beside its labels; leave out +lanes")
    if not files:
        raise DataError(f"{spec}: no labelled frame found; is this the {layout} layout?")
    if layout == "comma10k":
        return ImageDataset(spec, files, _decode_comma10k, colours=True)
    table = LABEL_MAPS["drive" if layout == "folder" else layout].lookup()
    return ImageDataset(spec, files, lambda label: table[label])


def public_name(spec: str) -> str:
    """A data set's layout and last two folders: what others may know of it, without the machine's paths."""
    layout, _, path = spec.partition(":")
    return f"{layout}: {'/'.join(Path(path).parts[-2:])}"


def read_image(path: Path, flags: int) -> npt.NDArray[np.uint8]:
    """Read an 8-bit image file. Raises DataError where it is missing, broken or of another depth."""
    if not path.exists():
        raise DataError(f"{path}: missing; the data set is incomplete")
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DataError(f"{path}: not a readable image; replace or remove it")
    if image.dtype != np.uint8:
        raise DataError(f"{path}: its pixels are {image.dtype}, expected uint8; convert it")
    return np.asarray(image, np.uint8)


def _pairs(
    images: list[Path], label: Callable[[Path], Path], lanes: Callable[[Path], Path] | None
) -> list[Files]:
    return [Files(image, label(image), lanes and lanes(image)) for image in sorted(images)]


def _camvid(folder: Path) -> list[Files]:
    def beside(kind: str) -> Callable[[Path], Path]:
        return lambda image: folder.with_name(folder.name + kind) / f"{image.stem}.png"

    images = [p for p in folder.iterdir() if p.suffix in {".jpg", ".png"}]
    return _pairs(images, beside("annot"), beside("lanes"))


def _suffixed(image: str, label: str, lanes: str | None = None) -> Callable[[Path], list[Files]]:
    """Layouts that keep a frame's files side by side under one stem."""

    def find(folder: Path) -> list[Files]:
        def renamed(to: str) -> Callable[[Path], Path]:
            return lambda path: path.with_name(path.name.removesuffix(image) + to)

        images = [p for p in folder.rglob(f"*{image}") if renamed(label)(p).exists()]
        return _pairs(images, renamed(label), renamed(lanes) if lanes else None)

    return find


def _cityscapes(folder: Path) -> list[Files]:
    """The public tree (leftImg8bit beside gtFine), or images and labels side by side."""
    side_by_side = _suffixed("_leftImg8bit.jpg", "_labelIds.png", "_lanes.png")(folder)
    truth = Path(*("gtFine" if part == "leftImg8bit" else part for part in folder.parts))
    return side_by_side + [
        Files(image, truth / image.relative_to(folder).with_name(stem + "_gtFine_labelIds.png"))
        for image in sorted(folder.rglob("*_leftImg8bit.png"))
        for stem in [image.name.removesuffix("_leftImg8bit.png")]
    ]


def _folder(folder: Path, labels: str = "labels") -> list[Files]:
    """`images/NAME.*` and `labels/NAME.png`: class ids of the `drive` set, 255 ignore."""
    images = sorted((folder / ("images" if labels == "labels" else "imgs")).glob("*"))
    return [Files(image, folder / labels / f"{image.stem}.png") for image in images]


LAYOUTS: dict[str, Callable[[Path], list[Files]]] = {
    "camvid": _camvid,
    "cityscapes": _cityscapes,
    "idd_lite": _suffixed("_image.jpg", "_label.png", "_lanes.png"),
    "apollo": _suffixed(".jpg", "_bin.png"),
    "comma10k": lambda folder: _folder(folder, "masks"),
    "folder": _folder,
}


def _decode_comma10k(label: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    rgb = label[..., 2::-1].astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    target = np.zeros(rgb.shape, np.uint16)
    for (r, g, b), names in COMMA10K.items():
        target[rgb == (r << 16 | g << 8 | b)] = DRIVE.bits(*names)
    return target


def _paint(target: npt.NDArray[np.uint16], lanes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """Say of ground pixels whether they are paint, plain road, or (unsure) stay either."""
    ground = target == GROUND
    target = target.copy()
    target[ground & (lanes == 1)] = DRIVE.bits("lane_marking")
    target[ground & (lanes == 0)] = DRIVE.bits("road")
    return target
