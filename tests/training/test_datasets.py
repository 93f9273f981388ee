"""Every layout, written to disk as its authors publish it, and read back as class bits."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.classes import COMMA10K, DRIVE
from perception.errors import DataError
from perception.training.datasets import open_dataset

GROUND = DRIVE.bits("road", "lane_marking")


def write(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.array(pixels, np.uint8))


def image(path: Path, height: int = 1, width: int = 4) -> None:
    write(path, np.full((height, width, 3), 90))


def test_camvid_with_lanes(tmp_path: Path) -> None:
    image(tmp_path / "train" / "a.png")
    write(tmp_path / "trainannot" / "a.png", [[3, 3, 3, 11]])
    write(tmp_path / "trainlanes" / "a.png", [[0, 1, 255, 0]])
    sample = open_dataset(f"camvid+lanes:{tmp_path / 'train'}")[0]
    assert sample.name == "a"
    assert sample.target.tolist() == [[DRIVE.bits("road"), DRIVE.bits("lane_marking"), GROUND, 0]]


def test_camvid_without_lanes_says_only_ground(tmp_path: Path) -> None:
    image(tmp_path / "val" / "a.png")
    write(tmp_path / "vallanes" / "a.png", [[1, 1, 1, 1]])
    write(tmp_path / "valannot" / "a.png", [[3, 8, 9, 10]])
    sample = open_dataset(f"camvid:{tmp_path / 'val'}")[0]
    things = [DRIVE.bits(n) for n in ("vehicle", "pedestrian", "two_wheeler")]
    assert sample.target.tolist() == [[GROUND, *things]]


def test_idd_lite(tmp_path: Path) -> None:
    image(tmp_path / "0_1_image.jpg")
    write(tmp_path / "0_1_label.png", [[0, 2, 6, 255]])
    sample = open_dataset(f"idd_lite:{tmp_path}")[0]
    assert sample.target.tolist() == [[GROUND, DRIVE.bits("pedestrian", "two_wheeler"), DRIVE.bits("sky"), 0]]


def test_apollo_labels_paint_and_its_absence(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    write(tmp_path / "a_bin.png", [[0, 200, 217, 255]])
    sample = open_dataset(f"apollo:{tmp_path}")[0]
    paint = DRIVE.bits("lane_marking")
    everything = (1 << len(DRIVE)) - 1
    assert sample.target.tolist() == [[everything & ~paint, paint, paint, 0]]


def test_cityscapes_public_tree_and_side_by_side(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit" / "val" / "x" / "x_1_leftImg8bit.png")
    write(tmp_path / "gtFine" / "val" / "x" / "x_1_gtFine_labelIds.png", [[7, 26, 24, 0]])
    image(tmp_path / "clip" / "y_leftImg8bit.jpg")
    write(tmp_path / "clip" / "y_labelIds.png", [[7, 26, 24, 0]])
    expected = [[GROUND, DRIVE.bits("vehicle"), DRIVE.bits("pedestrian"), 0]]
    for folder in ("leftImg8bit/val", "clip"):
        assert open_dataset(f"cityscapes:{tmp_path / folder}")[0].target.tolist() == expected


def test_comma10k_colours(tmp_path: Path) -> None:
    colours = list(COMMA10K)
    image(tmp_path / "imgs" / "0.png", width=len(colours))
    write(tmp_path / "masks" / "0.png", [[colour[::-1] for colour in colours]])
    sample = open_dataset(f"comma10k:{tmp_path}")[0]
    assert sample.target.tolist() == [[DRIVE.bits(*names) for names in COMMA10K.values()]]


def _folder_set(folder: Path) -> Path:
    image(folder / "images" / "a.png")
    write(folder / "labels" / "a.png", [[0, 3, 11, 255]])
    return folder


def test_folder(tmp_path: Path) -> None:
    assert open_dataset(f"folder:{_folder_set(tmp_path)}")[0].target.tolist() == [[1, 8, 2048, 0]]


def test_simulated_drives_differ_and_repeat() -> None:
    dataset = open_dataset("sim:?frames=2&size=96x64")
    first, second = dataset[0], dataset[1]
    assert first.image.shape == (64, 96, 3)
    assert len(dataset) == 2
    assert not np.array_equal(first.image, second.image)
    assert np.array_equal(first.image, open_dataset("sim:?frames=2&size=96x64")[0].image)


def test_broken_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"kitti:x: unknown layout.*camvid"):
        open_dataset("kitti:x")
    with pytest.raises(DataError, match=r"all but sim also as LAYOUT\+lanes"):
        open_dataset("sim+lanes:?frames=2")
    with pytest.raises(DataError, match="no folder"):
        open_dataset(f"camvid:{tmp_path / 'nowhere'}")
    with pytest.raises(DataError, match="no labelled frame"):
        open_dataset(f"idd_lite:{tmp_path}")
    image(tmp_path / "val" / "a.png")
    with pytest.raises(DataError, match=r"valannot/a\.png: missing"):
        open_dataset(f"camvid:{tmp_path / 'val'}")[0]
    (tmp_path / "valannot").mkdir()
    (tmp_path / "valannot" / "a.png").write_bytes(b"not a png")
    with pytest.raises(DataError, match=r"a\.png: not a readable image"):
        open_dataset(f"camvid:{tmp_path / 'val'}")[0]
    write(tmp_path / "valannot" / "a.png", [[[3, 3, 3]] * 4])
    with pytest.raises(DataError, match="one channel of class ids"):
        open_dataset(f"camvid:{tmp_path / 'val'}")[0]
    cv2.imwrite(str(tmp_path / "valannot" / "a.png"), np.full((1, 4), 259, np.uint16))
    with pytest.raises(DataError, match="uint16, expected uint8"):
        open_dataset(f"camvid:{tmp_path / 'val'}")[0]
    with pytest.raises(DataError, match="no masks of paint"):
        open_dataset(f"folder+lanes:{_folder_set(tmp_path / 'plain')}")
    write(tmp_path / "valannot" / "a.png", [[3, 3]])
    with pytest.raises(DataError, match="label is 2x1, its image 4x1"):
        open_dataset(f"camvid:{tmp_path / 'val'}")[0]
