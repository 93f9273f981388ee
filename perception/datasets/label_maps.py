"""What the labels of public data sets mean in the classes of `drive`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet

_GROUND = ("road", "lane_marking")


@dataclass(frozen=True)
class LabelMap:
    """What each label of a public data set means: label → names of the classes it may be.

    A label that is not listed is ignored.
    """

    name: str
    meaning: dict[int, tuple[str, ...]]

    def lookup(self, classes: ClassSet = DRIVE) -> npt.NDArray[np.uint32]:
        """uint32 (256,): class bits for each label value."""
        table = np.zeros(256, np.uint32)
        for label, names in self.meaning.items():
            table[label] = classes.bits(*names)
        return table


def _apollo(classes: ClassSet = DRIVE) -> dict[int, tuple[str, ...]]:
    unpainted = tuple(name for name in classes.names if name != "lane_marking")
    lines = (200, 201, 203, 204, 206, 207, 208, 209, 211, 213, 216)
    symbols = (215, 217, 214, 210, 202, 220, 221, 222, 224, 225, 226, 228, 229, 230, 231, 233, 223, 250)
    own_car = tuple(name for name in classes.names if name not in classes.things)  # and the road beside it
    return {0: unpainted, 255: own_car} | dict.fromkeys(lines + symbols, ("lane_marking",))


LABEL_MAPS = {
    "drive": LabelMap("drive", {i: (name,) for i, name in enumerate(DRIVE.names)}),
    # Its paint is labelled road, so road says no more than "ground".
    "camvid": LabelMap(
        "camvid", {i: _GROUND if name == "road" else (name,) for i, name in enumerate(DRIVE.names[:11])}
    ),
    "cityscapes": LabelMap(
        "cityscapes",
        {
            # The car that carries the camera is none of the road users that are looked for.
            1: tuple(name for name in DRIVE.names if name not in DRIVE.things),
            7: _GROUND, 8: ("sidewalk",), 11: ("building",), 12: ("building", "fence"), 13: ("fence",),
            14: ("fence",), 17: ("pole",), 18: ("pole",), 19: ("traffic_sign",), 20: ("traffic_sign",),
            21: ("vegetation",), 22: ("vegetation",), 23: ("sky",), 24: ("pedestrian",),
            25: ("two_wheeler",), 26: ("vehicle",), 27: ("vehicle",), 28: ("vehicle",),
            29: ("vehicle",), 30: ("vehicle",), 31: ("vehicle",), 32: ("two_wheeler",), 33: ("two_wheeler",),
        },
    ),
    "idd_lite": LabelMap(
        "idd_lite",
        {
            0: _GROUND, 1: ("sidewalk", "vegetation"), 2: ("pedestrian", "two_wheeler"),
            3: ("vehicle", "two_wheeler"), 4: ("pole", "traffic_sign", "fence", "building"),
            5: ("building", "vegetation"), 6: ("sky",),
        },
    ),
    "apollo": LabelMap("apollo", _apollo()),
    # Its obstacles are some of what stands in the way, not all; its speed bumps are part of the road.
    "lums": LabelMap(
        "lums",
        {
            0: tuple(name for name in DRIVE.names if name not in {*_GROUND, "sidewalk"}),
            1: ("vehicle", "pedestrian", "two_wheeler", "pole", "traffic_sign", "fence", "building"),
            2: _GROUND, 3: ("sidewalk",), 4: _GROUND,
        },
    ),
    # Numbered by the scene-parsing benchmark of 150 classes; what is indoors or not a street's is ignored.
    # A signboard may be a shop's; the few riders are people.
    "ade": LabelMap(
        "ade",
        {
            1: ("building", "fence"), 2: ("building",), 3: ("sky",), 5: ("vegetation",), 7: _GROUND,
            10: ("vegetation",), 12: ("sidewalk",), 13: ("pedestrian",), 18: ("vegetation",),
            21: ("vehicle",), 26: ("building",), 33: ("fence",), 39: ("fence",),
            44: ("traffic_sign", "building"), 49: ("building",), 73: ("vegetation",), 81: ("vehicle",),
            84: ("vehicle",), 85: ("building",), 88: ("pole",), 94: ("pole",), 103: ("vehicle",),
            117: ("two_wheeler",), 128: ("two_wheeler",), 137: ("traffic_sign",),
        },
    ),
}  # fmt: skip


# comma10k paints its labels in colours (RGB): road, lane markings, undrivable, movable, the car itself.
COMMA10K = {
    (0x40, 0x20, 0x20): ("road",),
    (0xFF, 0x00, 0x00): ("lane_marking",),
    (0x80, 0x80, 0x60): ("sky", "building", "pole", "sidewalk", "vegetation", "traffic_sign", "fence"),
    (0x00, 0xFF, 0x66): ("vehicle", "pedestrian", "two_wheeler"),
    (0xCC, 0x00, 0xFF): (),
}
