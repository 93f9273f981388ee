"""Frames as H.264 in Annex B, an access unit each: as their source sent them, else encoded by x264."""

from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from perception.frame import Frame
from perception.pixels import Yuv420, as_bgr, size_of
from perception.sinks.encoders import X264, Encoder, set_up
from perception.sinks.planes import colours_of, fit, picture_of

# Each picture leaves at once, and no picture is built upon a later one.
_ENCODER = Encoder(X264.codec, {**X264.options, "tune": "zerolatency"}, X264.pix_fmt)
_KEY_SECONDS = 1  # between key frames


class H264Video:
    """Parameter sets stand before every key frame; there are no B-frames.

    Where frames are missing from what a source sent, nothing is shown until its next key frame.

    Args:
        rate: frames a second, for those that are encoded.
    """

    format = "h264"

    def __init__(self, rate: float) -> None:
        self._rate = Fraction(rate).limit_denominator(1001)
        self._encoder: VideoCodecContext | None = None
        self._frames = 0
        self._next: int | None = None  # the frame that goes on what was passed through

    @staticmethod
    def begins(frame: Frame) -> bool:
        """Whether it can be the first frame of a video."""
        coded = frame.coded
        return coded is None or coded.format != "h264" or coded.key

    def encode(self, frame: Frame) -> bytes:
        """See `perception.interchange.messages.jpeg.Video`.

        Raises:
            av.error.FFmpegError: it cannot be encoded.
        """
        if frame.coded is None or frame.coded.format != "h264":
            return self._encode(frame)
        self._encoder = None
        shown = frame.coded.key or frame.sequence == self._next
        self._next = frame.sequence + 1 if shown else None
        return frame.coded.data if shown else b""

    def _encode(self, frame: Frame) -> bytes:
        # yuv420p halves the colour planes, so sides are even: an odd one grows by a pixel.
        height, width = (side + side % 2 for side in size_of(frame.pixels))
        planes = frame.pixels
        if not isinstance(planes, Yuv420):
            planes = Yuv420.of(fit(as_bgr(planes), width, height))
        encoder = self._encoder
        if encoder is None or (encoder.height, encoder.width) != (height, width):
            encoder = self._encoder = self._start(height, width, planes)
        picture = picture_of(planes)
        picture.pts, picture.time_base = self._frames, 1 / self._rate
        self._frames += 1
        return b"".join(bytes(packet) for packet in encoder.encode(picture))

    def _start(self, height: int, width: int, planes: Yuv420) -> VideoCodecContext:
        context = av.CodecContext.create(_ENCODER.codec, "w")
        assert isinstance(context, VideoCodecContext)
        context.height, context.width, context.time_base = height, width, 1 / self._rate
        set_up(context, _ENCODER, self._rate)
        context.gop_size = max(1, round(_KEY_SECONDS * self._rate))
        context.thread_count = 1
        matrix, full_range = colours_of(planes)
        context.colorspace, context.color_range = matrix, 2 if full_range else 1
        self._frames = 0
        return context
