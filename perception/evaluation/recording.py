"""Scenes as the folder sink wrote them, read back."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from perception.classes import DRIVE
from perception.errors import DataError
from perception.frame import Frame
from perception.image_file import decode_image
from perception.scene import Instance, Lane, Scene, Side


class _Instance(BaseModel):
    id: int
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    track: int | None = None


class _Lane(BaseModel):
    points: list[tuple[float, float]]
    kind: str
    confidence: float
    side: Side | None = None


class _Line(BaseModel):
    """What evaluation needs of a line of scenes.jsonl."""

    stem: str
    instances: list[_Instance]
    lanes: list[_Lane] = []


class RecordedScenes:
    """The scenes in a folder, by their stems: `<stem>.labels.png`, `<stem>.instances.png`, scenes.jsonl.

    Raises:
        DataError: scenes.jsonl is missing or broken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "scenes.jsonl"
        try:
            lines = [_Line.model_validate_json(line) for line in path.read_text().splitlines()]
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise DataError(
                f"{path}: not the scenes of a folder that perception run wrote: {error}"
            ) from error
        self._lines = {line.stem: line for line in lines}

    def perceive(self, frame: Frame) -> Scene:
        """The scene of the frame's stem.

        Raises:
            DataError: there is none, its maps are missing or of another size, or they show other instances.
        """
        line = self._lines.get(frame.stem)
        if line is None:
            raise DataError(f"{self.folder}: scenes.jsonl has no line with the stem {frame.stem}")
        labels = self._read(f"{frame.stem}.labels.png", np.uint8, frame)
        instance_map = self._read(f"{frame.stem}.instances.png", np.uint16, frame)
        drawn, listed = set(np.unique(instance_map).tolist()) - {0}, {one.id for one in line.instances}
        if drawn != listed:
            raise DataError(
                f"{self.folder}/{frame.stem}.instances.png: scenes.jsonl lists other instances than it shows "
                f"({sorted(drawn ^ listed)[0]} is in one only); write both in one run"
            )
        if any(one.class_id not in DRIVE.thing_ids for one in line.instances):
            raise DataError(
                f"{self.folder}: {frame.stem} has instances of a class that has none in {DRIVE.name}"
            )
        return Scene.of(
            frame,
            labels.astype(np.uint8),
            instance_map.astype(np.uint16),
            instances=tuple(Instance(**one.model_dump()) for one in line.instances),
            lanes=tuple(
                Lane(np.array(lane.points, np.float32).reshape(-1, 2), lane.kind, lane.confidence, lane.side)
                for lane in line.lanes
            ),
        )

    def _read(self, name: str, dtype: type, frame: Frame) -> npt.NDArray[np.generic]:
        path = self.folder / name
        image = decode_image(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.exists() else None
        if image is None:
            raise DataError(f"{path}: missing, or not a readable image")
        if image.dtype != dtype or image.shape != frame.image.shape[:2]:
            raise DataError(
                f"{path}: {image.dtype} {image.shape}, expected {np.dtype(dtype)} {frame.image.shape[:2]}, "
                "the frame's height and width"
            )
        return image
