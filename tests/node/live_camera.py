"""A live camera of which a test pushes every picture, and keeps what its node says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from perception.errors import PerceptionError
from perception.health.types import Health
from perception.node.node import Node
from perception.perceiver import Perceiver
from perception.sinks.queue import SinkQueue
from perception.sources.push import PushSource
from perception.types import Policy
from tests.media import picture
from tests.node.nodes import HEIGHT, WIDTH, ListSink, reconciles, until, watched


class Camera:
    """Pushes pictures, and keeps what the node says."""

    def __init__(self, perceiver: Perceiver, rate: float = 100.0, **options: Any) -> None:
        self.source, self.sink = PushSource(rate), ListSink()
        self.healths: list[Health] = []
        outlet = SinkQueue("list", lambda: self.sink, Policy.FRESHEST, capacity=1000)
        self.node = Node(
            self.source,
            perceiver,
            [outlet],
            workers=options.pop("workers", 1),
            on_health=self.healths.append,
            **{"max_age_ms": 60_000.0} | options,  # a busy machine makes nothing stale
        )

    @property
    def step(self) -> str:
        """The name of the step that health last had."""
        return self.healths[-1].step if self.healths else ""

    def push(self, count: int = 1) -> None:
        """Each waits until the one before is published or dropped, so that none is superseded."""
        for _ in range(count):
            sequence = self.source.push(picture(self.source._pushed, HEIGHT, WIDTH))
            accounting = self.node.accounting
            until(lambda: accounting.published + accounting.dropped.total() == sequence + 1)  # noqa: B023

    def said(self, name: str) -> list[str]:
        """The reasons under which a condition of that name was told."""
        return [one.reason for health in self.healths for one in health.conditions if one.name == name]

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the block runs; raises what the node raises."""
        errors: list[BaseException] = []

        def run() -> None:
            try:
                self.node.run()
            except PerceptionError as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            self.source.end()
            thread.join(30)
        assert not thread.is_alive()
        assert reconciles(self.node)
        if errors:
            raise errors[0]


def broken(perceiver: Perceiver, before: Callable[[int], object]) -> Perceiver:
    return watched(perceiver, before)[0]
