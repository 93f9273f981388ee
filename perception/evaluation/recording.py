"""Scenes as the folder sink wrote them, read back."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception.classes import DRIVE
from perception.errors import DataError
from perception.frame import Frame
from perception.interchange.files.folder import SceneFolder
from perception.scene import Instance, Lane, Road, Scene


class RecordedScenes:
    """The scenes in a folder, by their stems: `<stem>.labels.png`, `<stem>.instances.png`, scenes.jsonl.

    Raises:
        DataError: scenes.jsonl is missing or broken, or the scenes are not of the classes of `drive`.
    """

    def __init__(self, folder: Path) -> None:
        self._source = SceneFolder.read(folder)
        self._source.check_classes(DRIVE)

    @property
    def stems(self) -> set[str]:
        return set(self._source.by_stem)

    def perceive(self, frame: Frame) -> Scene:
        """The scene of the frame's stem.

        Raises:
            DataError: there is none, its maps are missing or of another size, or they show other instances.
        """
        folder = self._source.folder
        line = self._source.by_stem.get(frame.stem)
        if line is None:
            raise DataError(f"{folder}: scenes.jsonl has no line with the stem {frame.stem}")
        labels, instance_map = self._source.labels(line), self._source.instance_map(line)
        for name, image in (("labels", labels), ("instances", instance_map)):
            if image.shape != frame.image.shape[:2]:
                raise DataError(
                    f"{folder}/{frame.stem}.{name}.png: {image.dtype} {image.shape}, expected "
                    f"{image.dtype} {frame.image.shape[:2]}, the frame's height and width"
                )
        return Scene.of(
            frame,
            labels,
            instance_map,
            instances=tuple(
                Instance(**one.model_dump(exclude={"class_name", "segmentation"})) for one in line.instances
            ),
            road=None if line.road is None else Road(**line.road.model_dump()),
            lanes=tuple(
                Lane(np.array(lane.points, np.float32).reshape(-1, 2), lane.kind, lane.confidence, lane.side)
                for lane in line.lanes
            ),
        )


def refuse_missing(folder: Path, names: Sequence[str]) -> None:
    """Compare the scenes of a folder with the frames to score, before they are scored.

    Raises:
        DataError: frames have no scene, by their stems, or several frames have the same stem.
    """
    known = RecordedScenes(folder).stems
    counts = Counter(names)
    missing, twice = [name for name in counts if name not in known], [n for n in counts if counts[n] > 1]
    for stems, problem in ((missing, "have no scene in it"), (twice, "come several times")):
        if stems:
            listed = ", ".join(stems[:10]) + (" …" if len(stems) > 10 else "")
            raise DataError(
                f"{folder}: {len(stems)} of {len(counts)} frames to score {problem}: {listed}; write the "
                "folder by perception run over the same frames"
            )
