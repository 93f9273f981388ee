"""Translucent colour: classes, and the ego lane."""

from dataclasses import dataclass

import cv2
import numpy as np

from perception.classes import UNKNOWN, ClassSet
from perception.overlay.style import GREEN, GREY, Colour
from perception.scene import Scene
from perception.types import Image

STEPS = 24  # in which the carpet fades, at least; more cannot be distinguished


@dataclass(frozen=True)
class ClassTint:
    """Every pixel tinted with the colour of its class; what is unknown is darkened, unless all is.

    `share` is that of the class colour in the blend.
    """

    share: float = 0.4

    def draw(self, picture: Image, scene: Scene, classes: ClassSet) -> None:
        if scene.labels.min() == UNKNOWN:
            return
        tints = cv2.applyColorMap(scene.labels, classes.palette_bgr())
        cv2.addWeighted(picture, 1 - self.share, tints, self.share, 0, dst=picture)


@dataclass(frozen=True)
class EgoCarpet:
    """The ego lane in translucent colour, up to what stands on it, fading into the distance.

    `near` and `far` are the shares of the colour at its ends.
    """

    colour: Colour = GREEN
    near: float = 0.5
    far: float = 0.25

    def draw(self, picture: Image, scene: Scene, classes: ClassSet) -> None:
        if scene.ego_lane is None:
            return
        corners = np.rint(scene.ego_lane).astype(np.int32)
        x, y, width, height = cv2.boundingRect(corners)
        left, top, right, bottom = max(x, 0), max(y, 0), max(x + width, 0), max(y + height, 0)
        part = picture[top:bottom, left:right]
        if part.size == 0:
            return
        # With a margin: at the edge OpenCV fills pixels that belong to a polygon beyond it.
        mask = np.zeros((len(part) + 2, part.shape[1] + 2), np.uint8)
        cv2.fillPoly(mask, [corners - (left - 1, top - 1)], 1)
        mask = mask[1:-1, 1:-1]
        mask &= scene.instance_map[top:bottom, left:right] == 0
        if scene.ego_mask is not None:
            mask &= ~scene.ego_mask[top:bottom, left:right]
        rows = max(1, height // STEPS)
        ground = np.full((rows, part.shape[1], 3), self.colour, np.uint8)
        for row in range(0, len(part), rows):
            start, _, wide, _ = cv2.boundingRect(mask[row : row + rows])
            if wide == 0:
                continue
            where = slice(row, row + rows), slice(start, start + wide)
            share = self.far + (self.near - self.far) * (top + row - y) / height
            strip = part[where]
            blend = cv2.addWeighted(strip, 1 - share, ground[: len(strip), :wide], share, 0)
            cv2.copyTo(blend, mask[where], strip)


@dataclass(frozen=True)
class EgoRegion:
    """The own car in grey, where a mask says where it is: nothing is looked for there."""

    colour: Colour = GREY

    def draw(self, picture: Image, scene: Scene, classes: ClassSet) -> None:
        if scene.ego_mask is None:
            return
        mask = scene.ego_mask.astype(np.uint8)
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        plain = np.full_like(picture, self.colour)
        cv2.copyTo(cv2.addWeighted(grey, 0.5, plain, 0.5, 0), mask, picture)
