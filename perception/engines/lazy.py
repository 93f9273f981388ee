"""An engine that is still being built, as TensorRT's are for minutes at their first start."""

import weakref
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.manifest import Precision
from perception.engines.background import Call, call_in_background
from perception.engines.base import Engine, OnBuild
from perception.errors import EngineError


class _Build:
    """What the thread that builds tells, and is told."""

    def __init__(self) -> None:
        self.doing = ""
        self.begun = Event()
        self.stopped = Event()

    def tell(self, what: str, share: float) -> None:
        if self.stopped.is_set():
            raise EngineError(f"{what} was broken off")
        self.doing = f"{what}, {share:.0%}"
        self.begun.set()


class LazyEngine:
    """Stands for an engine while it is built, and is that engine from then on; see `Engine`.

    At the end of the process, or once it is not used any more, the building is broken off.
    """

    def __init__(self, name: str, build: _Build, opening: Call[Engine]) -> None:
        self.name, self.reason = name, "not ready yet"
        self.passed_over: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.precision = Precision.FLOAT32
        self._build, self._engine = build, opening.future
        weakref.finalize(self, _stop, build, opening)

    @property
    def waits_for(self) -> str:
        """What is being built, for people; empty once the engine is there, or cannot be."""
        return "" if self._engine.done() else self._build.doing

    @property
    def cannot_run(self) -> bool:
        """Whether it could not be built; `run` raises why."""
        return self._engine.done() and self._engine.exception() is not None

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """As the engine does, once it is there.

        Raises:
            PerceptionError: it could not be built.
        """
        engine = self._engine.result()
        self.name, self.reason, self.passed_over = engine.name, engine.reason, engine.passed_over
        self.notes, self.precision = engine.notes, engine.precision
        return engine.run(image)


def open_without_waiting(name: str, opener: Callable[[OnBuild], Engine], on_build: OnBuild | None) -> Engine:
    """The engine; where it must be built first, one that stands for it.

    Args:
        name: of the engine, until it is there.
        opener: opens it, telling what is built.
        on_build: told that too.

    Raises:
        PerceptionError: what the opener raises before it builds anything.
    """
    build = _Build()

    def tell(what: str, share: float) -> None:
        build.tell(what, share)
        if on_build is not None:
            on_build(what, share)

    def work() -> Engine:
        try:
            return opener(tell)
        finally:
            build.begun.set()

    opening = call_in_background(work, "opening")
    build.begun.wait()
    if build.doing:
        return LazyEngine(name, build, opening)
    return opening.future.result()


def _stop(build: _Build, opening: Call[Engine]) -> None:
    # The process must not end under a builder, which calls Python to tell how far it is.
    build.stopped.set()
    opening.thread.join()
