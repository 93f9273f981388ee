"""Road users: their outlines and labels, in a colour that stays with a track."""

import colorsys
import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.overlay import strokes
from perception.overlay.style import BLACK, Colour, line_width, text_height, text_width
from perception.pixels import Pixels, size_of
from perception.scene import Instance, Scene
from perception.types import Doubles

GOLDEN = (math.sqrt(5) - 1) / 2
LINE_SHARE = 0.06  # of the shorter side of a road user's box, at most
MOST_LABELS = 30  # nobody reads more in one picture
HIDEABLE = 0.2  # the share of another road user's box that a label may cover


def colour_of(instance: Instance) -> Colour:
    """A bright colour: the track's own for as long as it lives, or without tracks the instance's."""
    return _colour(instance.id if instance.track is None else instance.track)


@lru_cache(4096)
def _colour(number: int) -> Colour:
    """Steps of the golden ratio round the colour wheel keep numbers that follow one another far apart."""
    hue = 0.75 + 0.82 * (number * GOLDEN % 1)  # all but blue, which is the vehicles' tint, and dark
    saturation = (0.8, 0.6, 0.4)[number % 3]  # numbers 5 or 8 apart have nearly the same hue
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


@dataclass(frozen=True)
class InstanceOutlines:
    """A line along each road user's border, the near ones over the far, thinner round small ones.

    `width` is that round large ones, in fine lines.
    """

    width: float = 1.0

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        widest = self.width * line_width(picture)
        for instance in sorted(scene.instances, key=lambda instance: instance.box[3]):
            x0, y0, x1, y1 = instance.box
            # Within a line's width: no staircases of a coarser map, and a fraction of the corners to draw.
            line = max(1.0, min(widest, LINE_SHARE * min(x1 - x0, y1 - y0)))
            smooth = [
                cv2.approxPolyDP(part, line, True).astype(np.int32) for part in scene.polygons(instance)
            ]
            strokes.outline(picture, smooth, colour_of(instance), line)


@dataclass(frozen=True)
class InstanceLabels:
    """Class, track, score and distance on a bar in the outline's colour, above each road user.

    So that the picture stays readable the largest come first, and those after them get their track alone, or
    nothing, where the whole label would touch another or hide somebody. What is smaller than twice a line of
    text has none.
    """

    def draw(self, picture: Pixels, scene: Scene, classes: ClassSet) -> None:
        if not scene.instances:
            return
        height = text_height(picture)
        boxes = np.array([instance.box for instance in scene.instances])
        sides = boxes[:, 2:] - boxes[:, :2]
        areas = sides.prod(axis=1)
        largest = [i for i in np.argsort(-areas, kind="stable").tolist() if sides[i, 1] >= 2 * height]
        across = size_of(picture)[1]
        taken = [(0.0, 0.0, float(across), float(height))]  # the status line
        for i in largest[:MOST_LABELS]:
            instance = scene.instances[i]
            allowed = np.concatenate([HIDEABLE * areas, np.zeros(len(taken))])
            allowed[i] = areas[i]
            for text in _texts(instance, classes):
                width = text_width(text, height)
                x = max(0, min(int(instance.box[0]), across - width))
                y = max(height, int(instance.box[1]) - height)
                bar = (x, y, x + width, y + height)
                if (_overlaps(bar, np.concatenate([boxes, taken])) <= allowed).all():
                    taken.append(bar)
                    strokes.rectangle(picture, *bar, colour_of(instance))
                    strokes.text(picture, text, (x, y), height, BLACK)
                    break


def _texts(instance: Instance, classes: ClassSet) -> list[str]:
    """The texts of its label, from the longest to the shortest."""
    name, score = classes.names[instance.class_id], f"{instance.score:.0%}"
    away = "" if instance.distance_m is None else f"  {instance.distance_m:.0f} m"
    if instance.track is None:
        return [f"{name}  {score}{away}", name + away]
    return [f"{name} {instance.track}  {score}{away}", f"{instance.track}{away}"]


def _overlaps(bar: tuple[float, float, float, float], boxes: Doubles) -> Doubles:
    """Area that a box shares with each of the others, (n, 4)."""
    sides = np.minimum(bar[2:], boxes[:, 2:]) - np.maximum(bar[:2], boxes[:, :2])
    return np.asarray(np.maximum(sides, 0).prod(axis=1))
