"""The pictures that networks give: restored, enlarged, or of the next frame."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.manifest import BundleDescription
from perception.resample import resize
from perception.types import Image


def enlarges(info: BundleDescription) -> bool:
    """Whether its picture is larger than what it sees, which is of any size."""
    output = info.outputs.get("picture")
    return output is not None and output.scale > 1 and info.input.size is None


def shown_picture(
    maps: Mapping[str, npt.NDArray[Any]], info: BundleDescription, height: int, width: int
) -> Image | None:
    """Of the frame's size, or of exactly as many times that as the network enlarges; None without one."""
    if "picture" not in maps:
        return None
    scale = info.outputs["picture"].scale
    if enlarges(info):  # without what was padded
        return np.ascontiguousarray(maps["picture"][: scale * height, : scale * width])
    return resize(maps["picture"], scale * height, scale * width)
