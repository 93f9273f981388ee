"""An engine that is still being built, as TensorRT's are for minutes at their first start."""

import weakref
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy.typing as npt

from perception.engines.background import Call, call_in_background, end_or_leave
from perception.engines.base import Engine, EngineInfo, OnBuild, ReadyEngine
from perception.errors import EngineError
from perception.types import Image


class _Build:
    """The progress of the thread that builds, and whether it must stop."""

    def __init__(self) -> None:
        self.doing = ""
        self.begun = Event()
        self.stopped = Event()

    def report(self, what: str, share: float) -> None:
        if self.stopped.is_set():
            raise EngineError(f"{what} was broken off")
        self.doing = f"{what}, {share:.0%}"
        self.begun.set()


class LazyEngine:
    """Stands for an engine while it is built, and runs that engine from then on; see `Engine`.

    At the end of the process, or once it is garbage-collected, the building is broken off.
    """

    def __init__(self, name: str, build: _Build, opening: Call[ReadyEngine]) -> None:
        self.name = name
        self._build, self._engine, self._thread = build, opening.future, opening.thread
        weakref.finalize(self, _stop, build, opening)

    @property
    def info(self) -> EngineInfo | None:
        """That of the engine once it is built; None before, and where it could not be built."""
        ready = self._engine.done() and not self.cannot_run
        return self._engine.result().info if ready else None

    @property
    def waits_for(self) -> str:
        """What is being built, for people; empty once the engine is there, or cannot be."""
        return "" if self._engine.done() else self._build.doing

    @property
    def cannot_run(self) -> bool:
        """Whether it could not be built; `run` raises why."""
        return self._engine.done() and self._engine.exception() is not None

    def leave(self, seconds: float) -> None:
        """Break off the building, as the process is about to end; see `end_or_leave`."""
        self._build.stopped.set()
        end_or_leave(self._thread, seconds)

    def run(self, image: Image) -> dict[str, npt.NDArray[Any]]:
        """Run the engine, once it is built.

        Raises:
            PerceptionError: it could not be built.
        """
        return self._engine.result().run(image)


def open_without_waiting(
    name: str, opener: Callable[[OnBuild], ReadyEngine], on_build: OnBuild | None
) -> Engine:
    """The engine; where it must be built first, a `LazyEngine` in its place.

    Args:
        name: of the engine, until it is there.
        opener: opens it, and calls its argument while it builds.
        on_build: called then, too.

    Raises:
        PerceptionError: what the opener raises before it builds anything.
    """
    build = _Build()

    def report(what: str, share: float) -> None:
        build.report(what, share)
        if on_build is not None:
            on_build(what, share)

    def work() -> ReadyEngine:
        try:
            return opener(report)
        finally:
            build.begun.set()

    opening = call_in_background(work, "opening")
    build.begun.wait()
    if build.doing:
        return LazyEngine(name, build, opening)
    return opening.future.result()


def _stop(build: _Build, opening: Call[ReadyEngine]) -> None:
    # The process must not end under a builder, which calls Python to report how far it is.
    build.stopped.set()
    opening.thread.join()
