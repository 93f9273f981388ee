"""Drives that tests read the truth from: bands in the colours of the classes, one step further each frame."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE

HEIGHT, WIDTH = 384, 640  # exactly what the colour bundle takes, so that nothing is resized
COLOURS_BGR = np.array(DRIVE.colours, np.uint8)[:, ::-1]


def truth(index: int, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """uint8 (height, width) class ids of frame `index`: twelve upright bands."""
    bands = (np.arange(width) * len(DRIVE) // width + index) % len(DRIVE)
    return np.broadcast_to(bands.astype(np.uint8), (height, width)).copy()


def picture(index: int, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """uint8 (height, width, 3), BGR, of which the colour bundle says `truth(index)`."""
    return COLOURS_BGR[truth(index, height, width)]


def passing(index: int, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """A picture of a vehicle on a road, a thirty-second of the width further to the right each frame."""
    labels = np.full((height, width), DRIVE.id("road"), np.uint8)
    left = index * width // 32
    labels[height // 3 : 2 * height // 3, left : left + width // 4] = DRIVE.id("vehicle")
    return COLOURS_BGR[labels]


def band_centres(labels: npt.NDArray[np.uint8]) -> list[int]:
    """The label in the middle of each band: safe from what a codec does to edges."""
    height, width = labels.shape
    return [int(labels[height // 2, int((band + 0.5) * width / len(DRIVE))]) for band in range(len(DRIVE))]


def read_image(path: Path) -> npt.NDArray[Any]:
    """As it is stored: of any depth, with any number of channels."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def write_images(folder: Path, count: int, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:04d}{suffix}"), picture(index))
    return folder


def write_video(
    path: Path,
    images: Iterable[npt.NDArray[np.uint8]],
    pts: Iterable[int] | None = None,
    rate: int = 25,
    movflags: str = "faststart",
) -> Path:
    """H.264 of good quality; `pts` in ms, else at the rate."""
    images = list(images)
    stamps = [1000 * index // rate for index in range(len(images))] if pts is None else list(pts)
    options = {"movflags": movflags} if movflags and path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "12"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, stamp in zip(images, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_video(path: Path) -> list[tuple[float, npt.NDArray[np.uint8]]]:
    """Every frame as (seconds, BGR)."""
    with av.open(str(path)) as container:
        return [
            (frame.time, frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False))
            for frame in container.decode(video=0)
        ]
