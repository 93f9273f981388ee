"""The folder that `perception run … labels/` wrote, read back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from perception.classes import ClassSet
from perception.errors import DataError
from perception.interchange.files.dated import numbered
from perception.interchange.files.records import SCENES, SceneRecord
from perception.parsing import faults
from perception.scene import Status


@dataclass(frozen=True)
class SceneFolder:
    """The lines of scenes.jsonl and of its segments, in their order, and the maps next to it.

    Of lines with one stem the last one counts: its files have replaced those of the others. Of segments only
    the lines count whose files are still there: with `keep` the oldest are removed.
    """

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
        by_stem: dict[str, SceneRecord] = {}
        there = {name.name.rpartition(".")[0].rpartition(".")[0] for name in folder.iterdir()}
        for segment in (*numbered(path).values(), path):
            for one in _lines(segment):
                by_stem.pop(one.stem, None)
                if segment is path or one.stem in there:
                    by_stem[one.stem] = one
        return cls(folder, tuple(by_stem.values()))

    def perceived(self) -> tuple[Self, list[str]]:
        """The folder with those scenes alone that say what is in their frames, and notes on the others."""
        kept = tuple(one for one in self.scenes if one.looked_for)
        doubtful = sum(one.status is not Status.OK for one in kept)
        notes = []
        if left := len(self.scenes) - len(kept):
            notes.append(f"{left} of {len(self.scenes)} scenes are left out: road users were not looked for")
        if doubtful:
            notes.append(f"{doubtful} scenes are stale or unreliable, and are among them")
        return replace(self, scenes=kept), notes

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

    def check_classes(self, classes: ClassSet) -> None:
        """Check that ids mean these classes, as far as the lines say what they mean.

        Raises:
            DataError: they mean others.
        """
        others = sorted({one.class_set for one in self.scenes} - {"", classes.name})
        unlike = [
            f"{i} is {name}" for i, name in self.things().items() if classes.names[i : i + 1] != (name,)
        ]
        if others or unlike:
            what = ", ".join(others or unlike)
            raise DataError(f"{self.folder}: its classes are not those of {classes.name}: {what}")

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


def _lines(path: Path) -> Iterator[SceneRecord]:
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            yield SceneRecord.model_validate_json(line)
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        words = faults(error)[0] if isinstance(error, ValidationError) else error
        raise DataError(f"{path}: not the scenes of a folder that perception run wrote: {words}") from error


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
