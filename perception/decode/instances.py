"""The way of instance segmentation, by the outputs of the bundle's network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.manifest import BundleDescription
from perception.classes import ClassSet
from perception.decode.borders import group_by_borders
from perception.decode.boxes import group_by_boxes
from perception.decode.centres import group_by_centres
from perception.decode.components import group_components
from perception.decode.grouping import Groups
from perception.errors import ConfigError

Maps = dict[str, npt.NDArray[Any]]
# Of a network's maps, and the height and width of its input.
Grouping = Callable[[Maps, tuple[int, int]], Groups]

# Best first: the outputs that each way takes.
WAYS: dict[str, tuple[str, ...]] = {
    "boxes": ("boxes", "scores", "classes", "masks"),
    "centres": ("labels", "centres", "offsets", "borders"),
    "borders": ("labels", "borders"),
    "components": ("labels",),
}


def choose_grouping(info: BundleDescription, classes: ClassSet, way: str = "auto") -> Grouping:
    """The function that groups the pixels of a network's maps, all at the size of its input.

    Args:
        way: one of `WAYS`, or "auto": the best that the network's outputs allow; where they allow none,
            a function that finds no instances.

    Raises:
        ConfigError: the way is not known, or needs outputs that the bundle lacks.
    """
    outputs = info.outputs
    possible = [name for name, needed in WAYS.items() if set(needed) <= set(outputs)]
    if way not in {"auto", *WAYS}:
        raise ConfigError(
            f"instances {way!r}: not a way of separating instances; there are: {', '.join(WAYS)}"
        )
    if way not in {"auto", *possible}:
        raise ConfigError(
            f"instances {way!r}: needs the outputs {', '.join(WAYS[way])}, the bundle {info.name} gives "
            f"{', '.join(outputs)}; choose {' or '.join(possible) or 'auto'}"
        )
    if not possible:
        return lambda _, size: Groups(np.zeros(size, np.uint16), np.zeros(0, np.intp), np.zeros(0))
    chosen = possible[0] if way == "auto" else way
    if chosen == "boxes":
        return lambda m, size: group_by_boxes(m["boxes"], m["scores"], m["classes"], m["masks"], *size)
    if chosen == "centres":
        return lambda m, _: group_by_centres(
            m["labels"], m["centres"], m["offsets"], m["borders"], classes, outputs["centres"].stride
        )
    if chosen == "borders":
        return lambda m, _: group_by_borders(m["labels"], m["borders"], classes)
    return lambda m, _: group_components(m["labels"], classes)
