"""YOLO's segmentation: a text file an image, a polygon a line; Ultralytics and CVAT read it."""

from pathlib import Path

import yaml

from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.masks import outlines, seamed
from perception.interchange.formats.base import Names, categories


def write_yolo(source: SceneFolder, out: Path, names: Names) -> list[str]:
    """`labels/train/STEM.txt`, `train.txt` and `data.yaml`; the images belong into `images/train`.

    A line is `class x y x y …`, in shares of width and height. One line is one instance: its parts are joined
    by seams, as Ultralytics joins those of COCO.
    """
    named = categories(source)
    numbers = {class_id: number for number, class_id in enumerate(named)}
    labels = out / "labels" / "train"
    labels.mkdir(parents=True)
    count = 0
    for scene in source.scenes:
        ids = source.instance_map(scene)
        height, width = ids.shape
        lines = []
        for one in scene.instances:
            corners = seamed(outlines(ids == one.id)) / (width, height)
            lines.append(
                f"{numbers[one.class_id]} " + " ".join(f"{share:.10g}" for share in corners.ravel().tolist())
            )
        (labels / f"{scene.stem}.txt").write_text("".join(f"{line}\n" for line in lines))
        count += len(lines)
    # Relative to the files themselves, wherever they are read from: so Ultralytics takes no `path`, and "./".
    listed = "".join(f"./images/train/{names.of(scene.stem)}\n" for scene in source.scenes)
    (out / "train.txt").write_text(listed)
    described = {
        "train": "train.txt",
        "val": "train.txt",
        "names": dict(enumerate(named.values())),
    }
    (out / "data.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
    return [
        f"{labels}: {count} instances of {len(source.scenes)} images",
        f"the images belong into {out / 'images' / 'train'}; a split of your own, into train and val of "
        "data.yaml",
    ]
