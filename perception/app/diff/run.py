"""What is compared: what a run has left of its scenes, in whatever form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perception.interchange.files.records import SceneRecord
from perception.types import Image


class Run(Protocol):
    """What a run has left of its scenes. Reading raises DataError where that is broken."""

    @property
    def scenes(self) -> Sequence[SceneRecord]: ...

    def maps(self, scene: SceneRecord) -> "Maps | None":
        """None where the network knows no classes."""
        ...

    def pictures(self, scene: SceneRecord) -> "Mapping[str, npt.NDArray[Any]]":
        """Other answers by their names: depth, or a picture; as they are stored."""
        ...

    def overlay(self, scene: SceneRecord) -> Image | None:
        """The scene drawn on its frame, or the frame alone: uint8 (h, w, 3), BGR."""
        ...

    def class_names(self) -> dict[int, str]:
        """By ids, as far as the run says so."""
        ...


@dataclass(frozen=True, slots=True)
class Maps:
    """Class ids uint8 (h, w), and instance ids uint16 (h, w)."""

    labels: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.uint16]


def name_of(scene: SceneRecord) -> str:
    """Of its frame, for people."""
    return scene.stem or f"{scene.sequence:06d}"
