"""A sink that does what a test tells it to, behind a queue with its own thread and the true time."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene
from perception.sinks.queue import SinkQueue
from tests.sinks.queue_stage import Deed


def fail(error: Exception) -> Deed:
    def deed() -> None:
        raise error

    return deed


class FakeSink:
    """Does for each frame the next deed, then keeps its number; the last three lists outlive it."""

    wants_overlay = True

    def __init__(self, deeds: Iterator[Deed], closing: Deed = lambda: None) -> None:
        self.uri = "fake:"
        self.deeds, self.closing = deeds, closing
        self.frames: list[int] = []
        self.healths: list[int] = []
        self.closed = 0

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        next(self.deeds)()
        self.frames.append(frame.sequence)

    def write_health(self, health: Health) -> None:
        self.healths.append(health.published)

    def close(self) -> None:
        self.closed += 1
        self.closing()


def nothing() -> None:
    pass


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def offered(one: SinkQueue) -> int:
    state = one.state
    return state.written + sum(state.lost.values()) + state.queued
