"""Translucent colour: classes, and the ego lane."""

from dataclasses import dataclass

import cv2
import numpy as np

from perception.classes import UNKNOWN, ClassSet
from perception.overlay.strokes import blend, tint, wash
from perception.overlay.style import GREEN, GREY, Colour
from perception.pixels import Pixels
from perception.scene import Scene

STEPS = 24  # in which the carpet fades; more cannot be distinguished


@dataclass(frozen=True)
class ClassTint:
    """Every pixel tinted with the colour of its class; what is unknown is darkened, unless all is.

    `share` is that of the class colour in the blend.
    """

    share: float = 0.4

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        if scene.labels.min() < UNKNOWN:
            tint(picture, scene.labels, classes.palette_bgr(), self.share)


@dataclass(frozen=True)
class EgoCarpet:
    """The ego lane in translucent colour, up to what stands on it, fading into the distance.

    `near` and `far` are the shares of the colour at its ends.
    """

    colour: Colour = GREEN
    near: float = 0.5
    far: float = 0.25

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        if scene.ego_lane is None:
            return
        corners = np.rint(scene.ego_lane).astype(np.int32)
        x, y, width, height = cv2.boundingRect(corners)
        left, top, right, bottom = max(x, 0), max(y, 0), max(x + width, 0), max(y + height, 0)
        left, top = left - left % 2, top - top % 2
        seen = scene.instance_map[top:bottom, left:right]
        if seen.size == 0:
            return
        # With a margin: at the edge OpenCV fills pixels that belong to a polygon beyond it.
        mask = np.zeros((len(seen) + 2, seen.shape[1] + 2), np.uint8)
        cv2.fillPoly(mask, [corners - (left - 1, top - 1)], 1)
        mask = mask[1:-1, 1:-1]
        mask &= seen == 0
        if scene.ego_mask is not None:
            mask &= ~scene.ego_mask[top:bottom, left:right]
        strips = np.linspace(top - y, top - y + len(seen), min(STEPS, len(seen)), endpoint=False)
        blend(picture, mask, left, top, self.colour, self.far + (self.near - self.far) * strips / height)


@dataclass(frozen=True)
class EgoRegion:
    """The own car in grey, where a mask says where it is: nothing is looked for there."""

    colour: Colour = GREY

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        if scene.ego_mask is None:
            return
        wash(picture, scene.ego_mask.view(np.uint8), self.colour)
