"""Label images as other tools write them; Pillow, which writes them here, is the judge of what they hold."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from perception.classes import DRIVE
from perception.datasets.class_file import ClassFile, OwnClasses
from perception.datasets.opening import open_dataset
from perception.errors import DataError

IDS = np.array([[0, 3, 8, 9], [10, 11, 255, 3]], np.uint8)
TARGET = [[1, 8, 256, 512], [1024, 2048, 0, 8]]
PALETTE = [value for i in range(256) for value in (i * 37 % 256, i * 91 % 256, i * 53 % 256)]


def with_palette(ids: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(ids).convert("L")
    image.putpalette(PALETTE)
    assert image.mode == "P"
    return image


def write(path: Path, image: Image.Image, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def frame(path: Path) -> None:
    write(path, Image.new("RGB", (IDS.shape[1], IDS.shape[0])))


def farm(*labels: object) -> OwnClasses:
    classes = [
        {"name": f"c{i}", "colour": [i, i, i], "labels": [label], "thing": True}
        for i, label in enumerate(labels)
    ]
    return ClassFile.model_validate({"name": "farm", "classes": classes, "rest": "ignore"}).own("here")


@pytest.mark.parametrize(
    ("spec", "image_path", "label_path"),
    [
        ("folder:.", "images/a.jpg", "labels/a.png"),
        ("camvid:val", "val/a.png", "valannot/a.png"),
        ("penn_fudan:.", "PNGImages/a.png", "PedMasks/a_mask.png"),
        ("ade:images/training", "images/training/a.jpg", "annotations/training/a.png"),
        ("idd_lite:.", "a_image.jpg", "a_label.png"),
    ],
)
def test_a_palette_is_read_by_index_in_every_layout(
    tmp_path: Path, spec: str, image_path: str, label_path: str
) -> None:
    layout, _, folder = spec.partition(":")
    frame(tmp_path / image_path)
    write(tmp_path / label_path, Image.fromarray(IDS))
    grey = open_dataset(f"{layout}:{tmp_path / folder}")[0]
    write(tmp_path / label_path, with_palette(IDS))
    expanded = cv2.imread(str(tmp_path / label_path), cv2.IMREAD_UNCHANGED)
    assert expanded is not None
    assert expanded.ndim == 3  # the trap
    palette = open_dataset(f"{layout}:{tmp_path / folder}")[0]
    np.testing.assert_array_equal(palette.target, grey.target)
    np.testing.assert_array_equal(palette.instances, grey.instances)
    if layout == "folder":
        assert palette.target.tolist() == TARGET


def test_a_palette_of_sixteen_colours_is_read_by_index(tmp_path: Path) -> None:
    ids = np.array([[0, 3, 8, 9], [10, 11, 11, 3]], np.uint8)
    frame(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.png", with_palette(ids), bits=4)
    target = open_dataset(f"folder:{tmp_path}")[0].target
    np.testing.assert_array_equal(target, 1 << ids.astype(np.uint32))


def test_one_bit_labels_are_zeros_and_ones(tmp_path: Path) -> None:
    frame(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.png", Image.fromarray(IDS > 8))
    assert open_dataset(f"folder:{tmp_path}", farm(0, 1))[0].target.tolist() == [[1, 1, 1, 2], [2, 2, 2, 1]]


def test_colours_of_a_palette_count_where_a_class_file_names_colours_alone(tmp_path: Path) -> None:
    frame(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.png", with_palette(IDS))
    colours = [tuple(PALETTE[3 * i : 3 * i + 3]) for i in (3, 9)]
    assert open_dataset(f"folder:{tmp_path}", farm(*colours))[0].target.tolist() == [
        [0, 1, 0, 2],
        [0, 0, 0, 1],
    ]
    assert open_dataset(f"folder:{tmp_path}", farm(3, 9))[0].target.tolist() == [[0, 1, 0, 2], [0, 0, 0, 1]]


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    for mode in ("RGB", "RGBA"):
        frame(tmp_path / "images" / "a.png")
        write(tmp_path / "labels" / "a.png", Image.new(mode, (IDS.shape[1], IDS.shape[0]), (10, 20, 30)))
        assert (open_dataset(f"folder:{tmp_path}", farm("#0a141e", "#1e140a"))[0].target == 1).all()


def test_instances_with_a_palette_and_of_sixteen_bits(tmp_path: Path) -> None:
    numbers = np.array([[0, 0, 1, 0], [0, 0, 2, 0]], np.uint8)
    frame(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.png", Image.fromarray(np.full(IDS.shape, 8, np.uint8)))
    for image in (with_palette(numbers), Image.fromarray(numbers.astype(np.uint16) * 300)):
        write(tmp_path / "instances" / "a.png", image)
        found = open_dataset(f"folder+instances:{tmp_path}")[0].instances
        np.testing.assert_array_equal(found, np.where(numbers, 8000 + numbers.astype(int), 0))


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    frame(tmp_path / "images" / "a.png")
    path = tmp_path / "labels" / "a.png"
    write(path, with_palette(np.arange(8, dtype=np.uint8).reshape(2, 4)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"a\.png: not a readable image"):
        open_dataset(f"folder:{tmp_path}")[0]


def cityscapes(root: Path) -> str:
    """Two riders, each on a two-wheeler of its own; a third bicycle; a rider who touches none."""
    instances = np.zeros((12, 40), np.uint16)
    instances[2:6, 2:6], instances[6:10, 1:8] = 25000, 33000
    instances[2:6, 12:16], instances[6:10, 11:18] = 25001, 32000
    instances[6:10, 8:10] = 33001  # next to the first bicycle, not to its rider
    instances[2:10, 30:34] = 25002
    labels = (instances // 1000).astype(np.uint8)
    write(root / "leftImg8bit" / "x_leftImg8bit.png", Image.new("RGB", (40, 12)))
    write(root / "gtFine" / "x_gtFine_labelIds.png", Image.fromarray(labels))
    write(root / "gtFine" / "x_gtFine_instanceIds.png", Image.fromarray(instances))
    return f"cityscapes+instances:{root / 'leftImg8bit'}"


def test_a_cityscapes_rider_and_the_two_wheeler_are_one_instance(tmp_path: Path) -> None:
    found = open_dataset(cityscapes(tmp_path))[0].instances
    first, second, third, alone = found[3, 3], found[3, 13], found[7, 9], found[5, 31]
    assert (first, second) == (found[7, 2], found[7, 12])
    assert len({first, second, third, alone}) == 4
    assert set(np.unique(found // 1000)) == {0, DRIVE.id("two_wheeler")}


def test_own_classes_keep_riders_apart_where_they_are_a_class(tmp_path: Path) -> None:
    spec = cityscapes(tmp_path)
    apart = open_dataset(spec, farm(25, 32, 33))[0].instances
    assert len(set(np.unique(apart)) - {0}) == 6
    classes = [{"name": "cyclists", "colour": [1, 1, 1], "labels": [25, 33, 32], "thing": True}]
    together = ClassFile.model_validate({"name": "own", "classes": classes, "rest": "ignore"}).own("here")
    assert len(set(np.unique(open_dataset(spec, together)[0].instances)) - {0}) == 4
