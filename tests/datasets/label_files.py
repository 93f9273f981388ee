"""COCO and YOLO files as other tools write them, for tests."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO

from perception.classes import DRIVE
from perception.datasets.class_file import ClassFile, OwnClasses
from perception.datasets.dataset import Sample
from perception.datasets.opening import open_dataset

HEIGHT, WIDTH = 40, 60
VEHICLE, PEDESTRIAN, TWO_WHEELER = (DRIVE.bits(name) for name in DRIVE.things)
SQUARE = [10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def yolo(root: Path, *lines: str, data: str | None = None, name: str = "data.yaml") -> str:
    image(root / "images" / "a.png")
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels" / "a.txt").write_text("\n".join(lines))
    if data is not None:
        (root / name).write_text(data)
    return f"yolo:{root}"


def shares(points: list[float]) -> str:
    return " ".join(str(value / side) for value, side in zip(points, [WIDTH, HEIGHT] * 99, strict=False))


def coco(
    root: Path, categories: dict[int, str], *annotations: dict[str, Any], files: tuple[str, ...] = ("a.png",)
) -> str:
    """Annotations of the first image, unless they say of which."""
    for name in files:
        image(root / "val" / name)
    (root / "annotations").mkdir(exist_ok=True)
    content = {
        "images": [
            {"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH}
            for i, name in enumerate(files, start=1)
        ],
        "annotations": [
            {"id": i, "image_id": 1, "iscrowd": 0, **one} for i, one in enumerate(annotations, start=1)
        ],
        "categories": [{"id": i, "name": name} for i, name in categories.items()],
    }
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return f"coco:{root / 'val'}"


def polygon(category: int, points: list[float], **more: Any) -> dict[str, Any]:
    return {"category_id": category, "segmentation": [points], **more}


def only(spec: str, own: OwnClasses | None = None) -> Sample:
    return open_dataset(spec, own)[0]


def judged(root: Path) -> npt.NDArray[np.bool_]:
    """The union of all masks, by pycocotools."""
    coco_file = COCO(str(root / "annotations" / "instances_val.json"))
    return np.asarray(np.any([coco_file.annToMask(one) for one in coco_file.dataset["annotations"]], axis=0))


def own_of(*classes: dict[str, Any], rest: str | None = None) -> OwnClasses:
    listed = [{"colour": [i, i, i], "thing": True, **one} for i, one in enumerate(classes)]
    return ClassFile.model_validate({"name": "own", "classes": listed, "rest": rest}).own("here")
