"""One reader of images: what `run`, `evaluate` and `train` see of a file is what Pillow shows of it."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from perception.datasets.formats.files import read_ids, read_image
from perception.frame import Frame
from perception.image_file import UPRIGHT, exif_turn
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
    for image in (frame.image, read_image(tmp_path / name, cv2.IMREAD_COLOR)):
        assert image.shape == shown.shape
        assert np.abs(image.astype(int) - shown).max() <= (8 if name == "a.jpg" else 0)
    np.testing.assert_array_equal(frame.image, read_image(tmp_path / name, cv2.IMREAD_COLOR))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_label_images_are_turned_like_images(tmp_path: Path, name: str, orientation: int) -> None:
    shown = write(tmp_path / name, cells(None), orientation)
    np.testing.assert_array_equal(read_image(tmp_path / name, cv2.IMREAD_UNCHANGED), shown)
    np.testing.assert_array_equal(read_ids(tmp_path / name, shown.shape), shown)


def test_all_channels_of_a_label_image_stay(tmp_path: Path) -> None:
    shown = write(tmp_path / "a.png", cells(4), 6)
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png", cv2.IMREAD_UNCHANGED), shown[..., [2, 1, 0, 3]]
    )
    ids = cells(None).astype(np.uint16) * 257
    shown = write(tmp_path / "b.png", ids, 8)
    np.testing.assert_array_equal(read_ids(tmp_path / "b.png", (96, 64)), shown)


@pytest.mark.parametrize("order", ["little", "big"])
def test_the_tag_is_found_among_others_in_either_byte_order(order: str) -> None:
    def field(*numbers: tuple[int, int]) -> bytes:
        return b"".join(value.to_bytes(size, order) for value, size in numbers)  # type: ignore[arg-type]

    head = (b"II" if order == "little" else b"MM") + field((42, 2), (8, 4), (2, 2))
    width = field((0x0100, 2), (4, 2), (1, 4), (64, 4))
    orientation = field((0x0112, 2), (3, 2), (1, 4), (6, 2), (0, 2))
    assert exif_turn(head + width + orientation) == exif_turn(b"Exif\0\0" + head + width + orientation)
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    # 6: the first row is the right-hand side, the first column the top.
    np.testing.assert_array_equal(exif_turn(head + width + orientation)(image), [[3, 0], [4, 1], [5, 2]])


@pytest.mark.parametrize(
    "damaged", [b"", b"II", b"XX*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\xff\xff", b"MM\0*\xff\xff\xff\xff"]
)
def test_damaged_exif_leaves_the_image_as_it_is(damaged: bytes) -> None:
    assert exif_turn(damaged) is UPRIGHT
