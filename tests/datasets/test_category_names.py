"""Categories of COCO and YOLO files, by their names and numbers."""

import logging
from pathlib import Path

import pytest

from perception.datasets.categories import NO_THINGS
from perception.errors import DataError
from tests.datasets.label_files import (
    PEDESTRIAN,
    SQUARE,
    TWO_WHEELER,
    VEHICLE,
    coco,
    only,
    own_of,
    polygon,
    shares,
    yolo,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools' decoder

# Names of categories


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("Car", VEHICLE), ("van", VEHICLE), ("vehicle", VEHICLE), ("Person", PEDESTRIAN),
        ("pedestrian", PEDESTRIAN), ("rider", TWO_WHEELER), ("motorbike", TWO_WHEELER), ("train", 0),
        ("Chair", NO_THINGS),
    ],
)  # fmt: skip
def test_coco_categories_by_the_fields_names(tmp_path: Path, name: str, bits: int) -> None:
    sample = only(coco(tmp_path, {1: name}, polygon(1, SQUARE)))
    assert sample.target[15, 15] == bits
    assert (sample.target[0] == NO_THINGS).all()


def test_unknown_categories_are_an_error_that_names_them(tmp_path: Path) -> None:
    spec = coco(tmp_path, {1: "saucer", 2: "Car", 3: "gnome"}, *[polygon(i, SQUARE) for i in (1, 1, 2, 3)])
    with pytest.raises(DataError, match=r"categories saucer \(2 regions\), gnome \(1 regions\); rename them"):
        only(spec)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("names: [Car, pedestrian]", "data.yaml"),
        ("names: {0: Car, 1: pedestrian}\ntrain: images", "coco8.yml"),
        ("names: {'0': Car, '1': pedestrian}", "../data.yaml"),
        ("Car\npedestrian\n", "classes.txt"),
        ("Car\npedestrian", "obj.names"),
    ],
)
def test_names_of_a_yolo_set_are_read(tmp_path: Path, data: str, name: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    sample = only(yolo(root, f"1 {shares(SQUARE)}", "0 0.6 0.6 0.9 0.6 0.9 0.9", data=data, name=name))
    assert sample.target[15, 15] == PEDESTRIAN
    assert sample.target[26, 52] == VEHICLE


def test_a_number_that_the_names_do_not_hold_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"categories 2 \(1 regions\)"):
        only(yolo(tmp_path, f"2 {shares(SQUARE)}", data="names: [car, person]"))
    with pytest.raises(DataError, match="names: expected a list, or a mapping"):
        only(yolo(tmp_path, f"0 {shares(SQUARE)}", data="names: 80"))
    with pytest.raises(DataError, match="hold key points"):
        only(yolo(tmp_path, f"0 {shares(SQUARE)}", data="names: [car]\nkpt_shape: [17, 2]"))
    (tmp_path / "data.yaml").write_text("names: [car]")
    (tmp_path / "other.yaml").write_text("names: [person]")
    with pytest.raises(DataError, match="their names differ"):
        only(f"yolo:{tmp_path}")


def test_numbers_without_names_are_cocos_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sample = only(yolo(tmp_path, f"3 {shares(SQUARE)}"))
    assert sample.target[15, 15] == TWO_WHEELER
    assert "no data.yaml with names" in caplog.text


def test_a_class_file_s_number_beats_cocos_name_of_it(tmp_path: Path) -> None:
    own = own_of({"name": "walker", "labels": ["person"]}, {"name": "car", "labels": [0]})
    assert only(yolo(tmp_path, f"0 {shares(SQUARE)}"), own).target[15, 15] == 0b10
