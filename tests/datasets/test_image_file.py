"""One reader of images: what `run`, `evaluate` and `train` see of a file is what Pillow shows of it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from perception.datasets.formats.files import read_ids, read_image, read_labels
from perception.frame import Frame
from perception.sources.registry import open_source

LOSSLESS: dict[str, dict[str, Any]] = {
    "a.png": {},
    "a.webp": {"lossless": True},
    "a.tif": {},
    "a.jpg": {"quality": 100},
}
ORIENTATIONS = range(1, 9)


def write(path: Path, pixels: np.ndarray, orientation: int, **options: Any) -> np.ndarray:
    """The image as Pillow shows it, RGB or grey."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **options)
    # From memory: Pillow 12 garbles a grey TIFF that it maps from the disk and turns.
    with Image.open(io.BytesIO(path.read_bytes())) as stored:
        return np.asarray(ImageOps.exif_transpose(stored))


def cells(channels: int | None = 3) -> np.ndarray:
    """Cells of 16 pixels, all different, 64×96: no two orientations look alike."""
    rng = np.random.default_rng(5)
    shape = (4, 6) if channels is None else (4, 6, channels)
    return rng.integers(0, 255, shape, np.uint8).repeat(16, 0).repeat(16, 1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", LOSSLESS)
def test_run_and_evaluate_see_an_image_upright(tmp_path: Path, name: str, orientation: int) -> None:
    shown = write(tmp_path / name, cells(), orientation, **LOSSLESS[name])[..., ::-1]
    assert shown.shape[:2] == ((64, 96) if orientation < 5 else (96, 64))
    source = open_source(str(tmp_path))
    [frame] = source
    assert isinstance(frame, Frame)
    for image in (frame.image, read_image(tmp_path / name)):
        assert image.shape == shown.shape
        assert np.abs(image.astype(int) - shown).max() <= (8 if name == "a.jpg" else 0)
    np.testing.assert_array_equal(frame.image, read_image(tmp_path / name))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_label_images_are_turned_like_images(tmp_path: Path, name: str, orientation: int) -> None:
    shown = write(tmp_path / name, cells(None), orientation)
    np.testing.assert_array_equal(read_labels(tmp_path / name, shown.shape), shown)
    np.testing.assert_array_equal(read_ids(tmp_path / name, shown.shape), shown)


def test_all_channels_of_a_label_image_stay(tmp_path: Path) -> None:
    shown = write(tmp_path / "a.png", cells(4), 6)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png", (96, 64)), shown[..., [2, 1, 0, 3]])
    ids = cells(None).astype(np.uint16) * 257
    shown = write(tmp_path / "b.png", ids, 8)
    np.testing.assert_array_equal(read_ids(tmp_path / "b.png", (96, 64)), shown)
