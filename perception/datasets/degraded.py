"""Data sets whose samples hold the picture that a network should make of them: frames made worse on purpose.

`noisy:SPEC` as dark and noisy as at night, `small:SPEC` at half the size, `same:SPEC` as they are, for
autoencoders; SPEC is a data set (`noisy:camvid:data/camvid/val`) or a source (`noisy:drive.mp4`).
`next:SPEC` is of consecutive frames: those of a source, or of a data set whose frames follow one another.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial

import cv2
import numpy as np

from perception.datasets.dataset import Dataset, Sample
from perception.errors import DataError
from perception.frame import Drop, Frame
from perception.sources.registry import open_source
from perception.types import Image

EXPOSURE = 0.03, 0.4  # of a night's frame, as a share of the day's light
ELECTRONS = 300.0, 3000.0  # that the brightest pixel of a frame stands for: how little light there is
READ_NOISE = 2.0, 6.0  # electrons
GAMMA = 2.2
MULTIPLE = 32  # px, of the sides of what networks take without resizing it


def night(image: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """The frame as a camera would see it with little light, drawn at random, and the same without noise."""
    exposure, electrons, read = (
        np.exp(rng.uniform(np.log(low), np.log(high))) for low, high in (EXPOSURE, ELECTRONS, READ_NOISE)
    )
    return low_light(image, rng, exposure, electrons, read)


def low_light(
    image: Image, rng: np.random.Generator, exposure: float, electrons: float, read: float
) -> tuple[Image, Image]:
    """The frame with this share of its light, and the same without noise.

    Light is counted in electrons: their number varies as Poisson's law has it, and reading them adds
    Gaussian noise (Foi et al., "Practical Poissonian-Gaussian noise modeling", 2008). Both frames are
    dark alike: what is lost in darkness is not to be invented.

    Args:
        image: uint8 (h, w, 3).
        rng: source of all randomness.
        exposure: share of the day's light.
        electrons: that the brightest level stands for.
        read: electrons, standard deviation of the noise of reading.
    """
    levels = np.arange(256) / 255
    clean = cv2.LUT(image, np.round(255 * levels * exposure ** (1 / GAMMA)).astype(np.uint8))
    seen = rng.poisson((electrons * levels**GAMMA)[clean]) + rng.normal(0, read, image.shape)
    light = np.clip(seen / electrons, 0, 1).astype(np.float32)
    return np.round(255 * light ** (1 / GAMMA)).astype(np.uint8), clean.astype(np.uint8)


def halved(image: Image) -> Image:
    """The mean of each 2×2 pixels, (h, w, 3) → (h / 2, w / 2, 3); h and w are even."""
    size = (image.shape[1] // 2, image.shape[0] // 2)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


class SourceDataset:
    """The frames of a source, without labels. It reads forward; to go back it starts again."""

    def __init__(self, name: str, uri: str) -> None:
        self.name, self.uri = name, uri
        self._length = sum(1 for _ in self._read())
        self._frames = self._read()
        self._frame: Frame | None = None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        if self._frame is None or index < self._frame.sequence:
            self._frames = self._read()
            self._frame = next(self._frames)
        while self._frame.sequence < index:
            self._frame = next(self._frames)
        return unlabelled(self._frame.stem or f"{index:06d}", self._frame.image)

    def _read(self) -> Iterator[Frame]:
        source = open_source(self.uri)
        try:
            for frame in source:
                if isinstance(frame, Drop):
                    raise DataError(f"{self.name}: {frame.message}; a data set needs every frame")
                yield frame
        finally:
            source.close()


class PicturesDataset:
    """A data set whose frames a function turns into what is seen and what is true, the same for an index."""

    def __init__(
        self, name: str, frames: Dataset, degrade: Callable[[Sample, np.random.Generator], Sample]
    ) -> None:
        self.name = name
        self.frames = frames
        self.degrade = degrade

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        return self.degrade(self.frames[index], np.random.default_rng(index))


class NextDataset:
    """Three frames that follow one another: two that are seen, and the third, which is to be predicted."""

    def __init__(self, name: str, frames: Dataset) -> None:
        if len(frames) < 3:
            raise DataError(f"{name}: {len(frames)} frames; at least three must follow one another")
        self.name = name
        self.frames = frames
        self._image = lru_cache(maxsize=3)(partial(_image, frames))

    def __len__(self) -> int:
        return len(self.frames) - 2

    def __getitem__(self, index: int) -> Sample:
        older, newest, following = (self._image(index + i) for i in range(3))
        if not older.shape == newest.shape == following.shape:
            raise DataError(f"{self.name}: the frames from {index} on are of several sizes; give one drive")
        return replace(unlabelled(f"{index + 2:06d}", newest), earlier=(older,), picture=following)


def unlabelled(name: str, image: Image) -> Sample:
    """A sample of which nothing is known."""
    size = image.shape[:2]
    return Sample(name, image, np.zeros(size, np.uint32), np.zeros(size, np.uint16))


def noisy(sample: Sample, rng: np.random.Generator) -> Sample:
    image, picture = night(sample.image, rng)
    return replace(sample, image=image, picture=picture)


def small(sample: Sample, _: np.random.Generator) -> Sample:
    picture = cut(sample.image, 2 * MULTIPLE)
    return replace(unlabelled(sample.name, halved(picture)), picture=picture)


def same(sample: Sample, _: np.random.Generator) -> Sample:
    return replace(sample, picture=sample.image)


def _image(frames: Dataset, index: int) -> Image:
    return cut(frames[index].image, MULTIPLE)


def cut(image: Image, multiple: int) -> Image:
    """The middle of an image, with sides that are multiples; a network then takes it without resizing.

    Raises DataError for an image that is smaller.
    """
    height, width = (side // multiple * multiple for side in image.shape[:2])
    if not height or not width:
        raise DataError(f"an image of {image.shape[1]}x{image.shape[0]} is below {multiple}x{multiple}")
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])
