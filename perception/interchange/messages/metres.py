"""What of a scene can be shown in metres: in the frame of the ground, see `Frame.ground_frame`."""

from perception.classes import ClassSet
from perception.scene import Instance, Scene

LIFETIME_S = 1  # after which viewers take away what was not said again


def placed(scene: Scene) -> list[Instance]:
    """The road users whose place is known."""
    return [one for one in scene.instances if one.distance_m is not None and one.lateral_m is not None]


def label_of(one: Instance, classes: ClassSet) -> str:
    """What stands over a road user, such as "vehicle 7  23 m  2.4 s": to collision."""
    name = classes.names[one.class_id] + ("" if one.track is None else f" {one.track}")
    return f"{name}  {one.distance_m:.0f} m" + ("" if one.ttc_s is None else f"  {one.ttc_s:.1f} s")
