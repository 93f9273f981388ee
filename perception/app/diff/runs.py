"""Recorded runs, read for comparison, and which frame of one is which of the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.app.diff.run import Maps, Run, name_of
from perception.classes import DRIVE
from perception.errors import ConfigError, DataError
from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.records import SceneRecord
from perception.types import Image


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

    def pictures(self, scene: SceneRecord) -> dict[str, npt.NDArray[Any]]:
        paths = {name: self._folder.folder / f"{scene.stem}.{name}.png" for name in ("depth", "picture")}
        there = {
            name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for name, path in paths.items() if path.exists()
        }
        if broken := [name for name, image in there.items() if image is None]:
            raise DataError(f"{paths[broken[0]]}: not a readable image")
        return {name: np.asarray(image) for name, image in there.items()}

    def overlay(self, scene: SceneRecord) -> Image | None:
        path = self._folder.folder / f"{scene.stem}.overlay.jpg"
        image = cv2.imread(str(path)) if path.exists() else None
        return None if image is None else np.asarray(image, np.uint8)

    def class_names(self) -> dict[int, str]:
        """Of things; all of `drive` where these are the same."""
        found = self._folder.things()
        drive = dict(enumerate(DRIVE.names))
        return drive if found and found.items() <= drive.items() else found


def open_run(path: Path) -> Run:
    """Read what a run has left.

    Raises:
        ConfigError: there is no run, or none that holds a scene.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    if not path.is_dir() and not (path.is_file() and path.suffix == ".mcap"):
        raise ConfigError(f"{path}: nothing that perception run wrote, such as labels/ or out.mcap")
    try:
        run = FolderRun(path) if path.is_dir() else _open_log(path)
    except DataError as error:
        raise ConfigError(str(error)) from error
    if not run.scenes:
        raise ConfigError(f"{path}: holds no scene; give a run that has published some")
    return run


def _open_log(path: Path) -> Run:
    from perception.app.diff.mcap_run import McapRun  # noqa: PLC0415 - the extra `log`

    return McapRun(path)


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
    only_a, only_b = ([name_of(one) for one in run if id(one) not in paired] for run in (a, b))
    return Pairing(name, pairs, only_a, only_b)


def _keyed(name: str, scenes: Sequence[SceneRecord]) -> dict[object, SceneRecord]:
    keyed: dict[object, SceneRecord] = {}
    for one in scenes:
        value = getattr(one, name)
        # A wall clock of 0 is not known, and a number is no name: in a part of a drive it is another frame's.
        if name == "stamp_ns" or value not in (0, "", f"{one.sequence:06d}"):
            keyed.setdefault(value, one)
    return keyed
