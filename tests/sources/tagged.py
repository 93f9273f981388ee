"""Videos with what files of other people say of their pictures: turns, pixel shapes, fields, HDR."""

import io
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from perception.frame import Frame
from perception.sources.registry import open_source

ONE = 1 << 16
Image = npt.NDArray[np.uint8]


def matrix(a: float, b: float, c: float, d: float) -> list[int]:
    """A display matrix: the pixel x, y is shown at a·x + c·y, b·x + d·y."""
    return [*(round(v * ONE) for v in (a, b)), 0, *(round(v * ONE) for v in (c, d)), 0, 0, 0, 1 << 30]


def add_track(container: Any, image: Image, codec: str = "libx264", **options: str) -> Any:
    """A track for pictures of this size, which keeps every colour of them nearly exactly."""
    exact = {"qp": "0", "preset": "ultrafast"} if codec == "libx264" else {}
    stream = container.add_stream(codec, rate=25, options={**exact, **options})
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv444p" if codec == "libx264" else stream.codec_context.codec.video_formats[0].name
    return stream


def write(path: Path, images: Iterable[Image], shown_by: Sequence[int] | None = None, sar: str = "") -> Path:
    images = list(images)
    with av.open(str(path), "w") as container:
        stream = add_track(container, images[0])
        if shown_by is not None:
            stream.set_display_matrix(shown_by)
        if sar:
            stream.codec_context.sample_aspect_ratio = Fraction(sar.replace(":", "/"))
        for index, image in enumerate(images):
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def read(uri: str | Path) -> list[Frame]:
    return read_with_notes(uri)[0]


def read_with_notes(uri: str | Path) -> tuple[list[Frame], str]:
    source = open_source(str(uri))
    items = list(source)
    source.close()
    assert [item.sequence for item in items] == list(range(len(items)))
    assert all(isinstance(item, Frame) for item in items)
    return [item for item in items if isinstance(item, Frame)], "\n".join(source.notes)


def by_ffmpeg(path: Path, *options: str) -> list[Image]:
    """A video's pictures as the program ffmpeg shows them."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg")
    command = ["ffmpeg", "-v", "error", "-i", str(path), *options, "-pix_fmt", "bgr24"]
    data = subprocess.run([*command, "-c:v", "bmp", "-f", "image2pipe", "-"], check=True, capture_output=True)
    container: Any = av.open(io.BytesIO(data.stdout), format="bmp_pipe")
    with container:
        return [picture.to_ndarray(format="bgr24") for picture in container.decode(video=0)]
