"""Every layout, written to disk as its authors publish it, and read back as class bits."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.datasets.label_maps import COMMA10K
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from tests.datasets.label_pictures import image, write

GROUND = DRIVE.bits("road", "lane_marking")


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
    no_things = everything & ~DRIVE.bits(*DRIVE.things)  # 255 is the own bonnet
    assert sample.target.tolist() == [[everything & ~paint, paint, paint, no_things]]


def test_apollo_things_before_the_own_bonnet(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    write(tmp_path / "a_bin.png", [[0, 255, 255, 0]])
    write(tmp_path / "a_things.png", [[8000, 8000, 65535, 65535]], np.uint16)
    sample = open_dataset(f"apollo+instances:{tmp_path}")[0]
    everything = (1 << len(DRIVE)) - 1
    no_things, unpainted = everything & ~DRIVE.bits(*DRIVE.things), everything & ~DRIVE.bits("lane_marking")
    assert sample.target.tolist() == [[DRIVE.bits("vehicle"), 0, no_things, unpainted]]
    assert sample.instances.tolist() == [[8000, 8000, 0, 0]]


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


def test_cityscapes_riders_belong_to_their_two_wheeler(tmp_path: Path) -> None:
    """A rider over a bicycle, another between a motorcycle (more pixels) and a bicycle, one on their own."""
    ids = [
        [25000, 25000, 0, 25001, 32004, 0, 25002],
        [33001, 33001, 0, 25001, 32004, 0, 25002],
        [33001, 33001, 0, 33003, 32004, 0, 0],
    ]
    image(tmp_path / "leftImg8bit" / "x_leftImg8bit.png", 3, 7)
    stem = str(tmp_path / "gtFine" / "x_gtFine_")
    write(Path(stem + "labelIds.png"), np.array(ids) // 1000)
    write(Path(stem + "instanceIds.png"), ids, np.uint16)
    found = open_dataset(f"cityscapes+instances:{tmp_path / 'leftImg8bit'}")[0].instances
    assert (found // 1000 == np.where(np.array(ids) > 0, DRIVE.id("two_wheeler"), 0)).all()
    assert len(np.unique(found)) == 1 + 4
    for same in ([0, 1, 2], [0, 0, 0]), ([0, 1, 2], [4, 4, 4]), ([0, 1], [6, 6]):
        assert len(set(found[same].tolist())) == 1
    assert found[0, 3] == found[0, 4] != found[2, 3]


def test_cityscapes_own_car_is_no_road_user(tmp_path: Path) -> None:
    image(tmp_path / "y_leftImg8bit.jpg", width=2)
    write(tmp_path / "y_labelIds.png", [[1, 0]])
    no_things = (1 << len(DRIVE)) - 1 - DRIVE.bits(*DRIVE.things)
    assert open_dataset(f"cityscapes:{tmp_path}")[0].target.tolist() == [[no_things, 0]]


def test_cityscapes_clips_prefer_their_things(tmp_path: Path) -> None:
    image(tmp_path / "y_leftImg8bit.jpg", width=4)
    write(tmp_path / "y_labelIds.png", [[26, 26, 24, 11]])
    write(tmp_path / "y_instances.png", [[3, 3, 255, 255]])
    write(tmp_path / "y_things.png", [[8000, 65535, 9003, 8000]], np.uint16)
    assert open_dataset(f"cityscapes+instances:{tmp_path}")[0].instances.tolist() == [[8001, 0, 9001, 0]]


def test_instances_say_what_a_label_leaves_open(tmp_path: Path) -> None:
    image(tmp_path / "0_1_image.jpg", width=5)
    write(tmp_path / "0_1_label.png", [[2, 3, 3, 2, 0]])
    write(tmp_path / "0_1_instances.png", [[9001, 8001, 10000, 65535, 8001]], np.uint16)
    sample = open_dataset(f"idd_lite+instances:{tmp_path}")[0]
    names = ("pedestrian",), ("vehicle",), ("two_wheeler",), ("pedestrian", "two_wheeler")
    assert sample.target.tolist() == [[*(DRIVE.bits(*one) for one in names), 0]]  # a vehicle, or ground?
    assert sample.instances.tolist() == [[9001, 8001, 10000, 0, 8001]]


def test_lums_road_sidewalk_and_what_is_neither(tmp_path: Path) -> None:
    image(tmp_path / "color_1.jpg", width=5)
    write(tmp_path / "color_1_label.png", [[0, 1, 2, 3, 4]])
    other, obstacle, *ground = open_dataset(f"lums:{tmp_path}")[0].target[0].tolist()
    assert ground == [GROUND, DRIVE.bits("sidewalk"), GROUND]
    assert other == (1 << len(DRIVE)) - 1 - GROUND - DRIVE.bits("sidewalk")
    assert obstacle & GROUND == 0 != obstacle & DRIVE.bits("vehicle")


def test_recordings_are_chosen_by_stem(tmp_path: Path) -> None:
    for name in ("a_1", "a_2", "b_1", "c_1"):
        image(tmp_path / f"{name}.jpg")
        write(tmp_path / f"{name}_bin.png", [[0, 0, 0, 0]])

    def stems(query: str) -> list[str]:
        dataset = open_dataset(f"apollo:{tmp_path}{query}")
        return [dataset[i].name for i in range(len(dataset))]

    assert stems("") == ["a_1", "a_2", "b_1", "c_1"]
    assert stems("?only=a_*,c_*") == ["a_1", "a_2", "c_1"]
    assert stems("?only=a_*,c_*&without=*_2") == ["a_1", "c_1"]
    assert stems("?without=a*,b*") == ["c_1"]
    with pytest.raises(DataError, match="none of 4 frames is left by `only=x`; correct the globs"):
        stems("?only=x")
    with pytest.raises(DataError, match="but is no option; known: only, without"):
        stems("?but=x")


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
