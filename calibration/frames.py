"""The choice of representative frames: calibration needs few, spread over light and scene."""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

DESCRIBED_AT = (16, 9)  # width, height: the layout of light and colour, without detail


def select_frames(frames: Iterable[npt.NDArray[np.uint8]], count: int) -> list[int]:
    """Choose `count` frames, each as unlike those already chosen as any left is (all, where there are fewer).

    Gives their numbers, in the order of the choice. No frame is kept: a drive does not fit in memory.

    Farthest-point sampling (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985)
    from the frame nearest the mean, over thumbnails: dark and bright, town and country come in, and a minute
    at a red light counts once.

    Args:
        frames: uint8 (h, w, 3) BGR, of any sizes.
    """
    thumbnails = [_describe(image) for image in frames]
    if len(thumbnails) <= count:
        return list(range(len(thumbnails)))
    described = np.stack(thumbnails)
    first = int(np.argmin(np.linalg.norm(described - described.mean(0), axis=1)))
    chosen = [first]
    distance = np.linalg.norm(described - described[first], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(described - described[chosen[-1]], axis=1))
    return chosen


def _describe(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(image, DESCRIBED_AT, interpolation=cv2.INTER_AREA), np.float32).ravel()
