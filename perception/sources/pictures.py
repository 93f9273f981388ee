"""Decoded pictures, alike for files and streams: of SDR colours, progressive and upright."""

from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange

from perception.pixels import MATRICES, Pixels, Yuv420
from perception.sources.deinterlace import one_moment
from perception.sources.orientation import Orientation, turned
from perception.sources.tone import WHITE_NITS, hdr_name, tone_mapped
from perception.types import Image

_MOST_NOTES = 20  # of a camera whose pictures say something else each time
_FLATTEST = 8  # width to height of a pixel, or the reverse; beyond, the header is wrong


class Pictures:
    """The pictures of one video track.

    Args:
        context: that decodes it.
        uri: what the user calls it, for the notes.
        notes: what the user should know, each once.
        stored: the shape of the pixels by the container, if it says so.

    Attributes:
        as_stored: the picture that was read last is shown as it is stored: neither turned nor of two fields.
    """

    def __init__(
        self, context: VideoCodecContext, uri: str, notes: list[str], stored: Fraction | None = None
    ) -> None:
        self._context, self._uri, self._notes = context, uri, notes
        self._orientation = Orientation()
        self.as_stored = True
        # As in FFmpeg, the container's shape of the pixels comes before that of the stream, which may change.
        self._stored = stored if stored != context.sample_aspect_ratio else None

    def read(self, picture: av.VideoFrame) -> tuple[Pixels, float]:
        """The picture, as planes where it needs no work, and the width of its pixels over their height."""
        matrix, aspect = self._orientation.matrix(picture), self._pixel_aspect()
        self.as_stored = not matrix and not picture.interlaced_frame
        pixels: Pixels | None = None if matrix else _planes(picture)
        if pixels is not None:
            return pixels, aspect
        image = self._image(picture)
        if not matrix:
            return image, aspect
        image, swapped = turned(image, matrix)
        return image, 1 / aspect if swapped else aspect

    def _image(self, picture: av.VideoFrame) -> Image:
        if hdr := hdr_name(picture):
            self.note(
                f"{hdr} (HDR) video, shown as SDR; what is brighter than {WHITE_NITS:.0f} cd/m² is white"
            )
            image = tone_mapped(picture)
        else:
            # One thread, as for decoding: the node has its own.
            image = picture.to_ndarray(format="bgr24", threads=1).astype(np.uint8, copy=False)
        if picture.interlaced_frame:
            self.note("interlaced video; every other row is drawn from its neighbours")
            image = one_moment(image)
        return image

    def note(self, words: str) -> None:
        line = f"{self._uri}: {words}"
        if line not in self._notes and len(self._notes) < _MOST_NOTES:
            self._notes.append(line)

    def _pixel_aspect(self) -> float:
        aspect = self._stored or self._context.sample_aspect_ratio or Fraction(1)
        if 1 / Fraction(_FLATTEST) <= aspect <= _FLATTEST:
            return float(aspect)
        self.note(f"its pixels are said to be {aspect} as wide as high, taken to be square")
        return 1.0


def _planes(picture: av.VideoFrame) -> Yuv420 | None:
    """The picture's own; None where it is stored otherwise, or needs more than a copy."""
    stored = picture.format.name in ("yuv420p", "yuvj420p") and picture.colorspace in MATRICES
    even = picture.width % 2 == picture.height % 2 == 0
    if not stored or not even or hdr_name(picture) or picture.interlaced_frame:
        return None
    full_range = picture.format.name == "yuvj420p" or picture.color_range == ColorRange.JPEG
    return Yuv420(picture.to_ndarray().astype(np.uint8, copy=False), int(picture.colorspace), full_range)
