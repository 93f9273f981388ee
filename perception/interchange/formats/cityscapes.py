"""Cityscapes: label and instance images with its label ids; cityscapesScripts and CVAT read them."""

from pathlib import Path

import cv2
import numpy as np

from perception.classes import DRIVE, UNKNOWN
from perception.errors import DataError
from perception.interchange.files.folder import SceneFolder
from perception.interchange.formats.base import Names

# Of its labels the one that is meant most often: cars for vehicles, bicycles for two-wheelers. Paint is road.
LABEL_IDS = {
    "sky": 23, "building": 11, "pole": 17, "road": 7, "sidewalk": 8, "vegetation": 21, "traffic_sign": 20,
    "fence": 13, "vehicle": 26, "pedestrian": 24, "two_wheeler": 33, "lane_marking": 7,
}  # fmt: skip
UNLABELLED = 0


def write_cityscapes(source: SceneFolder, out: Path, _: Names) -> list[str]:
    """`gtFine/default/NAME/STEM_gtFine_labelIds.png` (uint8) and `…_instanceIds.png` (uint16).

    An instance's pixels are label id × 1000 + k, k from 0; all others have their label's id.

    Raises:
        DataError: the scenes are of other classes than those of `drive`.
    """
    try:
        source.check_classes(DRIVE)
    except DataError as error:
        raise DataError(f"{error}; others mean nothing in Cityscapes, choose coco or yolo") from error
    if source.scenes and not source.things() and not any(scene.class_set for scene in source.scenes):
        raise DataError(f"{source.folder}: does not say of which classes it is; run it again")
    table = np.full(UNKNOWN + 1, UNLABELLED, np.uint8)
    table[: len(DRIVE)] = [LABEL_IDS[name] for name in DRIVE.names]
    folder = out / "gtFine" / "default" / source.folder.resolve().name
    folder.mkdir(parents=True)
    for scene in source.scenes:
        labels = table[source.labels(scene)]
        ids = source.instance_map(scene)
        labelled = labels.astype(np.uint16)
        for one in scene.instances:
            here, label = ids == one.id, table[one.class_id]
            labels[here] = label
            labelled[here] = 1000 * int(label) + (one.id % 1000 - 1)
        for kind, image in (("labelIds", labels), ("instanceIds", labelled)):
            path = folder / f"{scene.stem}_gtFine_{kind}.png"
            if not cv2.imwrite(str(path), image):
                raise DataError(f"{path}: cannot be written")
    return [f"{folder}: {len(source.scenes)} images; lane markings are road, as Cityscapes has none"]
