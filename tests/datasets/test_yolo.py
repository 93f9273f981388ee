"""YOLO's polygons and boxes, read back as class bits."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from perception.classes import DRIVE
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from tests.datasets.label_pictures import image


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


def square(shift: float) -> str:
    """A car of 10 x 10 pixels in an image of 40 x 20."""
    x0, y0, x1, y1 = (5 + shift) / 40, (5 + shift) / 20, (15 + shift) / 40, (15 + shift) / 20
    return f"2 {x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1}"


def test_yolo_polygon_covers_its_pixels_and_no_more(tmp_path: Path) -> None:
    target = open_dataset(f"yolo:{yolo(tmp_path, square(0))}")[0].target
    rows, columns = np.nonzero(target == DRIVE.bits("vehicle"))
    assert (len(rows), rows.min(), rows.max(), columns.min(), columns.max()) == (100, 5, 14, 5, 14)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools' decoder
@pytest.mark.parametrize("seed", range(5))
def test_yolo_polygons_are_pycocotools_own(tmp_path: Path, seed: int) -> None:
    polygon = np.random.default_rng(seed).uniform(0, 1, (6, 2))
    line = " ".join(["2", *(repr(float(value)) for value in polygon.ravel())])
    found = open_dataset(f"yolo:{yolo(tmp_path, line)}")[0].target == DRIVE.bits("vehicle")
    code = coco_mask.frPyObjects([(polygon * (40, 20)).ravel().tolist()], 20, 40)
    np.testing.assert_array_equal(found, coco_mask.decode(coco_mask.merge(code)) > 0)


def test_yolo_box_alone_is_unknown_inside(tmp_path: Path) -> None:
    """Where there is a car, but not which pixels are its own; a chair's box says nothing."""
    sample = open_dataset(f"yolo:{yolo(tmp_path, '2 0.25 0.5 0.25 0.5', '56 0.75 0.5 0.25 0.5')}")[0]
    no_things = (1 << len(DRIVE)) - 1 - DRIVE.bits(*DRIVE.things)
    inside = np.zeros((20, 40), bool)
    inside[5:15, 5:15] = True
    np.testing.assert_array_equal(sample.target, np.where(inside, 0, no_things))
    assert not sample.instances.any()


def test_yolo_riders_may_be_either(tmp_path: Path) -> None:
    person, bicycle = "0 0.25 0 0.5 0 0.5 0.75 0.25 0.75", "1 0.2 0.5 0.6 0.5 0.6 1 0.2 1"
    sample = open_dataset(f"yolo:{yolo(tmp_path, person, bicycle)}")[0]
    assert sample.target[5, 15] == DRIVE.bits("pedestrian", "two_wheeler")
    assert sample.instances[5, 15] == 0


def test_yolo_broken_lines_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: '2 0.1 0.2 0.3' is not `class x y x y …`"):
        open_dataset(f"yolo:{yolo(tmp_path, '2 0.1 0.2 0.3')}")[0]
