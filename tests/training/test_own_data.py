"""Layouts read into classes of one's own, and the two that hold more than a street: ADE20K's and COCO's."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from perception.classes import DRIVE
from perception.datasets.class_file import OwnClasses, load_classes
from perception.datasets.opening import folder_class_file, open_dataset
from perception.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools' decoder

FARM = """
name: farm
classes:
  - {name: track, colour: [128, 64, 128], labels: [3, "#402020", person]}
  - {name: crop, colour: [64, 144, 64], labels: [7, "#00ff66", 44]}
  - {name: cow, colour: [240, 200, 80], labels: [9, cow], thing: true}
"""


def write(path: Path, pixels: object, dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.array(pixels, dtype))


def image(path: Path, height: int = 1, width: int = 4) -> None:
    write(path, np.full((height, width, 3), 90))


@pytest.fixture
def farm(tmp_path: Path) -> OwnClasses:
    path = tmp_path / "farm.yaml"
    path.write_text(FARM)
    return load_classes(path)


@pytest.mark.parametrize(
    ("spec", "image_path", "label_path"),
    [
        ("camvid:train", "train/a.png", "trainannot/a.png"),
        ("folder:.", "images/a.jpg", "labels/a.png"),
        ("ade:images/training", "images/training/a.jpg", "annotations/training/a.png"),
        ("cityscapes:leftImg8bit", "leftImg8bit/a_leftImg8bit.png", "gtFine/a_gtFine_labelIds.png"),
    ],
)
def test_ids_mean_own_classes(
    tmp_path: Path, farm: OwnClasses, spec: str, image_path: str, label_path: str
) -> None:
    image(tmp_path / image_path)
    write(tmp_path / label_path, [[3, 7, 9, 255]])
    layout, _, path = spec.partition(":")
    target = open_dataset(f"{layout}:{tmp_path / path}", farm)[0].target
    assert target.dtype == np.uint32
    assert target.tolist() == [[1, 2, 4, 0]]


def test_colours_mean_own_classes(tmp_path: Path, farm: OwnClasses) -> None:
    image(tmp_path / "imgs" / "0.png", width=2)
    write(tmp_path / "masks" / "0.png", [[(0x20, 0x20, 0x40), (0x66, 0xFF, 0x00)]])
    assert open_dataset(f"comma10k:{tmp_path}", farm)[0].target.tolist() == [[1, 2]]


def test_a_plain_folder_may_hold_its_classes(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.png", [[3, 7, 9, 255]])
    spec = f"folder:{tmp_path}"
    assert folder_class_file([spec]) is None
    (tmp_path / "classes.yaml").write_text(FARM)
    assert open_dataset(spec)[0].target.tolist() == [[1, 2, 4, 0]]
    assert folder_class_file(["sim:", f"noisy:{spec}"]) == tmp_path / "classes.yaml"
    own = load_classes(tmp_path / "classes.yaml")
    (tmp_path / "classes.yaml").write_text(FARM.replace("crop", "grass"))
    with pytest.raises(DataError, match=r"has the classes track, grass, cow, but .* has track, crop, cow"):
        open_dataset(spec, own)


def test_own_instances_may_be_numbered_in_any_way(tmp_path: Path, farm: OwnClasses) -> None:
    """Two cows, one of which reaches over the track; what is no thing has no number."""
    image(tmp_path / "images" / "a.png", width=6)
    write(tmp_path / "labels" / "a.png", [[9, 9, 9, 3, 7, 9]])
    write(tmp_path / "instances" / "a.png", [[500, 500, 77, 77, 8, 0]], np.uint16)
    found = open_dataset(f"folder+instances:{tmp_path}", farm)[0].instances[0].tolist()
    assert found == [2002, 2002, 2001, 0, 0, 0]
    assert not open_dataset(f"folder:{tmp_path}", farm)[0].instances.any()


def test_layouts_labelled_in_drive_alone_are_refused(tmp_path: Path, farm: OwnClasses) -> None:
    image(tmp_path / "0_1_image.jpg")
    write(tmp_path / "0_1_label.png", [[0, 2, 6, 255]])
    image(tmp_path / "train" / "a.png")
    for spec in (f"idd_lite:{tmp_path}", "sim:?frames=2", f"camvid+lanes:{tmp_path / 'train'}"):
        with pytest.raises(DataError, match=r"cannot be read into the classes of .*farm\.yaml"):
            open_dataset(spec, farm)


def test_a_plain_folder_without_classes_holds_ids_of_drive(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.png", [[0, 3, 17, 255]])
    with pytest.raises(DataError, match=r"a\.png: the class set `drive` does not name the labels 17 \(1 pix"):
        open_dataset(f"folder:{tmp_path}")[0]
    write(tmp_path / "labels" / "a.png", [[0, 3, 11, 255]], np.uint16)
    with pytest.raises(DataError, match=r"a\.png: its pixels are uint16, expected uint8"):
        open_dataset(f"folder:{tmp_path}")[0]
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    with pytest.raises(DataError, match=r"notes\.txt: not a readable image"):
        open_dataset(f"folder:{tmp_path}")[1]
    (tmp_path / "images" / ".hidden").write_text("")
    assert len(open_dataset(f"folder:{tmp_path}")) == 2


def test_ade_by_the_numbers_of_its_150_classes(tmp_path: Path) -> None:
    """By the benchmark's list: wall, sky, road, person, car, bicycle, traffic light, bed; 0 is unlabelled."""
    image(tmp_path / "images" / "validation" / "a.jpg", width=9)
    write(tmp_path / "annotations" / "validation" / "a.png", [[1, 3, 7, 13, 21, 128, 137, 8, 0]])
    found = open_dataset(f"ade:{tmp_path / 'images' / 'validation'}")[0].target[0].tolist()
    expected = [
        ("building", "fence"),
        ("sky",),
        ("road", "lane_marking"),
        ("pedestrian",),
        ("vehicle",),
        ("two_wheeler",),
        ("traffic_sign",),
        (),
        (),
    ]
    assert found == [DRIVE.bits(*names) for names in expected]


NAMES = {1: "person", 2: "bicycle", 3: "car", 7: "train", 21: "cow", 44: "bottle", 88: "teddy bear"}


def box(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def coco(root: Path, *annotations: tuple[int, Any, int], name: str = "a.jpg") -> str:
    """An image 40 × 20 and its annotations: category, segmentation, crowd."""
    image(root / "val" / name, 20, 40)
    (root / "annotations").mkdir(exist_ok=True)
    file = {
        "images": [{"id": 5, "file_name": name, "height": 20, "width": 40, "license": 1}],
        "annotations": [
            {"id": i, "image_id": 5, "category_id": category, "segmentation": region, "iscrowd": crowd}
            for i, (category, region, crowd) in enumerate(annotations)
        ],
        "categories": [{"id": i, "name": name, "supercategory": "x"} for i, name in NAMES.items()],
    }
    (root / "annotations" / "instances_val.json").write_text(json.dumps(file))
    return f"coco:{root / 'val'}"


def rle(x0: int, x1: int, *, compressed: bool) -> dict[str, object]:
    mask = np.zeros((20, 40), np.uint8, order="F")
    mask[:, x0:x1] = 1
    if compressed:
        return {"size": [20, 40], "counts": coco_mask.encode(mask)["counts"].decode()}
    return {"size": [20, 40], "counts": [20 * x0, 20 * (x1 - x0), 20 * (40 - x1)]}


def test_coco_polygons_and_both_codes_of_masks(tmp_path: Path) -> None:
    """A car by a polygon behind a person by runs; a crowd by packed runs, a train: both ignored; a bottle."""
    spec = coco(
        tmp_path,
        (1, rle(8, 16, compressed=False), 0),
        (3, box(0, 0, 20, 20), 0),
        (1, rle(28, 34, compressed=True), 1),
        (7, box(34, 0, 40, 20), 0),
        (44, box(22, 0, 26, 20), 0),
        name="sub/a.jpg",
    )
    sample = open_dataset(spec)[0]
    seen = [(int(sample.target[10, x]), int(sample.instances[10, x]) // 1000) for x in (3, 12, 24, 30, 37)]
    no_things = (1 << len(DRIVE)) - 1 - DRIVE.bits(*DRIVE.things)
    vehicle, person = DRIVE.bits("vehicle"), DRIVE.bits("pedestrian")
    assert seen == [(vehicle, 8), (person, 9), (no_things, 0), (0, 0), (0, 0)]


def test_coco_box_alone_is_unknown_inside(tmp_path: Path) -> None:
    spec = coco(tmp_path, (3, [], 0))
    path = tmp_path / "annotations" / "instances_val.json"
    path.write_text(path.read_text().replace('"iscrowd"', '"bbox": [5, 5, 10, 10], "iscrowd"'))
    sample = open_dataset(spec)[0]
    rows, columns = np.nonzero(sample.target == 0)
    assert (len(rows), rows.min(), rows.max(), columns.min(), columns.max()) == (100, 5, 14, 5, 14)
    assert not sample.instances.any()


def test_coco_into_own_classes_by_name_and_number(tmp_path: Path, farm: OwnClasses) -> None:
    regions = [(21, box(0, 0, 10, 20), 0), (21, box(10, 0, 20, 20), 0), (44, box(20, 0, 30, 20), 0)]
    sample = open_dataset(coco(tmp_path, *regions), farm)[0]
    assert sample.target[10, [5, 15, 25, 35]].tolist() == [4, 4, 2, 0]
    assert (sample.instances[10, [5, 15, 25]] // 1000).tolist() == [2, 2, 0]
    assert sample.instances[10, 5] != sample.instances[10, 15]
    with pytest.raises(DataError, match=r"does not name the labels teddy bear \(1 regions\)"):
        open_dataset(coco(tmp_path, (88, box(0, 0, 9, 9), 0)), farm)[0]
    (tmp_path / "farm.yaml").write_text(FARM + "rest: crop")
    with_rest = load_classes(tmp_path / "farm.yaml")
    sample = open_dataset(coco(tmp_path, *regions[:1], (88, box(20, 0, 30, 20), 0)), with_rest)[0]
    assert sample.target[10, [5, 15, 25]].tolist() == [4, 2, 2]


def test_broken_coco_is_named(tmp_path: Path) -> None:
    spec = coco(tmp_path, (1, box(0, 0, 9, 9), 0))
    path = tmp_path / "annotations" / "instances_val.json"
    whole = path.read_text()
    for text, message in (
        (whole[:50], r"instances_val\.json: not COCO's instances"),
        ("[]", "not COCO's instances"),
        (whole.replace('"height": 20', '"height": "tall"'), r"images\.0\.height"),
        (whole.replace('"image_id": 5', '"image_id": 6'), "annotation 0 is of image 6 and category 1"),
        (whole.replace('"height": 20', '"height": 21'), "label is 40x21, its image 40x20"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            open_dataset(spec)[0]
    path.unlink()
    with pytest.raises(DataError, match=r"no annotations; looked for .*annotations/instances_val\.json"):
        open_dataset(spec)
