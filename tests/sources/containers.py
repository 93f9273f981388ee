"""Video files of every kind of end, rate and splice, by bytes or by FFmpeg, and what is read of them."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from perception.errors import SourceError
from perception.frame import Drop, Frame
from perception.sources.registry import open_source

HEIGHT, WIDTH = 96, 160
Images = Sequence[npt.NDArray[np.uint8]]


def noisy(count: int) -> list[npt.NDArray[np.uint8]]:
    """Frames that do not compress, so that a cut falls where the bytes say."""
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(count)]


def write(
    path: Path,
    count: int,
    rate: Fraction | int = 20,
    codec: str = "libx264",
    sound_s: float = 0.0,
    sound: str = "aac",
    first: int = 0,
    format: str | None = None,
    movflags: str = "",
    **options: Any,
) -> Path:
    """A video of `count` frames from number `first` on, with so many seconds of silence."""
    muxing = {"movflags": movflags} if movflags else {}
    with av.open(str(path), "w", format=format, options=muxing) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=rate, options=options))
        stream.height, stream.width = HEIGHT, WIDTH
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        silence = None
        if sound_s:
            silence = cast(AudioStream, container.add_stream(sound, rate=48_000, layout="mono"))
        for index, image in enumerate(noisy(count)):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = first + index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if silence is not None:
            size = silence.codec_context.frame_size
            kind = "fltp" if silence.format is None else silence.format.name
            for start in range(0, round(sound_s * 48_000), size):
                block = av.AudioFrame(kind, "mono", size)
                for plane in block.planes:
                    plane.update(bytes(plane.buffer_size))
                block.rate, block.pts, block.time_base = 48_000, start, Fraction(1, 48_000)
                container.mux(silence.encode(block))
            container.mux(silence.encode(None))
    return path


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def write_avi(path: Path, empty: Sequence[int], count: int = 20, rate: int = 20, index: bool = True) -> Path:
    """Motion JPEG with chunks of no bytes at those numbers, as recorders write them for missing pictures."""
    jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in noisy(count)]
    chunks = [b"" if number in empty else jpeg for number, jpeg in enumerate(jpegs)]
    main = struct.pack(
        "<14I", 1_000_000 // rate, 0, 0, 0x10 * index, count, 0, 1, 0, WIDTH, HEIGHT, 0, 0, 0, 0
    )
    head = b"vidsMJPG" + struct.pack(
        "<IHHIIIIIIII4H", 0, 0, 0, 0, 1, rate, 0, count, 0, 2**32 - 1, 0, 0, 0, WIDTH, HEIGHT
    )
    form = struct.pack("<IiiHH4sIiiII", 40, WIDTH, HEIGHT, 1, 24, b"MJPG", WIDTH * HEIGHT * 3, 0, 0, 0, 0)
    stream = _chunk(b"LIST", b"strl" + _chunk(b"strh", head) + _chunk(b"strf", form))
    movie, entries = b"", b""
    for chunk in chunks:
        entries += b"00dc" + struct.pack("<III", 0x10, 4 + len(movie), len(chunk))
        movie += _chunk(b"00dc", chunk)
    body = b"AVI " + _chunk(b"LIST", b"hdrl" + _chunk(b"avih", main) + stream)
    body += _chunk(b"LIST", b"movi" + movie) + (_chunk(b"idx1", entries) if index else b"")
    path.write_bytes(_chunk(b"RIFF", body))
    return path


def trim_end(path: Path, milliseconds: int) -> Path:
    """Let the edit list of an MP4 hide all from there on; its movie header counts ms."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    assert struct.unpack_from(">II", data, at + 4) == (0, 1)
    assert struct.unpack_from(">I", data, data.index(b"mvhd") + 16) == (1000,)
    struct.pack_into(">I", data, at + 12, milliseconds)
    path.write_bytes(data)
    return path


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def join(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def read(uri: str | Path) -> tuple[list[Frame], list[str], str]:
    """The frames, the notes, and the error in the end."""
    source = open_source(str(uri))
    items: list[Frame | Drop] = []
    error = ""
    try:
        for item in source:
            items.append(item)
    except SourceError as raised:
        error = str(raised)
    source.close()
    return [item for item in items if isinstance(item, Frame)], source.notes, error


def milliseconds(frames: list[Frame]) -> list[float]:
    return [frame.stamp_ns / 1e6 for frame in frames]


def every(period_ms: float, count: int) -> list[Any]:
    return [pytest.approx(index * period_ms, abs=1) for index in range(count)]
