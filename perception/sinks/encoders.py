"""H.264 encoders: x264 on the CPU, and those of graphics cards and boards where they open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's, by its name there, and how it is set.

    Attributes:
        codec: FFmpeg's name.
        options: FFmpeg's.
        pix_fmt: what it takes; planes are interleaved for it where that is nv12.
        bits_per_pixel: where it knows no fixed quantiser, of each second's pixels.
    """

    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    bits_per_pixel: float = 0.0


# ultrafast takes a third of superfast's CPU time and a fifth of veryfast's, for 1.6 to 1.9 times the bytes:
# on a node that needs its cores for the network, bytes are cheaper. A fixed quantiser spares x264 a look at
# each picture to choose one: this takes 0.7 of crf 23's CPU time and 0.8 of its bytes, and looks the same.
X264 = Encoder("libx264", {"preset": "ultrafast", "qp": "27"})
# In the order in which `auto` tries them.
ENCODERS = {
    "nvenc": Encoder("h264_nvenc", {"preset": "p1", "rc": "constqp", "qp": "27", "delay": "0"}),
    "qsv": Encoder("h264_qsv", {"preset": "veryfast", "global_quality": "27", "async_depth": "1"}, "nv12"),
    "v4l2m2m": Encoder("h264_v4l2m2m", bits_per_pixel=0.15),
    "x264": X264,
}


def read_encoder(name: str) -> Encoder:
    """The encoder of that name; of `auto` the first that opens here.

    Raises:
        ValueError: it is not known, or does not open here.
    """
    if name == "auto":
        return next((one for one in ENCODERS.values() if not _fault(one)), X264)
    if name not in ENCODERS:
        raise ValueError(f"allowed are auto, {', '.join(ENCODERS)}")
    if fault := _fault(ENCODERS[name]):
        raise ValueError(f"{ENCODERS[name].codec} does not open here ({fault}); leave it out for x264")
    return ENCODERS[name]


def set_up(context: VideoCodecContext, encoder: Encoder, rate: Fraction) -> None:
    """Tell a context of the encoder's codec how to encode; its size is set."""
    context.pix_fmt, context.options = encoder.pix_fmt, dict(encoder.options)
    if encoder.bits_per_pixel:
        context.bit_rate = round(encoder.bits_per_pixel * context.width * context.height * rate)


def _fault(encoder: Encoder) -> str:
    """Why it does not open; empty: it does."""
    try:
        context = av.CodecContext.create(encoder.codec, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.time_base = 640, 360, Fraction(1, 25)
        set_up(context, encoder, Fraction(25))
        context.open()
    except (av.error.FFmpegError, av.codec.codec.UnknownCodecError, OSError) as error:
        return getattr(error, "strerror", None) or "this build of FFmpeg has none"
    return ""
