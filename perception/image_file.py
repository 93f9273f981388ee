"""Image files as people see them: the one reader of them for `run`, `train` and `evaluate`."""

from pathlib import Path

import cv2
import numpy as np

from perception.types import Image


def read_image_file(path: Path) -> Image:
    """The image, BGR, turned upright as its EXIF orientation says.

    Raises:
        ValueError: it is empty, or not a whole image.
    """
    data = np.fromfile(path, np.uint8)
    if not data.size:
        raise ValueError("empty file")
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)  # `imread` of OpenCV 5.0 fails on TIFF that it turns
    if image is None:
        raise ValueError("not a whole image")
    return np.asarray(image, np.uint8)
