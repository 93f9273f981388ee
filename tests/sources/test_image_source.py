from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from perception.errors import SourceError
from perception.frame import Drop, DropReason, Frame
from perception.sources.images import natural_order
from perception.sources.registry import open_source
from tests.media import picture, write_images


def read(folder: Path) -> tuple[list[Frame | Drop], list[str]]:
    source = open_source(str(folder))
    items = list(source)
    source.close()
    assert [item.sequence for item in items] == list(range(len(items)))
    assert source.length == len(items)
    return items, source.notes


def read_frames(folder: Path) -> list[Frame]:
    """All of the folder, which is whole."""
    items, notes = read(folder)
    frames = [item for item in items if isinstance(item, Frame)]
    assert (len(frames), notes) == (len(items), [])
    return frames


def test_frames_come_whole_and_in_natural_order(tmp_path: Path) -> None:
    for name, index in (("f10.png", 2), ("f2.png", 1), ("f1.png", 0)):
        cv2.imwrite(str(tmp_path / name), picture(index))
    frames = read_frames(tmp_path)
    assert [frame.stem for frame in frames] == ["f1", "f2", "f10"]
    assert [frame.stamp_ns for frame in frames] == [0, 40_000_000, 80_000_000]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(index))


@pytest.mark.parametrize(
    "names",
    [
        ["frame1.png", "frame2.png", "frame10.png", "frame².png"],
        ["²1.png", "²2.png", "²10.png"],
        ["a2.png", "a10.png", "a٣.png", "a①.png"],
        ["01.png", "1.png", "02.png", "2.png"],
        ["1a.png", "1b.png", "a.png"],
        ["1" * 200 + ".png", "2" * 200 + ".png"],
    ],
)
def test_any_name_has_its_place(tmp_path: Path, names: list[str]) -> None:
    """Digits other than 0 to 9 are letters; of numbers that are equal, the names count."""
    for name in reversed(names):
        (tmp_path / name).write_bytes(cv2.imencode(".png", picture(0))[1].tobytes())
    assert [f"{frame.stem}.png" for frame in read_frames(tmp_path)] == names
    turned = names[::-1]
    assert sorted(names, key=natural_order) == sorted(turned, key=natural_order) == names


def test_bad_files_are_named_drops_and_other_files_are_noted(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    whole = (tmp_path / "0000.png").read_bytes()
    (tmp_path / "0002.png").write_bytes(b"")
    (tmp_path / "0003.jpg").write_text("this is no image")
    (tmp_path / "0004.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "notes.txt").write_text("rain")
    (tmp_path / "sub").mkdir()
    items, notes = read(tmp_path)
    drops = [item for item in items if isinstance(item, Drop)]
    assert [drop.sequence for drop in drops] == [2, 3, 4]
    assert {drop.reason for drop in drops} == {DropReason.UNDECODABLE}
    for drop, name in zip(
        drops, ("0002.png: empty", "0003.jpg: not a whole", "0004.png: not a whole"), strict=True
    ):
        assert name in drop.message
    assert notes == [f"{tmp_path}: passed over 1 file that is no image"]
    (tmp_path / "readme.txt").write_text("fog")
    assert read(tmp_path)[1] == [f"{tmp_path}: passed over 2 files that are no images"]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.full((20, 30), 77, np.uint8), (77, 77, 77)),
        (np.full((20, 30), 0x8000, np.uint16), (128, 128, 128)),
        (np.full((20, 30, 4), (10, 20, 30, 128), np.uint8), (10, 20, 30)),
        (np.full((20, 30, 3), (0x1000, 0x8000, 0xFFFF), np.uint16), (16, 128, 255)),
    ],
    ids=["grey", "grey 16 bit", "RGBA", "16 bit"],
)
def test_other_pixel_formats_become_bgr(
    tmp_path: Path, stored: npt.NDArray[np.uint8 | np.uint16], expected: tuple[int, int, int]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    [frame] = read_frames(tmp_path)
    assert frame.image.dtype == np.uint8
    assert frame.image.shape == (20, 30, 3)
    assert np.abs(frame.image.astype(int) - expected).max() <= 1


def test_equal_stems_keep_their_outputs_apart(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp", "b.png"):
        cv2.imwrite(str(tmp_path / name), picture(0, 16, 16))
    frames = read_frames(tmp_path)
    assert [frame.stem for frame in frames] == ["a.bmp", "a.png", "b"]


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(SourceError, match=r"no image in this folder.*\.png"):
        open_source(str(tmp_path))


def test_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        open_source(str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["photo.PNG", "1403636579763555584.png", "000007.png"])
def test_a_single_picture_is_a_source(tmp_path: Path, name: str) -> None:
    """Its neighbours are not, and are not looked at."""
    cv2.imwrite(str(tmp_path / name), picture(3))
    cv2.imwrite(str(tmp_path / "other.png"), picture(4))
    (tmp_path / "notes.txt").write_text("")
    [frame] = read_frames(tmp_path / name)
    assert (frame.stem, frame.stamp_ns, frame.sequence) == (Path(name).stem, 0, 0)
    np.testing.assert_array_equal(frame.image, picture(3))


def test_a_picture_that_is_none_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"no picture")
    [drop] = read(tmp_path / "photo.jpg")[0]
    assert isinstance(drop, Drop) and drop.reason is DropReason.UNDECODABLE and "photo.jpg" in drop.message
