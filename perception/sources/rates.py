"""Options of recordings in the words of a URI: `?rate=`, and which part is read, `?start=&duration=`."""

from fractions import Fraction

from av.video.stream import VideoStream

DEFAULT = 25.0  # a video's usual rate
_MOST = 1000
MOST_S = 1e8  # three years: what is longer is no recording, and FFmpeg counts in 64 bits


def read_rate(text: str) -> float:
    """A URI's option, such as 20, 29.97 or 30000/1001.

    Raises:
        ValueError: what is allowed.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= _MOST:
        raise ValueError(f"it must be frames per second, above 0 and up to {_MOST}, such as 20 or 30000/1001")
    return float(rate)


def read_seconds(text: str) -> float:
    """A URI's option, such as 12.5.

    Raises:
        ValueError: what is allowed.
    """
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    if not 0 <= value <= MOST_S:
        raise ValueError("it must be seconds, 0 or more, such as 12.5")
    return float(value)


def header_rate(stream: VideoStream) -> float | None:
    """What the headers of a stream without timestamps say (VUI, sequence header); None: nothing.

    `average_rate` is no such thing: for these streams FFmpeg sets it to 25. `guessed_rate` turns 12 of H.264
    into 24; but the context's rate of MPEG-4 may be the ticks of its clock, such as 30000.
    """
    said = stream.codec_context.framerate if stream.codec_context is not None else None
    best = stream.guessed_rate if said and said > _MOST else said
    return float(best) if best else None
