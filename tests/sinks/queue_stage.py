"""A SinkQueue in one thread, with time that passes only where it would be waited for.

The queue's own thread runs where `Stage.run` is called. When it has nothing to do, the next deed of the test
is done, such as offering a frame.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import repeat
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene, Status, unknown_scene
from perception.sinks import queue as module
from perception.sinks.base import Publication, Sink
from perception.sinks.queue import SinkQueue
from perception.types import Policy

FULL_DISK = OSError(errno.ENOSPC, "No space left on device")
Deed = Callable[[], object]


class _Left(BaseException):
    pass


def leave() -> None:
    """A deed: the thread is left as it is, and `Stage.run` may enter it again."""
    raise _Left


class Stage:
    """Stands in for time, threads and conditions in the queue.

    Attributes:
        pauses: every wait with a limit that nothing ended, in seconds.
        deeds: done one by one where the queue has nothing to do; after the last one it is closed.
        in_pause: done in each wait with a limit.
        joins: done one by one where the queue's thread is waited for: it is alive until they are over.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self.deeds: Iterator[Deed] = iter(())
        self.in_pause: Deed = lambda: None
        self.joins: list[tuple[float, Deed]] = []
        self.queue: SinkQueue | None = None
        self.run: Deed = lambda: None

    def thread(self, target: Callable[..., None], args: tuple[Any, ...], **_: Any) -> SimpleNamespace:
        def run() -> None:
            with suppress(_Left):
                target(*args)

        self.run = run
        return SimpleNamespace(start=lambda: None, is_alive=lambda: bool(self.joins), join=self._join)

    def _join(self, timeout_s: float) -> None:
        """Up to the next deed, or to the limit."""
        after_s, deed = self.joins[0]
        if after_s > timeout_s:
            self.joins[0] = after_s - timeout_s, deed
            self.now += timeout_s
            return
        self.joins.pop(0)
        self.now += after_s
        deed()

    def close(self) -> None:
        assert self.queue is not None
        self.queue.close()


class Condition:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def notify_all(self) -> None: ...

    def wait_for(self, predicate: Callable[[], object], timeout_s: float | None = None) -> bool:
        if timeout_s is None:
            while not predicate():
                next(self._stage.deeds, self._stage.close)()
            return True
        if predicate():
            return True
        self._stage.in_pause()
        if not predicate():
            self._stage.now += timeout_s
            self._stage.pauses.append(timeout_s)
        return bool(predicate())


def set_stage(patch: pytest.MonkeyPatch) -> Stage:
    one = Stage()
    patch.setattr(module, "Condition", lambda: Condition(one))
    patch.setattr(module, "Thread", one.thread)
    patch.setattr(module, "awake_clock", lambda: SimpleNamespace(now_s=lambda: one.now))
    patch.setattr(module, "wait_awake", Condition.wait_for)
    clocks = SimpleNamespace(
        monotonic=lambda: one.now, perf_counter=lambda: one.now, thread_time=lambda: one.now / 4
    )
    patch.setattr(module, "time", clocks)
    return one


class FakeSink:
    """Fails with the next error, or where that is None, writes."""

    uri, wants_overlay = "fake:", False

    def __init__(
        self,
        errors: Iterable[Exception | None] = repeat(None),
        write: Deed = lambda: None,
        close: Deed = lambda: None,
    ) -> None:
        self._errors, self._write, self._close = iter(errors), write, close
        self.frames: list[int] = []

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        error = next(self._errors)
        if error is not None:
            raise error
        self._write()
        self.frames.append(frame.sequence)

    def write_health(self, health: Health) -> None:
        self._write()

    def close(self) -> None:
        self._close()


def make(
    stage: Stage, openings: Iterable[Sink | Exception], policy: Policy = Policy.FRESHEST, capacity: int = 4
) -> SinkQueue:
    left = iter(openings)

    def opener() -> Sink:
        one = next(left)
        if isinstance(one, Exception):
            raise one
        return one

    stage.queue = SinkQueue("out.mp4", opener, policy, capacity)
    return stage.queue


def publication(sequence: int = 0) -> Publication:
    frame = Frame(np.zeros((2, 2, 3), np.uint8), sequence, sequence=sequence)
    return Publication(frame, unknown_scene(frame, Status.OK), frame.image)
