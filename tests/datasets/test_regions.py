"""COCO and YOLO files of other tools. What is right is from pycocotools, or from how the input was built."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as coco_mask

from perception.classes import DRIVE
from perception.datasets.categories import NO_THINGS
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from tests.datasets.label_files import (
    HEIGHT,
    PEDESTRIAN,
    SQUARE,
    TWO_WHEELER,
    VEHICLE,
    WIDTH,
    coco,
    judged,
    only,
    own_of,
    polygon,
    shares,
    yolo,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools' decoder

# Geometry


def test_a_square_of_ten_pixels_covers_a_hundred_in_both_formats(tmp_path: Path) -> None:
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[10:20, 10:20] = True
    by_yolo = only(yolo(tmp_path / "yolo", f"2 {shares(SQUARE)}"))
    by_coco = only(coco(tmp_path, {1: "car"}, polygon(1, SQUARE)))
    for sample in (by_yolo, by_coco):
        np.testing.assert_array_equal(sample.instances > 0, expected)
        np.testing.assert_array_equal(sample.target == VEHICLE, expected)
    np.testing.assert_array_equal(judged(tmp_path), expected)


@pytest.mark.parametrize("seed", range(8))
def test_any_polygon_is_drawn_as_pycocotools_draws_it(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = (rng.uniform(0, 1, (7, 2)) * (WIDTH, HEIGHT)).ravel().tolist()
    by_coco = only(coco(tmp_path, {1: "car"}, polygon(1, points)))
    by_yolo = only(yolo(tmp_path / "yolo", f"2 {shares(points)}"))
    expected = judged(tmp_path)
    assert expected.any()
    np.testing.assert_array_equal(by_coco.target == VEHICLE, expected)
    np.testing.assert_array_equal(by_yolo.target == VEHICLE, expected)


# Boxes


def test_a_box_line_of_yolo_is_unknown_inside_the_box(tmp_path: Path) -> None:
    """Centre (30, 20), 24 x 20 px; a mask in it is known."""
    sample = only(yolo(tmp_path, "2 0.5 0.5 0.4 0.5", f"0 {shares([20, 12, 24, 12, 24, 28, 20, 28])}"))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[10:30, 18:42] = True
    person = np.zeros_like(inside)
    person[12:28, 20:24] = True
    np.testing.assert_array_equal(sample.target == 0, inside & ~person)
    np.testing.assert_array_equal(sample.target == PEDESTRIAN, person)
    assert (sample.target[~inside] == NO_THINGS).all()


@pytest.mark.parametrize(
    "segmentation", [{}, {"segmentation": []}, {"segmentation": None}, {"segmentation": [[5, 5, 9, 9]]}]
)
def test_an_annotation_with_only_a_box_is_unknown_inside_it(
    tmp_path: Path, segmentation: dict[str, Any]
) -> None:
    box = {"category_id": 1, "bbox": [10, 5, 20, 10], **segmentation}
    sample = only(coco(tmp_path, {1: "Car"}, box))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[5:15, 10:30] = True
    np.testing.assert_array_equal(sample.target == 0, inside)
    assert not sample.instances.any()


def test_an_annotation_without_any_region_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png has no segmentation and no bbox"):
        only(coco(tmp_path, {1: "car"}, {"category_id": 1, "segmentation": []}))


@pytest.mark.parametrize("line", ["2 30 20 24 20", "2 10 10 20 10 20 20 10 20", "0 -0.2 0.1 0.5 0.1 0.5 0.9"])
def test_coordinates_in_pixels_are_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"a\.txt: .* outside 0 to 1, as in pixels; divide x by the width"):
        only(yolo(tmp_path, line))


def test_shares_may_be_rounded_beyond_the_border(tmp_path: Path) -> None:
    assert (only(yolo(tmp_path, "2 -0.001 0 1.002 0 1.002 1.001 -0.001 1.001")).target == VEHICLE).all()


@pytest.mark.parametrize(
    "line", ["2 0.1", "2 0.1 0.2", "2 nan 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "car 0.5 0.5 0.1 0.1"]
)
def test_lines_that_are_no_region_are_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"a\.txt: .* is not `class x y x y …`"):
        only(yolo(tmp_path, line))


# Crowds


def rle(mask: npt.NDArray[np.bool_], *, compressed: bool) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    if compressed:
        return {"size": [HEIGHT, WIDTH], "counts": code["counts"].decode()}
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *edges, flat.size]).tolist()}


def box_mask(x0: int, x1: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:30, x0:x1] = True
    return mask


@pytest.mark.parametrize("compressed", [True, False])
def test_cvats_masks_are_single_objects(
    tmp_path: Path, compressed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    masks = [box_mask(5, 15), box_mask(20, 40)]
    annotations = [
        {"category_id": 1, "segmentation": rle(m, compressed=compressed), "iscrowd": 1} for m in masks
    ]
    with caplog.at_level(logging.WARNING):
        sample = only(coco(tmp_path, {1: "car"}, *annotations))
    np.testing.assert_array_equal(sample.target == VEHICLE, masks[0] | masks[1])
    assert len(set(np.unique(sample.instances)) - {0}) == 2
    assert "2 masks say iscrowd 1" in caplog.text


def test_a_crowd_among_single_objects_stays_ignored_unless_cvat_wrote_it(tmp_path: Path) -> None:
    crowd = {"category_id": 1, "segmentation": rle(box_mask(30, 50), compressed=True), "iscrowd": 1}
    one = polygon(1, [5, 5, 15, 5, 15, 30, 5, 30])
    sample = only(coco(tmp_path, {1: "person"}, crowd, one))
    np.testing.assert_array_equal(sample.target == 0, box_mask(30, 50))
    np.testing.assert_array_equal(sample.target == PEDESTRIAN, box_mask(5, 15))
    for attributes, bits in (({"occluded": False}, PEDESTRIAN), ({"occluded": False, "is_crowd": True}, 0)):
        sample = only(coco(tmp_path, {1: "person"}, {**crowd, "attributes": attributes}, one))
        assert (sample.target[box_mask(30, 50)] == bits).all()


# Files of the same name, and files listed twice


def test_images_of_one_stem_in_two_folders_have_their_own_labels(tmp_path: Path) -> None:
    regions = [polygon(1, SQUARE, image_id=1), polygon(2, SQUARE, image_id=2), polygon(3, SQUARE, image_id=3)]
    names = {1: "car", 2: "person", 3: "bicycle"}
    spec = coco(tmp_path, names, *regions, files=("x.png", "sub/x.png", "val/x.png"))
    dataset = open_dataset(spec)
    assert [int(dataset[i].target[15, 15]) for i in range(3)] == [PEDESTRIAN, TWO_WHEELER, VEHICLE]  # sorted


def test_a_file_that_is_listed_twice_keeps_all_its_annotations(tmp_path: Path) -> None:
    regions = [polygon(1, SQUARE, image_id=1), polygon(2, [30, 5, 40, 5, 40, 30, 30, 30], image_id=2)]
    dataset = open_dataset(coco(tmp_path, {1: "car", 2: "person"}, *regions, files=("x.png", "x.png")))
    assert len(dataset) == 1
    assert (dataset[0].target[15, 15], dataset[0].target[15, 35]) == (VEHICLE, PEDESTRIAN)


# Riders


@pytest.mark.parametrize("wheels", ["bicycle", "motorcycle"])
def test_a_rider_and_the_two_wheeler_are_one_instance(tmp_path: Path, wheels: str) -> None:
    """The rider sits on one of two; the other two-wheeler, and a rider far away, are of their own."""
    regions = [
        polygon(1, [10, 5, 20, 5, 20, 20, 10, 20]),
        polygon(2, [8, 20, 24, 20, 24, 30, 8, 30]),
        polygon(2, [30, 20, 40, 20, 40, 30, 30, 30]),
        polygon(1, [50, 5, 55, 5, 55, 30, 50, 30]),
    ]
    sample = only(coco(tmp_path, {1: "rider", 2: wheels}, *regions))
    numbers = [int(sample.instances[y, x]) for y, x in ((10, 15), (25, 15), (25, 35), (10, 52))]
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 3
    assert {number // 1000 for number in numbers} == {DRIVE.id("two_wheeler")}
    assert (sample.target[10, 15], sample.target[25, 15]) == (TWO_WHEELER, TWO_WHEELER)


def test_own_classes_join_riders_only_where_both_are_of_one_class(tmp_path: Path) -> None:
    regions = [polygon(1, [10, 5, 20, 5, 20, 20, 10, 20]), polygon(2, [8, 20, 24, 20, 24, 30, 8, 30])]
    spec = coco(tmp_path, {1: "rider", 2: "bicycle"}, *regions)
    one = own_of({"name": "cycling", "labels": ["rider", "bicycle"]})
    two = own_of({"name": "who", "labels": ["rider"]}, {"name": "on", "labels": ["bicycle"]})
    for own, count in ((one, 1), (two, 2)):
        assert len(set(np.unique(only(spec, own).instances)) - {0}) == count
