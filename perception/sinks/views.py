"""What a sink of pictures shows: the overlay, the scene from above, or both side by side."""

import logging
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.frame import Frame
from perception.health.types import Health
from perception.overlay import birds_eye
from perception.pixels import Pixels, as_bgr
from perception.scene import Scene
from perception.sinks.base import Sink
from perception.types import Image
from perception.uri import one_of

LOG = logging.getLogger("perception.sinks")
VIEWS = "overlay", "bev", "both"
VIEW_OPTION = {"view": "overlay, bev (the scene from above, in metres), or both [default: overlay]"}
read_view = one_of(VIEWS)
_LOWEST = 360  # rows of a picture from above: in fewer nobody reads its numbers


def with_view(sink: Sink, view: str, classes: ClassSet) -> Sink:
    """The sink, which is given what `view` says in place of the overlay."""
    return sink if view == "overlay" else ViewSink(sink, classes, both=view == "both")


class ViewSink:
    """Gives a sink of pictures the scene from above, alone or to the right of the overlay.

    Args:
        sink: takes pictures of other sizes than the frame's.
    """

    takes_planes: Literal[True] = True

    def __init__(self, sink: Sink, classes: ClassSet, *, both: bool) -> None:
        self.uri, self.wants_overlay = sink.uri, both
        self._sink, self._classes = sink, classes
        self._warned = False

    def write(self, frame: Frame, scene: Scene, overlay: Pixels) -> str | None:
        if not frame.mounted and not self._warned:
            self._warned = True
            LOG.warning(
                "%s: no calibration with a mount is known of camera %s: nothing is placed in the view from "
                "above; give --calibration",
                self.uri,
                frame.camera,
            )
        picture = self._both(frame, scene, overlay) if self.wants_overlay else self._above(frame, scene)
        return self._sink.write(replace(frame, pixels=picture, pixel_aspect=1.0, coded=None), scene, picture)

    def write_health(self, health: Health) -> None:
        self._sink.write_health(health)

    def close(self) -> None:
        self._sink.close()

    def _above(self, frame: Frame, scene: Scene) -> Image:
        return birds_eye(scene, self._classes, max(_LOWEST, frame.height + frame.height % 2))

    def _both(self, frame: Frame, scene: Scene, overlay: Pixels) -> Image:
        above = self._above(frame, scene)
        height, width = frame.shown_size
        size = round(width * len(above) / height), len(above)  # square pixels, as high as the view
        picture = cv2.resize(as_bgr(overlay), size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return np.hstack([picture, above])
