"""Every layout, written to disk as its authors publish it, and read back as class bits."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.datasets.label_maps import COMMA10K
from perception.datasets.opening import open_dataset
from perception.errors import DataError

GROUND = DRIVE.bits("road", "lane_marking")


def write(path: Path, pixels: object, dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.array(pixels, dtype))


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


def test_camvid_instances(tmp_path: Path) -> None:
    image(tmp_path / "train" / "a.png")
    write(tmp_path / "trainannot" / "a.png", [[8, 8, 9, 10]])
    write(tmp_path / "traininstances" / "a.png", [[8000, 8001, 65535, 0]], np.uint16)
    assert open_dataset(f"camvid+instances:{tmp_path / 'train'}")[0].instances.tolist() == [
        [8000, 8001, 0, 0]
    ]
    assert not open_dataset(f"camvid:{tmp_path / 'train'}")[0].instances.any()


def test_cityscapes_instances_of_the_public_tree(tmp_path: Path) -> None:
    """Cars and a lorry with the same number stay apart, riders join two-wheelers, crowds have no number."""
    image(tmp_path / "leftImg8bit" / "x_leftImg8bit.png", width=6)
    stem = str(tmp_path / "gtFine" / "x_gtFine_")
    write(Path(stem + "labelIds.png"), [[26, 26, 27, 25, 24, 7]])
    write(Path(stem + "instanceIds.png"), [[26001, 26002, 27001, 25000, 24, 7]], np.uint16)
    found = open_dataset(f"cityscapes+instances:{tmp_path / 'leftImg8bit'}")[0].instances[0]
    assert (found // 1000).tolist() == [8, 8, 8, 10, 0, 0]
    assert len(set(found[:3].tolist())) == 3


def test_cityscapes_clips_keep_ids_only_on_vehicles(tmp_path: Path) -> None:
    image(tmp_path / "y_leftImg8bit.jpg", width=5)
    write(tmp_path / "y_labelIds.png", [[26, 13, 24, 24, 26]])
    write(tmp_path / "y_instances.png", [[3, 3, 255, 255, 255]])
    write(tmp_path / "y_people.png", [[0, 0, 9002, 65535, 0]], np.uint16)
    assert open_dataset(f"cityscapes+instances:{tmp_path}")[0].instances.tolist() == [[8001, 0, 9001, 0, 0]]


def test_penn_fudan(tmp_path: Path) -> None:
    image(tmp_path / "PNGImages" / "a.png")
    write(tmp_path / "PedMasks" / "a_mask.png", [[0, 1, 2, 2]])
    sample = open_dataset(f"penn_fudan:{tmp_path}")[0]
    pedestrian = DRIVE.bits("pedestrian")
    anything_else = (1 << len(DRIVE)) - 1 - pedestrian
    assert sample.target.tolist() == [[anything_else, pedestrian, pedestrian, pedestrian]]
    assert sample.instances.tolist() == [[0, 9001, 9002, 9002]]


def yolo(folder: Path, *lines: str) -> Path:
    """An image 40 x 20 with polygons."""
    image(folder / "images" / "a.jpg", 20, 40)
    (folder / "labels").mkdir(parents=True)
    (folder / "labels" / "a.txt").write_text("\n".join(lines))
    return folder


def test_yolo_polygons(tmp_path: Path) -> None:
    """A car, hidden by a person; a train, which is ignored; the rest is no road user."""
    car, person = "2 0 0 0.5 0 0.5 1 0 1", "0 0.25 0.5 0.375 0.5 0.375 1 0.25 1"
    train = "6 0.75 0 1 0 1 1 0.75 1"
    sample = open_dataset(f"yolo:{yolo(tmp_path, person, car, train)}")[0]
    seen = [(int(sample.target[15, x]), int(sample.instances[15, x]) // 1000) for x in (5, 12, 25, 35)]
    no_things = (1 << len(DRIVE)) - 1 - DRIVE.bits(*DRIVE.things)
    assert seen == [(DRIVE.bits("vehicle"), 8), (DRIVE.bits("pedestrian"), 9), (no_things, 0), (0, 0)]


def test_yolo_riders_may_be_either(tmp_path: Path) -> None:
    person, bicycle = "0 0.25 0 0.5 0 0.5 0.75 0.25 0.75", "1 0.2 0.5 0.6 0.5 0.6 1 0.2 1"
    sample = open_dataset(f"yolo:{yolo(tmp_path, person, bicycle)}")[0]
    assert sample.target[5, 15] == DRIVE.bits("pedestrian", "two_wheeler")
    assert sample.instances[5, 15] == 0


def test_yolo_broken_lines_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: '2 0.1 0.2 0.3' is not `class x y x y …`"):
        open_dataset(f"yolo:{yolo(tmp_path, '2 0.1 0.2 0.3')}")[0]


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
    with pytest.raises(DataError, match=r"all but sim also as LAYOUT\+lanes, LAYOUT\+instances"):
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
    with pytest.raises(DataError, match=r"no lanes beside its labels; leave out \+lanes"):
        open_dataset(f"folder+lanes:{_folder_set(tmp_path / 'plain')}")
    write(tmp_path / "valannot" / "a.png", [[3, 3]])
    with pytest.raises(DataError, match=r"a\.png: label is 2x1, its image 4x1"):
        open_dataset(f"camvid:{tmp_path / 'val'}")[0]
