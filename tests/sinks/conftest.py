"""A frame with its scene, for sinks to write."""

from collections.abc import Callable

import numpy as np
import pytest

from perception.frame import Frame
from perception.scene import Instance, Lane, Scene
from tests.media import picture, truth

MakeScene = Callable[..., tuple[Frame, Scene]]


@pytest.fixture
def make_scene() -> MakeScene:
    def make(
        sequence: int, height: int = 96, width: int = 160, stamp_ns: int | None = None, stem: str = ""
    ) -> tuple[Frame, Scene]:
        stamp_ns = 40_000_000 * sequence if stamp_ns is None else stamp_ns
        frame = Frame(picture(sequence, height, width), stamp_ns, sequence=sequence, stem=stem)
        labels = truth(sequence, height, width)
        instances = np.where(labels == 8, 8001, 0).astype(np.uint16)
        box = (3.0, 4.0, 10.5, 20.0)
        lane = Lane(np.array([[1, 90], [50.25, 40]], np.float32), "dashed", 0.75, "left")
        scene = Scene(
            sequence,
            stamp_ns,
            0,
            stem,
            "front",
            labels,
            instances,
            (Instance(8001, 8, 0.9, box),),
            (lane,),
            age_ms=12.3456,
            timings_ms={"infer": 4.5},
        )
        return frame, scene

    return make
