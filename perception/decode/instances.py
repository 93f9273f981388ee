"""The way of instance segmentation, by the outputs of the bundle's network."""

from collections.abc import Callable, Mapping
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
from perception.decode.scores import calibrate, least_scores
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


def choose_way(info: BundleDescription, way: str = "auto") -> str | None:
    """One of `WAYS`: the one that is asked for, or the best that the network's outputs allow; None: none.

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
    return next(iter(possible), None) if way == "auto" else way


def choose_grouping(info: BundleDescription, classes: ClassSet, way: str = "auto") -> Grouping:
    """The function that groups the pixels of a network's maps, all at the size of its input.

    Its scores are calibrated where the bundle knows how.

    Args:
        way: as for `choose_way`; where the outputs allow none, the function finds no instances.

    Raises:
        ConfigError: the way is not known, or needs outputs that the bundle lacks.
    """
    chosen = choose_way(info, way)
    grouping = _grouping(chosen, info, classes)
    scores = info.scores
    if scores is None or chosen != scores.way:
        return grouping
    return lambda maps, size: calibrate(grouping(maps, size), scores, classes)


def choose_least(
    info: BundleDescription,
    classes: ClassSet,
    way: str = "auto",
    asked: float | Mapping[str, float] | None = None,
) -> dict[int, float]:
    """Thing class id → score from which it is published; see `least_scores`."""
    known = info.scores is not None and choose_way(info, way) == info.scores.way
    return least_scores(info.scores if known else None, classes, asked)


def _grouping(chosen: str | None, info: BundleDescription, classes: ClassSet) -> Grouping:
    outputs = info.outputs
    if chosen is None:
        return lambda _, size: Groups(np.zeros(size, np.uint16), np.zeros(0, np.intp), np.zeros(0))
    if chosen == "boxes":
        return lambda m, size: group_by_boxes(m["boxes"], m["scores"], m["classes"], m["masks"], *size)
    if chosen == "centres":
        return lambda m, _: group_by_centres(
            m["labels"], m["centres"], m["offsets"], m["borders"], classes, outputs["centres"].stride
        )
    if chosen == "borders":
        return lambda m, _: group_by_borders(m["labels"], m["borders"], classes)
    return lambda m, _: group_components(m["labels"], classes)
