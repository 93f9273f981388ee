"""Nodes of made sources and sinks, for the tests of the node."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.manifest import Precision
from perception.engines.base import Engine, EngineInfo
from perception.errors import PerceptionError, SinkError
from perception.frame import Drop, Frame
from perception.health.types import Health
from perception.node.node import Node
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.sinks.base import Sink
from perception.sinks.queue import SinkQueue
from perception.sources.base import Source
from perception.sources.paced import PacedSource
from perception.types import Policy
from tests.media import picture

HEIGHT, WIDTH = 64, 96


@dataclass
class ListSource:
    """Frames, drops, and errors to raise, in turn."""

    items: Sequence[Frame | Drop | PerceptionError]
    uri: str = "list"
    live: bool = False
    rate: float = 25.0
    length: int | None = None
    notes: list[str] = field(default_factory=list)
    read: int = 0
    closed: bool = False

    def __iter__(self) -> Iterator[Frame | Drop]:
        for item in self.items:
            if isinstance(item, PerceptionError):
                raise item
            self.read += 1
            yield item

    def close(self) -> None:
        self.closed = True


class LazySource(ListSource):
    """Frames that are made as they are asked for."""

    def __init__(self, lazy: Iterator[Frame]) -> None:
        super().__init__([])
        self.lazy = lazy

    def __iter__(self) -> Iterator[Frame | Drop]:
        return self.lazy


@dataclass
class ListSink:
    """Keeps scenes; fails at one if told to."""

    uri: str = "list"
    wants_overlay: bool = True
    fail_at: int | None = None
    before: Callable[[], object] = lambda: None
    scenes: list[Scene] = field(default_factory=list)
    closed: bool = False

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        assert overlay.shape == frame.image.shape
        assert frame.sequence == scene.sequence
        if len(self.scenes) == self.fail_at:
            raise SinkError("sink list: the disk is full")
        self.before()
        self.scenes.append(scene)

    def write_health(self, health: Health) -> None:
        """It keeps scenes only."""

    def close(self) -> None:
        self.closed = True

    @property
    def sequences(self) -> list[int]:
        return [scene.sequence for scene in self.scenes]


class WatchedEngine:
    """The real engine; calls `before` ahead of every run and counts how many run at once."""

    name = "watched"
    info = EngineInfo(name, Precision.FLOAT32, "for a test")

    def __init__(self, engine: Engine, before: Callable[[int], object]) -> None:
        self.engine, self.before = engine, before
        self.lock = threading.Lock()
        self.runs = self.at_once = self.most_at_once = 0

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        with self.lock:
            run = self.runs
            self.runs += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.before(run)
            return self.engine.run(image)
        finally:
            with self.lock:
                self.at_once -= 1


def _same(sink: Sink) -> Sink:
    return sink


def make_node(
    source: Source, perceiver: Perceiver, sinks: Sequence[Sink], *, realtime: bool = False, **options: Any
) -> Node:
    """A node with an outlet for each sink; `realtime`: at the source's pace, the freshest frame counts."""
    source = PacedSource(source, "front") if realtime else source
    policy = Policy.FRESHEST if realtime else Policy.EVERY_FRAME
    outlets = [SinkQueue(sink.uri, partial(_same, sink), policy) for sink in sinks]
    return Node(source, perceiver, outlets, **options)


def frame(sequence: int, period_ms: int = 40) -> Frame:
    return Frame(picture(sequence, HEIGHT, WIDTH), period_ms * 1_000_000 * sequence, sequence=sequence)


def frames(count: int, period_ms: int = 40) -> list[Frame | Drop | PerceptionError]:
    return [frame(sequence, period_ms) for sequence in range(count)]


def watched(perceiver: Perceiver, before: Callable[[int], object]) -> tuple[Perceiver, WatchedEngine]:
    engine = WatchedEngine(perceiver.engine, before)
    return replace(perceiver, engine=engine), engine


def until(true: Callable[[], bool]) -> None:
    """Wait for it, however slow the machine is."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def reconciles(node: Node) -> bool:
    account = node.accounting.account()
    return account.in_flight == 0 and account.captured == account.published + sum(account.dropped.values())
