"""Score label maps on a labelled data set. Needs no torch: what is scored may be a deployed bundle."""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet
from perception.training.datasets import Sample
from perception.training.metrics import Confusion

# A frame uint8 (h, w, 3) BGR → its label map uint8 (h, w).
Predictor = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


def evaluate_frame(predict: Predictor, sample: Sample, classes: ClassSet = DRIVE) -> Confusion:
    """Count every labelled pixel of one frame."""
    confusion = Confusion(classes)
    confusion.add(sample.target, predict(sample.image))
    return confusion


def merge(frames: Iterable[Confusion]) -> Confusion:
    """The confusion of many frames: a set's figures come from its pixels, not from a mean over its frames."""
    return sum(frames, Confusion())


def sheet(
    predict: Predictor, samples: list[Sample], classes: ClassSet = DRIVE, width: int = 480
) -> npt.NDArray[np.uint8]:
    """A picture sheet, one row a sample: frame, prediction, truth (partial labels in their first class)."""
    palette = classes.palette_bgr()
    rows = []
    for sample in samples:
        first = np.full(sample.target.shape, 255, np.uint8)
        for i in reversed(range(len(classes))):
            first[sample.target >> i & 1 == 1] = i
        size = (width, round(width * sample.image.shape[0] / sample.image.shape[1]))
        pictures = [
            sample.image,
            cv2.applyColorMap(predict(sample.image), palette),
            cv2.applyColorMap(first, palette),
        ]
        rows.append(np.hstack([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]))
    return np.vstack(rows).astype(np.uint8)
