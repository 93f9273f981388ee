"""What every engine is, on any runtime."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import InputInfo, Precision
from perception.errors import EngineError
from perception.types import Image

# Called with what is being built, for people, and the share done, 0 to 1; first with 0, before anything is
# built: an EngineError raised there declines the building.
OnBuild = Callable[[str, float], None]
ASKED_FOR = "asked for"  # the reason of an engine that was named


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine is, for people and reports; it does not change.

    Attributes:
        name: such as "onnx-cpu".
        precision: of the bundle's graph that it runs.
        reason: why this engine runs and not another, in one sentence.
        passed_over: why "auto" did not take each of the other engines that it tried, in full.
        notes: what else people should know, such as a damaged cache that was discarded.
        own_threads: it computes in threads of its own: the CPU time of who calls it says nothing.
    """

    name: str
    precision: Precision
    reason: str = ""
    passed_over: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    own_threads: bool = False


class Engine(Protocol):
    """A network on a runtime. Several threads may call `run` at once.

    Attributes:
        name: as it was asked for; see `EngineInfo`.
        info: None while the engine is still being built.
    """

    @property
    def name(self) -> str: ...
    @property
    def info(self) -> EngineInfo | None: ...

    def run(self, image: Image) -> dict[str, npt.NDArray[Any]]:
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


class ReadyEngine(Engine, Protocol):
    """An engine that is built."""

    @property
    def info(self) -> EngineInfo: ...


# Opens a bundle with a number of CPU threads for one run, in a precision.
Opener = Callable[[Bundle, int, Precision, OnBuild | None], ReadyEngine]


@dataclass(frozen=True, slots=True)
class OpenedEngine:
    """An engine that reproduces the golden output, with the reason why it was chosen."""

    engine: ReadyEngine
    reason: str
    passed_over: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def info(self) -> EngineInfo:
        own = self.engine.info
        notes = (*own.notes, *self.notes)
        return replace(own, reason=self.reason, passed_over=self.passed_over, notes=notes)

    def run(self, image: Image) -> dict[str, npt.NDArray[Any]]:
        return self.engine.run(image)


def check_image(name: str, info: InputInfo, image: Image) -> None:
    """Check that the network can take the image; `name` is the engine's.

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
