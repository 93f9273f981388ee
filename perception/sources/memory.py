"""Bounds of what FFmpeg takes: a picture, a part of a stream without an end, a table in a file's header."""

import ctypes

from av import _core
from av.video.codeccontext import VideoCodecContext

from perception.picture_size import too_large

_BYTES = 4  # for each pixel, of the largest single block that decoding and conversion take: RGBA
_LEAST = 64 << 20  # bytes: FFmpeg breaks where its own structures find no room
_most = 0


def bound_ffmpeg(max_pixels: int) -> None:
    """Let no block of FFmpeg's memory be larger than pictures of so many pixels need: what would be breaks.

    It is a limit of the process; the largest that was asked for counts. PyAV has no call for it, so it is
    FFmpeg's own (libavutil/mem.h), in the library that PyAV has loaded.
    """
    global _most  # noqa: PLW0603 - so is FFmpeg's
    if (most := max(max_pixels * _BYTES, _LEAST)) > _most:
        _most = most
        limit = ctypes.CDLL(_core.__file__).av_max_alloc
        limit.argtypes, limit.restype = [ctypes.c_size_t], None
        limit(_most)


def bound_pictures(context: VideoCodecContext, max_pixels: int) -> None:
    """Before its first picture: larger ones count as damaged, whatever the track says of itself, and so do
    JPEGs of which a part is missing: FFmpeg would leave there what an earlier picture showed.

    Raises:
        ValueError: it says that they are larger.
    """
    if words := too_large(context.width, context.height, max_pixels):
        raise ValueError(words)
    whole = {"err_detect": "explode"} if context.name == "mjpeg" else {}
    context.options = {**context.options, **whole, "max_pixels": str(max_pixels)}
