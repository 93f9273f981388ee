"""A picture of the frames of a data set that were seen best and worst."""

from collections.abc import Collection

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.datasets.dataset import Sample
from perception.evaluation.judged import Judged
from perception.evaluation.truth import true_scene
from perception.frame import Frame
from perception.overlay import SCENE, draw
from perception.scene import Scene
from perception.types import Image

WIDTH, BAR = 480, 22  # px, of a picture and of its caption
EACH = 2  # frames
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Gallery:
    """Keeps the drawn rows (frame, what was found, what is true) of the best and the worst frames."""

    def __init__(self, figure: str, classes: ClassSet) -> None:
        self.figure = figure
        self.classes = classes
        self._rows: list[tuple[float, Image]] = []  # from the worst to the best

    def __bool__(self) -> bool:
        return bool(self._rows)

    def offer(self, value: float, frame: Frame, scene: Scene, sample: Sample) -> None:
        """Show the frame, if its figure is among the highest or the lowest so far."""
        rows = self._rows
        if len(rows) == 2 * EACH and rows[EACH - 1][0] <= value <= rows[EACH][0]:
            return
        caption = f"{frame.stem}  {self.figure} {value:.3f}"
        rows.append((value, row(frame, scene, sample, self.classes, caption)))
        rows.sort(key=lambda row: row[0])
        del rows[EACH:-EACH]

    def picture(self) -> Image:
        """uint8 (h, 3 × WIDTH, 3), BGR, the worst frame at the top."""
        return np.vstack([row for _, row in self._rows])


class Extremes:
    """The best and the worst frames: by PQ where the set knows instances, else by accuracy."""

    def __init__(self, classes: ClassSet) -> None:
        self._by_pq, self._by_accuracy = Gallery("PQ", classes), Gallery("accuracy", classes)

    def update(self, one: Judged) -> None:
        shown = one.frame, one.scene, one.sample
        if one.pq is not None:
            self._by_pq.offer(one.pq, *shown)
        self._by_accuracy.offer(one.confusion.accuracy(), *shown)

    def picture(self) -> Image:
        return (self._by_pq or self._by_accuracy).picture()


class Chosen:
    """The drawn rows of the frames of given numbers."""

    def __init__(self, numbers: Collection[int]) -> None:
        self.numbers = numbers
        self.rows: list[Image] = []

    def update(self, one: Judged) -> None:
        if one.frame.sequence in self.numbers:
            self.rows.append(row(one.frame, one.scene, one.sample, one.classes))


def row(frame: Frame, scene: Scene, sample: Sample, classes: ClassSet, caption: str = "") -> Image:
    """A frame, what was found and what is true, side by side: uint8 (h, 3 × WIDTH, 3), BGR."""
    pictures = {
        caption or frame.stem: frame.image,
        "found": draw(frame, scene, classes, SCENE),
        "true": draw(frame, true_scene(sample, classes), classes, SCENE),
    }
    return np.hstack([captioned(picture, text) for text, picture in pictures.items()])


def captioned(picture: Image, text: str) -> Image:
    """At WIDTH, under a bar with the text, which gets smaller where it would be too long."""
    height = round(WIDTH * picture.shape[0] / picture.shape[1])
    shown = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    bar = np.zeros((BAR, WIDTH, 3), np.uint8)
    scale = min(0.45, 0.45 * (WIDTH - 8) / cv2.getTextSize(text, FONT, 0.45, 1)[0][0])
    cv2.putText(bar, text, (4, BAR - 7), FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([bar, shown]).astype(np.uint8)
