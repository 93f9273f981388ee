"""Scenes of rectangles, and what a perfect network would say of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE

STRIDE = 4


@dataclass(frozen=True)
class Thing:
    """A rectangle of pixels, all edges multiples of `STRIDE`; later ones hide earlier ones."""

    class_id: int
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class Maps:
    """labels uint8 and truth uint16 (h, w), 1 + the index of each pixel's thing; the rest at `STRIDE`."""

    labels: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint16]
    centres: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.float32]
    borders: npt.NDArray[np.float32]


def perfect_maps(things: list[Thing], height: int, width: int, background: int = 3) -> Maps:
    labels = np.full((height, width), background, np.uint8)
    truth = np.zeros((height, width), np.uint16)
    for number, one in enumerate(things, start=1):
        labels[one.y0 : one.y1, one.x0 : one.x1] = one.class_id
        truth[one.y0 : one.y1, one.x0 : one.x1] = number
    cells = truth[::STRIDE, ::STRIDE]
    rows, columns = cells.shape
    centres = np.zeros((len(DRIVE.things), rows, columns), np.float32)
    offsets = np.zeros((2, rows, columns), np.float32)
    ys, xs = np.mgrid[:rows, :columns].astype(np.float32)
    for number, one in enumerate(things, start=1):
        inside = cells == number
        if not inside.any():
            continue
        y, x = ys[inside].mean(), xs[inside].mean()
        peak = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 2)
        peak[round(float(y)), round(float(x))] = 1
        channel = centres[DRIVE.thing_ids.index(one.class_id)]
        np.maximum(channel, peak, out=channel)
        offsets[0][inside], offsets[1][inside] = STRIDE * (x - xs[inside]), STRIDE * (y - ys[inside])
    padded = np.pad(cells, 1, mode="edge")
    around = [
        padded[1 + dy : rows + 1 + dy, 1 + dx : columns + 1 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)
    ]
    borders = ((cells > 0) & np.any([other != cells for other in around], axis=0)).astype(np.float32)[None]
    return Maps(labels, truth, centres, offsets, borders)


def same_partition(found: npt.NDArray[np.uint16], truth: npt.NDArray[np.uint16]) -> bool:
    """Whether both cut the pixels into the same groups, under whatever numbers."""
    pairs = np.unique(np.stack([found.ravel(), truth.ravel()]), axis=1)
    return all(len(set(side.tolist())) == pairs.shape[1] for side in pairs) and [0, 0] in pairs.T.tolist()
