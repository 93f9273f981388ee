"""Interlaced video, whose pictures hold two moments in alternate rows, made progressive."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction

import av
import cv2
import numpy as np
from av.filter import Graph

from perception.types import Image

# One picture for each that comes, the first of its two moments; those that are progressive pass as they are.
_BWDIF = "mode=send_frame:parity=auto:deint=interlaced"


class Deinterlacer:
    """FFmpeg's bwdif over a recording's pictures, from the first interlaced one on: it looks one ahead.

    Args:
        note: is called with what the user should know.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._graph: Graph | None = None
        self._shape: tuple[object, ...] = ()

    def feed(
        self, pictures: Iterable[av.VideoFrame | None], last: bool = False
    ) -> Iterator[av.VideoFrame | None]:
        """The pictures that are ready, in their order; None, for a damaged one, stays where it was.

        Args:
            last: no more follow.
        """
        for picture in pictures:
            damaged = picture is None or picture.is_corrupt
            shape = () if picture is None else (picture.width, picture.height, picture.format.name)
            if damaged or shape != self._shape:
                yield from self._end()
            if picture is None or damaged:
                yield None
                continue
            if self._graph is None and not picture.interlaced_frame:
                yield picture
                continue
            if self._graph is None:
                self._note("interlaced video; deinterlaced by FFmpeg's bwdif")
                self._graph, self._shape = _bwdif(picture), shape
            self._graph.push(picture)
            yield from self._ready()
        if last:
            yield from self._end()

    def _ready(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                picture = self._graph.pull()
                assert isinstance(picture, av.VideoFrame)
                yield picture

    def _end(self) -> Iterator[av.VideoFrame]:
        """What the filter holds back."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
        self._graph, self._shape = None, ()


def _bwdif(picture: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1  # as for decoding: the network needs the cores
    base = picture.time_base or Fraction(1, 1000)
    shape = f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}"
    source = graph.add("buffer", f"{shape}:time_base={base.numerator}/{base.denominator}")
    graph.link_nodes(source, graph.add("bwdif", _BWDIF), graph.add("buffersink")).configure()
    return graph


def one_moment(image: Image) -> Image:
    """An interlaced image with its odd rows drawn from the even ones: half the rows, but nothing waits.

    bwdif holds a camera's pictures back for one frame period.
    """
    shown = image.copy()
    odd = shown[1:-1:2]
    cv2.addWeighted(image[:-2:2][: len(odd)], 0.5, image[2::2][: len(odd)], 0.5, 0, dst=odd)
    if len(shown) % 2 == 0:
        shown[-1] = shown[-2]
    return np.asarray(shown, np.uint8)
