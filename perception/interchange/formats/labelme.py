"""labelme: a JSON file an image, which it opens next to the image."""

import json
from pathlib import Path

from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.masks import outlines
from perception.interchange.formats.base import Names

FORMAT = "5.0.0"  # of its files; later versions of it read them


def write_labelme(source: SceneFolder, out: Path, names: Names) -> list[str]:
    """`STEM.json`: a polygon for each part of an instance, those of one under a common group."""
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for scene in source.scenes:
        ids = source.instance_map(scene)
        height, width = ids.shape
        shapes = [
            {
                "label": one.class_name,
                "points": part.astype(float).tolist(),
                "group_id": one.id,
                "shape_type": "polygon",
                "flags": {},
                "description": f"score {one.score:.2f}" + (f", track {one.track}" if one.track else ""),
            }
            for one in scene.instances
            for part in outlines(ids == one.id)
        ]
        count += len(shapes)
        values = {
            "version": FORMAT,
            "flags": {},
            "shapes": shapes,
            "imagePath": names.of(scene.stem),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        (out / f"{scene.stem}.json").write_text(json.dumps(values), encoding="utf-8")
    return [f"{out}: {count} polygons of {len(source.scenes)} images; put the images next to them"]
