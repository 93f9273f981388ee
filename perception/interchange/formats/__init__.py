"""Scenes in the formats that annotation tools, trackers' evaluation and lane benchmarks read."""

from collections.abc import Callable
from pathlib import Path

from perception.interchange.files.folder import SceneFolder
from perception.interchange.formats.base import Names
from perception.interchange.formats.cityscapes import write_cityscapes
from perception.interchange.formats.coco import write_coco
from perception.interchange.formats.labelme import write_labelme
from perception.interchange.formats.mot import write_mot
from perception.interchange.formats.tusimple import write_tusimple
from perception.interchange.formats.yolo import write_yolo

# Each writes the folder's scenes into a folder, and returns what people should know.
FORMATS: dict[str, Callable[[SceneFolder, Path, Names], list[str]]] = {
    "coco": write_coco,
    "yolo": write_yolo,
    "cityscapes": write_cityscapes,
    "mot": write_mot,
    "tusimple": write_tusimple,
    "labelme": write_labelme,
}
