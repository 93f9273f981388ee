"""Streams of H.264 and H.265, written and decoded by FFmpeg."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

HEIGHT, WIDTH, GOP = 96, 160, 10


def moving(index: int, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """uint8 (height, width, 3): a texture that moves."""
    cells = np.random.default_rng(7).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    texture = cells.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return np.roll(texture, 3 * index, axis=1)


def write_stream(path: Path, count: int, codec: str = "libx264", **options: str) -> Path:
    """A key frame every ten pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"preset": "ultrafast", **options})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.codec_context.gop_size = GOP
        for index in range(count):
            picture = av.VideoFrame.from_ndarray(moving(index), format="bgr24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def decoded(units: Iterable[bytes], codec: str = "h264") -> list[npt.NDArray[Any]]:
    """Planes, (3 · height / 2, width), of access units; each must give its picture at once."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    shown = []
    for unit in units:
        [picture] = decoder.decode(av.Packet(unit))
        assert not picture.is_corrupt
        shown.append(picture.to_ndarray(format="yuv420p"))
    return shown


def unit_types(unit: bytes) -> list[int]:
    """Of the NAL units of H.264 in Annex B."""
    return [part[0] & 31 for part in unit.split(b"\0\0\1")[1:]]
