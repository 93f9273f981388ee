"""What styles draw with, on a picture in BGR or in planes: on each plane at its own size, in its own ink."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from perception.overlay.style import Colour, Ink, write
from perception.pixels import Pixels, Yuv420, from_bgr
from perception.types import Image

SHIFT = 4  # bits of a pixel's fraction in OpenCV's fixed point


def layers(picture: Pixels, colour: Colour) -> Iterator[tuple[Image, int, Ink]]:
    """What is drawn on in place, how many times smaller it is than the picture, and the colour in it."""
    if isinstance(picture, Yuv420):
        yield from zip(
            picture.planes, (1, 2, 2), _inks(colour, picture.matrix, picture.full_range), strict=True
        )
    else:
        yield picture, 1, colour


@lru_cache(1024)
def _inks(colour: Colour, matrix: int, full_range: bool) -> tuple[float, ...]:
    return tuple(np.rint(from_bgr(matrix, full_range) @ (*colour, 1)).tolist())


def tint(picture: Pixels, ids: Image, palette: Image, share: float) -> None:
    """Blend each pixel with the colour of its id.

    Args:
        ids: uint8 (height, width).
        palette: uint8 (256, 1, 3), BGR.
        share: of the colour.
    """
    if not isinstance(picture, Yuv420):
        cv2.addWeighted(picture, 1 - share, cv2.applyColorMap(ids, palette), share, 0, dst=picture)
        return
    levels = cv2.transform(palette, from_bgr(picture.matrix, picture.full_range))
    # Of half the size, and the luma's enlarged: half the time of looking up each pixel.
    halved = np.ascontiguousarray(ids[::2, ::2])
    for channel, plane in enumerate(picture.planes):
        colours = cv2.LUT(halved, levels[:, 0, channel])
        if channel == 0:
            colours = cv2.resize(colours, plane.shape[::-1], interpolation=cv2.INTER_NEAREST)
        cv2.addWeighted(plane, 1 - share, colours, share, 0, dst=plane)


def outline(picture: Pixels, corners: Sequence[npt.NDArray[np.int32]], colour: Colour, width: float) -> None:
    """Closed lines through the centres of pixels."""
    for plane, shrink, ink in layers(picture, colour):
        # The centre of pixel x lies at x / 2 - 1 / 4 where there are half as many.
        lines, shift = (corners, 0) if shrink == 1 else ([2 * line - 1 for line in corners], 2)
        cv2.polylines(plane, lines, True, ink, max(1, round(width / shrink)), cv2.LINE_AA, shift)


def fill(picture: Pixels, polygons: Sequence[npt.NDArray[np.int32]], colour: Colour) -> None:
    """Polygons of corners in `1 << SHIFT` parts of a pixel."""
    for plane, shrink, ink in layers(picture, colour):
        scaled, shift = polygons, SHIFT
        if shrink == 2:
            scaled, shift = [polygon - (1 << SHIFT - 1) for polygon in polygons], SHIFT + 1
        cv2.fillPoly(plane, scaled, ink, cv2.LINE_AA, shift)


def rectangle(picture: Pixels, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
    """A filled one; `right` and `bottom` are beyond it. In planes its sides move outwards to even pixels."""
    for plane, shrink, ink in layers(picture, colour):
        if isinstance(picture, Yuv420):
            left, top, right, bottom = left - left % 2, top - top % 2, right + right % 2, bottom + bottom % 2
        plane[top // shrink : bottom // shrink, left // shrink : right // shrink] = ink


def blend(
    picture: Pixels, mask: Image, left: int, top: int, colour: Colour, shares: npt.NDArray[np.float64]
) -> None:
    """Blend with a colour where the mask is not 0, in strips of rows of one share each.

    Args:
        mask: uint8 (h, w), its corner at `left`, `top`, both even.
        shares: of the colour: (n,), of n strips of equally many rows.
    """
    for plane, shrink, ink in layers(picture, colour):
        seen = np.ascontiguousarray(mask[::shrink, ::shrink])
        part = plane[top // shrink :, left // shrink :][: len(seen), : seen.shape[1]]
        edges = np.linspace(0, len(seen), len(shares) + 1).astype(int).tolist()
        blended, ground = np.empty_like(part), np.full_like(part[: -(-len(seen) // len(shares))], ink)
        for first, last, share in zip(edges, edges[1:], shares.tolist(), strict=False):
            if first < last:
                strip, plain = part[first:last], ground[: last - first]
                cv2.addWeighted(strip, 1 - share, plain, share, 0, dst=blended[first:last])
        cv2.copyTo(blended, seen, part)


def wash(picture: Pixels, mask: Image, colour: Colour) -> None:
    """Where the mask, uint8 (height, width), is not 0: half grey, half that colour."""
    x, y, width, height = cv2.boundingRect(mask)
    left, top = x - x % 2, y - y % 2
    mask = mask[top : y + height, left : x + width]
    for plane, shrink, ink in layers(picture, colour):
        seen = np.ascontiguousarray(mask[::shrink, ::shrink])
        part = plane[top // shrink :, left // shrink :][: len(seen), : seen.shape[1]]
        grey = part
        if not isinstance(picture, Yuv420):
            grey = np.asarray(cv2.cvtColor(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
        elif shrink == 2:
            grey = np.full_like(part, 128)
        cv2.copyTo(cv2.addWeighted(grey, 0.5, np.full_like(part, ink), 0.5, 0), seen, part)


def darken(picture: Pixels, rows: int) -> None:
    """The upper rows to a quarter of their light."""
    if isinstance(picture, Yuv420):
        black = 0 if picture.full_range else 16
        for plane, shrink, zero in zip(picture.planes, (1, 2, 2), (black, 128, 128), strict=True):
            bar = plane[: rows // shrink]
            bar[:] = (bar >> 2) + (zero - zero // 4)
    else:
        picture[:rows] >>= 2


def text(picture: Pixels, words: str, corner: tuple[int, int], height: int, colour: Colour) -> None:
    """Text in a bar of that height, with its upper left corner at x, y; in planes by its luma alone.

    Strokes are about a pixel wide: differences of colour at half the size would only smear.
    """
    plane, _, ink = next(layers(picture, colour))
    write(plane, words, corner, height, ink)


@contextmanager
def in_bgr(picture: Pixels) -> Iterator[Image]:
    """The picture as uint8 (height, width, 3), BGR, to be drawn on; planes take over what was drawn."""
    if isinstance(picture, Yuv420):
        image = picture.copy().bgr
        yield image
        picture.i420[:] = Yuv420.of(image, picture.matrix, picture.full_range).i420
    else:
        yield picture
