"""What of a scene can be shown in metres: in the frame of the ground, see `Frame.ground_frame`."""

from dataclasses import dataclass

from perception.classes import ANY_SIZE_M, SIZES_M, ClassSet
from perception.scene import Instance, Scene

LIFETIME_S = 1  # after which viewers take away what was not said again
LINE_M, LETTER_M = 0.15, 0.8  # how wide lines are drawn, and how high letters
EGO, LANE, TEXT = (0.24, 0.86, 0.35), (1.0, 0.85, 0.1), (1.0, 1.0, 1.0)  # red, green, blue, 0..1


@dataclass(frozen=True, slots=True)
class Placed:
    """A road user that is known in metres, as a box of its class's usual size.

    Attributes:
        ahead, left: of the box's middle; the distance is that of its near end.
        size: length, width, height.
        colour: of its class: red, green, blue, 0..1.
        label: such as "vehicle 7  23 m  2.4 s": to collision.
    """

    instance: Instance
    ahead: float
    left: float
    size: tuple[float, float, float]
    colour: tuple[float, float, float]
    label: str


def placed(scene: Scene, classes: ClassSet) -> list[Placed]:
    """The road users that are known in metres."""
    found = []
    for one in scene.instances:
        if one.distance_m is None or one.lateral_m is None:
            continue
        name = classes.names[one.class_id]
        size = SIZES_M.get(name, ANY_SIZE_M)
        red, green, blue = (level / 255 for level in classes.colours[one.class_id])
        label = name + ("" if one.track is None else f" {one.track}") + f"  {one.distance_m:.0f} m"
        label += "" if one.ttc_s is None else f"  {one.ttc_s:.1f} s"
        ahead = one.distance_m + size[0] / 2
        found.append(Placed(one, ahead, one.lateral_m, size, (red, green, blue), label))
    return found
