"""Pictures and maps of labels of a few pixels, for tests."""

from pathlib import Path

import cv2
import numpy as np


def write(path: Path, pixels: object, dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.array(pixels, dtype))


def image(path: Path, height: int = 1, width: int = 4) -> None:
    write(path, np.full((height, width, 3), 90))
