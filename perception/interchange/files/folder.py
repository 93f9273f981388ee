"""The folder that `perception run … labels/` wrote, read back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from perception.errors import DataError
from perception.interchange.files.records import SCENES, SceneRecord
from perception.parsing import faults


@dataclass(frozen=True)
class SceneFolder:
    """The lines of scenes.jsonl, in their order, and the maps next to it."""

    folder: Path
    scenes: tuple[SceneRecord, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the lines.

        Raises:
            DataError: scenes.jsonl is missing or broken.
        """
        path = folder / SCENES
        if not path.is_file():
            raise DataError(f"{folder}: no folder that perception run wrote: it has no {SCENES}")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            return cls(folder, tuple(SceneRecord.model_validate_json(line) for line in lines))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            words = faults(error)[0] if isinstance(error, ValidationError) else error
            raise DataError(
                f"{path}: not the scenes of a folder that perception run wrote: {words}"
            ) from error

    @cached_property
    def by_stem(self) -> dict[str, SceneRecord]:
        return {one.stem: one for one in self.scenes}

    def labels(self, scene: SceneRecord) -> npt.NDArray[np.uint8]:
        """Class ids, (h, w), 255 unknown. Raises DataError where they are missing, or none."""
        return self._map(f"{scene.stem}.labels.png", np.uint8).astype(np.uint8, copy=False)

    def instance_map(self, scene: SceneRecord) -> npt.NDArray[np.uint16]:
        """Instance ids, (h, w), 0 none.

        Raises:
            DataError: they are missing, or show other instances than the line lists.
        """
        name = f"{scene.stem}.instances.png"
        ids = self._map(name, np.uint16).astype(np.uint16, copy=False)
        drawn = set(np.flatnonzero(np.bincount(ids.ravel())).tolist()) - {0}
        if other := drawn ^ {one.id for one in scene.instances}:
            raise DataError(
                f"{self.folder}/{name}: scenes.jsonl lists other instances than it shows "
                f"({min(other)} is in one only); write both in one run"
            )
        return ids

    def things(self) -> dict[int, str]:
        """The classes of the instances, by id."""
        return {one.class_id: one.class_name for scene in self.scenes for one in scene.instances}

    def _map(self, name: str, dtype: type) -> npt.NDArray[np.generic]:
        path = self.folder / name
        try:
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.exists() else None
        except cv2.error as error:
            raise DataError(f"{path}: cannot be read ({error.err})") from error
        if image is None:
            raise DataError(f"{path}: missing, or not a readable image")
        if image.dtype != dtype or image.ndim != 2:
            raise DataError(f"{path}: {image.dtype} {image.shape}, expected {np.dtype(dtype)} (h, w)")
        return image


class _Listed(BaseModel):
    """Of a line no more than is needed: a long drive has a hundred thousand."""

    stem: str


def listed_stems(lines: Sequence[str]) -> list[str]:
    """The stems of the lines that can be read: all that a run which was killed has left."""
    stems = []
    for line in lines:
        try:
            stems.append(_Listed.model_validate_json(line).stem)
        except ValidationError:
            continue
    return stems
