"""What every engine is, whatever runtime it stands on."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perception.bundle.manifest import InputInfo, Precision
from perception.errors import EngineError

# Told what is being built, for people, and the share done, 0 to 1: with 0 before anything is built, so that
# raising an EngineError there declines the building.
OnBuild = Callable[[str, float], None]


class Engine(Protocol):
    """A network made ready to run. Several threads may call `run` at once.

    Attributes:
        name: such as "onnx-cpu".
        reason: why this engine runs and not another, in one sentence.
        passed_over: why each engine that "auto" tried and did not take was not taken, in full.
        notes: what else people should know, such as a damaged cache that was discarded.
        precision: of the bundle's graph that it runs.
    """

    name: str
    reason: str
    passed_over: tuple[str, ...]
    notes: tuple[str, ...]
    precision: Precision

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps, by name, for one image.

        Args:
            image: uint8 (h, w, 3 · frames), BGR, the oldest frame first, h and w multiples of the bundle's
                `input.multiple`.

        Returns:
            The bundle's outputs, without batch axis, such as `labels`: uint8 (h, w) class ids. They belong
            to the caller: later runs leave them alone.

        Raises:
            EngineError: the image has another shape or type, or the runtime failed.
        """
        ...


def check_image(name: str, info: InputInfo, image: npt.NDArray[np.uint8]) -> None:
    """Whether the network can take the image.

    Args:
        name: of the engine.

    Raises:
        EngineError: it has another shape or type.
    """
    multiple, channels = info.multiple, 3 * info.frames
    sides_fit = image.ndim == 3 and not any(side % multiple for side in image.shape[:2])
    if image.dtype != np.uint8 or not sides_fit or image.shape[2] != channels or image.size == 0:
        raise EngineError(
            f"{name}: the image is {image.dtype} {image.shape}, the network takes uint8 "
            f"(h, w, {channels}) with h and w multiples of {multiple}. Use Perceiver.prepare."
        )
    if info.size is not None and image.shape[:2] != info.size:
        raise EngineError(
            f"{name}: the image is {image.shape[1]}×{image.shape[0]}, the network takes "
            f"{info.size[1]}×{info.size[0]} only. Use Perceiver.prepare."
        )
