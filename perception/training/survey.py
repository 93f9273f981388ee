"""What a run is going to learn from: counted and drawn before the hours are spent."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from rich.table import Column, Table

from perception.classes import ClassSet
from perception.datasets.dataset import Dataset, Sample, nothing_known, public_name, teaches
from perception.errors import DataError
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.truth import true_scene
from perception.types import Image

MOST = 64  # samples counted of a set
SHOWN = 4  # samples drawn of a set
NAMED = 10  # broken files
WIDTH, LINE = 320, 20  # px, of a picture and of a line of text
FONT = cv2.FONT_HERSHEY_SIMPLEX


def each_sample(dataset: Dataset) -> Iterator[Sample]:
    """Every sample of a data set that can be read.

    Raises:
        DataError: after the last, if some cannot be: the first ten of them by name, and how many there are.
            Or nothing can be learnt from any of them.
    """
    broken, known = [], False
    for index in range(len(dataset)):
        try:
            sample = dataset[index]
        except DataError as error:
            broken.append(str(error))
        else:
            known = known or teaches(dataset, sample)
            yield sample
    if broken:
        fault = DataError(f"{dataset.name}: {len(broken)} of {len(dataset)} samples cannot be used:")
        more = [f"… and {len(broken) - NAMED} more"] if len(broken) > NAMED else []
        for line in broken[:NAMED] + more:
            fault.add_note(line)
        raise fault
    if not known:
        raise nothing_known(dataset)


def checked(dataset: Dataset) -> list[Sample]:
    """Reads every sample, and keeps as many as are counted.

    Raises:
        DataError: see `each_sample`.
    """
    kept = set(spread(len(dataset)))
    # The truth would hold whole simulated worlds.
    return [replace(one, truth=None) for i, one in enumerate(each_sample(dataset)) if i in kept]


def spread(count: int, most: int = MOST) -> list[int]:
    """At most so many numbers below a count, evenly apart."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).astype(int).tolist()))


class Survey:
    """The classes of some samples of a data set.

    Attributes:
        pixels: class bits → pixels, 0 ignored.
        images: class bits → samples that show them.
    """

    def __init__(self, name: str, samples: Sequence[Sample], classes: ClassSet) -> None:
        self.name, self.classes = name, classes
        self.samples = [samples[i] for i in spread(len(samples))]
        self.pixels: Counter[int] = Counter()
        self.images: Counter[int] = Counter()
        for sample in self.samples:
            values, counts = np.unique(sample.target, return_counts=True)
            self.pixels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
            self.images.update(values.tolist())

    def table(self) -> Table:
        """A row for each class, also those that are not there, and for each set of classes."""
        title = f"{public_name(self.name)}, {len(self.samples)} samples"
        table = Table("class", *(Column(name, justify="right") for name in ("pixels", "images")), title=title)
        alone = [1 << i for i in range(len(self.classes))]
        for bits in [*alone, *sorted(set(self.pixels) - {0, *alone}), 0]:
            name = Confusion(self.classes).describe(bits) if bits else "(ignored)"
            share = self.pixels[bits] / self.pixels.total()
            table.add_row(name, f"{share:.2%}", str(self.images[bits]), style=None if share else "dim")
        return table

    def row(self) -> Image:
        """Some of the samples with their labels over them, under the set's name."""
        pictures = [self._drawn(self.samples[i]) for i in spread(len(self.samples), SHOWN)]
        height = max(len(picture) for picture in pictures)
        sheet = np.zeros((LINE + height, SHOWN * WIDTH, 3), np.uint8)
        _write(sheet, public_name(self.name), 4, LINE - 6)
        for k, picture in enumerate(pictures):
            sheet[LINE : LINE + len(picture), k * WIDTH : (k + 1) * WIDTH] = picture
        return sheet

    def _drawn(self, sample: Sample) -> Image:
        labels = true_scene(sample, self.classes).labels
        size = (WIDTH, max(round(WIDTH * labels.shape[0] / labels.shape[1]), 1))
        image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        known = (labels < len(self.classes))[..., None]
        colours = cv2.applyColorMap(labels, self.classes.palette_bgr())
        return np.where(known, cv2.addWeighted(image, 0.45, colours, 0.55, 0), image).astype(np.uint8)


def picture(surveys: Sequence[Survey], classes: ClassSet) -> Image:
    """A sheet, uint8 (h, w, 3) BGR: a row of samples for each data set, and a legend of the classes."""
    return np.vstack([*(survey.row() for survey in surveys), _legend(classes)])


def _legend(classes: ClassSet) -> Image:
    columns = SHOWN * 2
    step = SHOWN * WIDTH // columns
    sheet = np.zeros((LINE * -(-len(classes) // columns) + 6, SHOWN * WIDTH, 3), np.uint8)
    for k, (name, colour) in enumerate(zip(classes.names, classes.colours, strict=True)):
        x, y = step * (k % columns), 3 + LINE * (k // columns)
        sheet[y + 3 : y + LINE - 3, x + 4 : x + 18] = colour[::-1]
        _write(sheet, name, x + 24, y + LINE - 6)
    return sheet


def _write(sheet: Image, text: str, x: int, y: int) -> None:
    cv2.putText(sheet, text, (x, y), FONT, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
