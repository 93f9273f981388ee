"""Class sets with their colours, and what the labels of public data sets mean in them.

A public label may say less than the `drive` set asks ("vehicle or two-wheeler", "anything but paint"). So a
label maps to a *set* of classes, kept as bits of a uint32: one bit is a full label, several bits a partial
one, no bit means ignore.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNKNOWN = 255
FARTHEST = 80.0  # metres; how far depth is labelled and distinguished
# Joints of people on foot; MIRRORED: the index that each becomes in a mirrored image, where left is right.
KEY_POINTS = ("head", "neck", "hips", "left_hand", "right_hand", "left_foot", "right_foot")
MIRRORED = (0, 1, 2, 4, 3, 6, 5)

# Length, width and height in metres that road users are drawn with: scenes have no sizes.
SIZES_M = {"vehicle": (4.4, 1.8, 1.5), "pedestrian": (0.5, 0.6, 1.7), "two_wheeler": (1.8, 0.7, 1.7)}
ANY_SIZE_M = (1.0, 1.0, 1.5)


@dataclass(frozen=True)
class ClassSet:
    """Names and RGB colours of classes; a class's id is its position. `things` come as instances."""

    name: str
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    things: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def id(self, name: str) -> int:
        return self.names.index(name)

    @property
    def thing_ids(self) -> tuple[int, ...]:
        return tuple(self.id(name) for name in self.things)

    def bits(self, *names: str) -> int:
        """The set of the named classes as bits: class id i is bit i."""
        return sum(1 << self.id(name) for name in names)

    def palette_bgr(self) -> npt.NDArray[np.uint8]:
        """uint8 (256, 1, 3), BGR, for `cv2.applyColorMap`; unknown and unused ids are black."""
        palette = np.zeros((256, 1, 3), np.uint8)
        palette[: len(self), 0] = np.array(self.colours, np.uint8)[:, ::-1]
        return palette


NO_CLASSES = ClassSet("none", (), ())  # of a network that gives pictures or distances

DRIVE = ClassSet(
    name="drive",
    names=(
        "sky", "building", "pole", "road", "sidewalk", "vegetation", "traffic_sign", "fence",
        "vehicle", "pedestrian", "two_wheeler", "lane_marking",
    ),
    colours=(
        (70, 130, 180), (90, 90, 96), (190, 170, 120), (128, 64, 128), (226, 90, 190), (96, 150, 40),
        (240, 210, 0), (170, 120, 100), (20, 90, 230), (230, 30, 60), (250, 130, 20), (245, 245, 245),
    ),
    things=("vehicle", "pedestrian", "two_wheeler"),
)  # fmt: skip
