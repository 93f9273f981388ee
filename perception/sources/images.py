"""A picture, or a folder of them in the natural order of their names."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from perception.errors import SourceError
from perception.frame import Drop, DropReason, Frame
from perception.picture_size import EXTENSIONS, MAX_PIXELS, check_picture
from perception.sources.base import SourceKind
from perception.sources.image_clock import ImageClock
from perception.sources.name_stamps import in_time
from perception.sources.rates import read_rate
from perception.types import Image

_BYTES, _HEADERS = 8, 1 << 22  # of a file: for each pixel where it is not compressed, and besides


class ImageSource:
    """An image file, or every one of a folder, is one frame; upright as its orientation tag says; grey, RGBA
    and 16 bit images become BGR of 8 bit.

    Images are stamped by the times in their names or KITTI's lists, else as if 25 were taken a second; a file
    with an image's extension that is none is dropped as undecodable; others are passed over and noted.

    Args:
        rate: images per second, instead.
        max_pixels: larger images are dropped as undecodable.

    Raises:
        SourceError: the folder cannot be read, or holds no image.
    """

    def __init__(
        self,
        place: Path,
        camera: str = "front",
        rate: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.uri, self._max_pixels = str(place), max_pixels
        self.live = False
        self._camera = camera
        try:
            files = [path for path in place.iterdir() if path.is_file()] if place.is_dir() else [place]
        except OSError as error:
            raise SourceError(f"source {place}: cannot be read ({error.strerror})") from error
        images = [path for path in files if path.suffix.lower() in EXTENSIONS]
        if not images:
            raise SourceError(
                f"source {place}: no image in this folder; images end in {', '.join(EXTENSIONS)}"
            )
        self._images = in_time(sorted(images, key=lambda path: natural_order(path.name)))
        self._stems = Counter(path.stem for path in images)
        self.length: int | None = len(images)
        others = len(files) - len(images)
        what = "1 file that is no image" if others == 1 else f"{others} files that are no images"
        self.notes = [f"{self.uri}: passed over {what}"] if others else []
        self._clock = ImageClock(self._images[0].parent, [path.stem for path in self._images], rate)
        self.rate = self._clock.rate
        self.notes += [f"{self.uri}: {note}" for note in self._clock.notes]

    def __iter__(self) -> Iterator[Frame | Drop]:
        for sequence, path in enumerate(self._images):
            try:
                image = read_image_file(path, self._max_pixels)
            except (OSError, cv2.error, ValueError) as error:
                words = getattr(error, "strerror", None) or str(error)
                yield Drop(sequence, DropReason.UNDECODABLE, f"{path}: {words}")
                continue
            # a.jpg next to a.png: the whole name keeps their outputs apart.
            stem = path.stem if self._stems[path.stem] == 1 else path.name
            stamp_ns, wall_ns, recording = self._clock.stamps[sequence]
            yield Frame(image, stamp_ns, wall_ns, sequence, stem, self._camera, recording=recording)

    def close(self) -> None:
        """Nothing is held open between images."""


def read_image_file(path: Path, max_pixels: int = MAX_PIXELS) -> Image:
    """The image, BGR, turned upright as its EXIF orientation says.

    Raises:
        ValueError: it is empty, not a whole image, or too large.
    """
    size, most = path.stat().st_size, _BYTES * max_pixels + _HEADERS
    if size > most:
        raise ValueError(f"a file of {size / 1e6:.0f} MB, at most {most / 1e6:.0f} MB are read")
    data = path.read_bytes()
    if not data:
        raise ValueError("empty file")
    check_picture(data, max_pixels)
    image = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR
    )  # `imread` of OpenCV 5.0 fails on TIFF that it turns
    if image is None:
        raise ValueError("not a whole image")
    return np.asarray(image, np.uint8)


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts numbers in names as numbers: 2.png comes before 10.png. Equal ones (1.png, 01.png): by the name.

    Only 0 to 9 make numbers: what else Unicode calls a digit (² and ٣) sorts as a letter.
    """
    parts = re.split(r"([0-9]+)", name)  # numbers stand at odd places
    return [(int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)], name


KIND = SourceKind(
    "a folder of images (frames/)",
    lambda given, how: ImageSource(
        Path(given.uri.place), how.camera, given.options.get("rate"), how.max_pixels
    ),
    read=lambda uri: uri.options({"rate": read_rate}),
    on_disk=True,
    stills=True,
    options={"rate": "frames a second, where names hold no times [default: 25]"},
)
PICTURE = SourceKind(
    "a picture (photo.jpg)",
    lambda given, how: ImageSource(Path(given.uri.place), how.camera, max_pixels=how.max_pixels),
    on_disk=True,
    stills=True,
)
