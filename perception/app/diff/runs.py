"""Recorded runs, read for comparison, and which frame of one is which of the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from perception.errors import ConfigError, DataError
from perception.interchange.folder import SceneFolder
from perception.interchange.records import SceneRecord
from perception.types import Image


class Run(Protocol):
    """What a run has left of its scenes. Reading raises DataError where that is broken."""

    @property
    def scenes(self) -> Sequence[SceneRecord]: ...

    def maps(self, scene: SceneRecord) -> "Maps | None":
        """None where the network knows no classes."""
        ...

    def overlay(self, scene: SceneRecord) -> Image | None:
        """The scene drawn on its frame: uint8 (h, w, 3), BGR."""
        ...


@dataclass(frozen=True, slots=True)
class Maps:
    """Class ids uint8 (h, w), and instance ids uint16 (h, w)."""

    labels: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.uint16]


class FolderRun:
    """Of the folder sink."""

    def __init__(self, path: Path) -> None:
        self._folder = SceneFolder.read(path)
        self.scenes = self._folder.scenes

    def maps(self, scene: SceneRecord) -> Maps | None:
        written = (self._folder.folder / f"{scene.stem}.labels.png").exists()
        if not written and not scene.instances and not scene.lanes:
            return None
        return Maps(self._folder.labels(scene), self._folder.instance_map(scene))

    def overlay(self, scene: SceneRecord) -> Image | None:
        path = self._folder.folder / f"{scene.stem}.overlay.jpg"
        image = cv2.imread(str(path)) if path.exists() else None
        return None if image is None else np.asarray(image, np.uint8)


def open_run(path: Path) -> Run:
    """Read what a run has left.

    Raises:
        ConfigError: there is no run, or none that holds a scene.
    """
    if not path.is_dir():
        raise ConfigError(f"{path}: no folder that perception run wrote, such as labels/")
    try:
        run = FolderRun(path)
    except DataError as error:
        raise ConfigError(str(error)) from error
    if not run.scenes:
        raise ConfigError(f"{path}: holds no scene; give a run that has published some")
    return run


@dataclass(frozen=True)
class Pairing:
    """Frames of two runs.

    Attributes:
        by: what they were paired by.
        pairs: in the order of the first run.
        only_a, only_b: names of frames that the other run lacks.
    """

    by: str
    pairs: list[tuple[SceneRecord, SceneRecord]]
    only_a: list[str]
    only_b: list[str]


def pair(a: Sequence[SceneRecord], b: Sequence[SceneRecord]) -> Pairing:
    """By their stems, or by their stamps where more frames have the same one."""
    pairings = [_pair_by(name, a, b) for name in ("stem", "stamp_ns", "wall_ns")]
    return max(pairings, key=lambda one: len(one.pairs))


def _pair_by(name: str, a: Sequence[SceneRecord], b: Sequence[SceneRecord]) -> Pairing:
    """By an attribute; of frames with the same value in one run the first one has a partner."""
    of_a, of_b = _keyed(name, a), _keyed(name, b)
    pairs = [(one, of_b[value]) for value, one in of_a.items() if value in of_b]
    paired = {id(one) for both in pairs for one in both}
    only_a, only_b = ([one.stem for one in run if id(one) not in paired] for run in (a, b))
    return Pairing(name, pairs, only_a, only_b)


def _keyed(name: str, scenes: Sequence[SceneRecord]) -> dict[object, SceneRecord]:
    keyed: dict[object, SceneRecord] = {}
    for one in scenes:
        value = getattr(one, name)
        if name != "wall_ns" or value:  # 0: not known
            keyed.setdefault(value, one)
    return keyed
