"""COCO: one file of all instances, as polygons; CVAT, Label Studio, FiftyOne and pycocotools read it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.records import polygons
from perception.interchange.formats.base import Names, categories


def write_coco(source: SceneFolder, out: Path, names: Names) -> list[str]:
    """`annotations/instances_default.json`, named as CVAT names it; a polygon is exact to the pixel."""
    numbers = {class_id: number for number, class_id in enumerate(categories(source), start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for scene in source.scenes:
        ids = source.instance_map(scene)
        image = {"id": len(images) + 1, "file_name": names.of(scene.stem)}
        images.append(image | dict(zip(("height", "width"), ids.shape, strict=True)))
        masks, areas = polygons(ids), np.bincount(ids.ravel())
        for one in scene.instances:
            x0, y0, x1, y1 = one.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": numbers[one.class_id],
                    "segmentation": masks[one.id],
                    "area": int(areas[one.id]),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": 0,
                    "score": one.score,
                    # Where CVAT keeps who is who.
                    "attributes": {} if one.track is None else {"track_id": one.track},
                }
            )
    named = categories(source)
    values = {
        "info": {"description": f"{source.folder.resolve().name}, by perception"},
        "licenses": [],
        "categories": [
            {"id": number, "name": named[class_id], "supercategory": ""}
            for class_id, number in numbers.items()
        ],
        "images": images,
        "annotations": annotations,
    }
    path = out / "annotations" / "instances_default.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(values), encoding="utf-8")
    return [f"{path}: {len(annotations)} instances in {len(images)} images"]
