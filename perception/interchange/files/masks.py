"""Masks in COCO's two forms, exact to the pixel: run lengths and polygons. Needs numpy and OpenCV alone."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from perception.types import Bools, Doubles

Rle: TypeAlias = dict[str, Any]  # {"size": [height, width], "counts": str}
Polygon: TypeAlias = npt.NDArray[np.intp]  # (n, 2) corners x, y between pixels: 0, 0 is the image's corner


def run_lengths(ids: npt.NDArray[np.uint16]) -> dict[int, list[int]]:
    """The pixels of each id but 0 in a map (h, w), all in one pass over it.

    Returns:
        Id → lengths down the columns, of what is not of the id and what is in turn, the first may be 0.
    """
    pixels = ids.T.ravel()
    starts = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    ends = np.append(starts[1:], pixels.size)
    run_ids = pixels[starts]
    order = np.argsort(run_ids, kind="stable")
    values, first = np.unique(run_ids[order], return_index=True)
    lengths = {}
    for value, runs in zip(values.tolist(), np.split(order, first[1:]), strict=True):
        if value:
            edges = np.stack([starts[runs], ends[runs]], axis=1).ravel()
            counts = np.diff(edges, prepend=0, append=pixels.size).tolist()
            lengths[value] = counts if counts[-1] else counts[:-1]
    return lengths


def compressed(counts: Sequence[int]) -> str:
    """Run lengths as COCO's text: from the fourth on what changed since the last but one, 5 bits a letter."""
    letters = bytearray()
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            letters.append(48 + bits + 32 * more)
    return letters.decode("ascii")


def rles(ids: npt.NDArray[np.uint16]) -> dict[int, Rle]:
    """Each id but 0 of a map (h, w) with its mask, in COCO's compressed run lengths."""
    size = list(ids.shape)
    return {one: {"size": size, "counts": compressed(counts)} for one, counts in run_lengths(ids).items()}


def outlines(mask: Bools) -> list[Polygon]:
    """The mask (h, w) as polygons along the edges of its pixels, one for each part of it.

    A hole is reached by a seam, a line there and back. Filled by the even-odd rule, or by pycocotools, they
    give the mask.
    """
    x0, y0, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return []
    # Where each pixel is four, every edge between pixels lies next to a pixel of the contour.
    fine = mask[y0 : y0 + height, x0 : x0 + width].view(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    contours, tree = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    edges = [(one[:, 0].astype(np.intp) + 1) // 2 + (x0, y0) for one in contours]
    parts = []
    for i, (_, _, hole, outer) in enumerate(tree[0].tolist()):
        if outer < 0:
            inside = []
            while hole >= 0:
                inside.append(edges[hole])
                hole = tree[0][hole][0]  # noqa: PLW2901 - the next one of the same part
            parts.append(_corners(seamed([edges[i], *inside])))
    return parts


def seamed(polygons: Sequence[Polygon]) -> Polygon:
    """Several polygons as one, joined by lines there and back from one corner to the nearest."""
    joined, *others = polygons
    for other in others:
        apart = np.abs(joined[:, None] - other).sum(-1)
        here, there = divmod(int(apart.argmin()), len(other))
        turned = np.roll(other, -there, axis=0)
        joined = np.concatenate([joined[: here + 1], turned, turned[:1], joined[here:]])
    return joined


def _corners(polygon: Polygon) -> Polygon:
    """Without points that are given twice in a row, or lie in the middle of a side."""
    polygon = polygon[(polygon != np.roll(polygon, 1, axis=0)).any(1)]
    before, after = polygon - np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0) - polygon
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    back = (before * after).sum(1) < 0  # the end of a seam
    corners: Polygon = polygon[turns | back]
    return corners


def flat(polygon: Polygon | Doubles) -> list[float]:
    """x, y, x, y and so on, as COCO has them."""
    return [float(side) for side in polygon.ravel()]
