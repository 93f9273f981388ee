"""What tests of live sources share: reading one in a thread, and waiting for what it does."""

import time
from collections.abc import Callable
from threading import Lock, Thread
from types import TracebackType

from perception.frame import Drop, Frame
from perception.health.types import LinkState
from perception.sources.base import LiveSource, is_live
from perception.sources.registry import open_source
from perception.types import Policy


def live_source(uri: str, camera: str = "front", policy: Policy | None = None) -> LiveSource:
    source = open_source(uri, policy=policy, camera=camera)
    assert is_live(source)
    return source


class Reading:
    """A live source read to its end in a thread of its own: `with Reading(source) as reading`."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.items: list[Frame | Drop] = []
        self.lags_ms: list[float] = []  # as told with each item
        self.gate = Lock()  # who holds it keeps the reader busy
        self._thread = Thread(target=self._read)

    def _read(self) -> None:
        for item in self.source:
            with self.gate:
                self.items.append(item)
            self.lags_ms.append(self.source.link.lag_ms)

    @property
    def name(self) -> str:
        """Of its thread."""
        return self._thread.name

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]

    @property
    def drops(self) -> list[Drop]:
        return [item for item in self.items if isinstance(item, Drop)]

    def more(self, count: int, seconds: float = 10.0) -> list[Frame]:
        """The next frames, once they have come."""
        had = len(self.frames)
        self.at_least(had + count, seconds)
        return self.frames[had:]

    def at_least(self, count: int, seconds: float = 10.0) -> None:
        """Wait until so many frames have come in all."""
        until(lambda: len(self.frames) >= count, seconds)

    def __enter__(self) -> "Reading":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.stop()
        self._thread.join(5)
        self.source.close()
        assert not self._thread.is_alive()
        assert [item.sequence for item in self.items] == list(range(len(self.items)))  # each is accounted for


def until(true: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait until it is so; how many seconds that took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "it has not come"
        time.sleep(0.005)
    return time.monotonic() - start


def lost(uri: str) -> str:
    """Why a camera cannot be read."""
    with Reading(live_source(uri)) as reading:
        until(lambda: reading.source.link.state is LinkState.LOST)
        return reading.source.link.reason
