"""A recording that behaves like a camera: its frames come when they are due."""

import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

from perception.frame import Drop, Frame
from perception.health.types import Link, LinkState
from perception.sources.base import Source

GAP_S = 1.0


class PacedSource:
    """Replays a recorded source at its own pace: frames keep its stamps; `host_ns` is when they were due."""

    def __init__(self, source: Source, camera: str = "front") -> None:
        self.uri, self.rate, self.length = source.uri, source.rate, source.length
        self.notes = source.notes
        self.live = True
        self._source, self._camera = source, camera
        self._stopped = Event()
        self._link = Link(LinkState.CONNECTING)

    @property
    def link(self) -> Link:
        return self._link

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._source.close()

    def __iter__(self) -> Iterator[Frame | Drop]:
        self._link = Link(LinkState.STREAMING, connections=1)
        start_ns: int | None = None
        latest_ns = 0
        try:
            for item in self._source:
                due = item
                if isinstance(item, Frame):
                    now = time.monotonic_ns()
                    if start_ns is None or item.stamp_ns < latest_ns:
                        start_ns = now - item.stamp_ns  # a spliced recording's clock may run back
                    latest_ns, due_ns = item.stamp_ns, start_ns + item.stamp_ns
                    self._wait((due_ns - now) / 1e9)
                    due = replace(item, host_ns=due_ns, camera=self._camera)
                if self._stopped.is_set():
                    return
                yield due
        finally:
            self._link = Link(LinkState.ENDED, connections=1)

    def _wait(self, seconds: float) -> None:
        """Until a frame is due; a gap in the recording is a camera that was lost."""
        if seconds > GAP_S:
            self._link = Link(LinkState.LOST, f"the recording has a gap of {seconds:.0f} s", connections=1)
        self._stopped.wait(max(0.0, seconds))
        self._link = Link(LinkState.STREAMING, connections=1, waited_ms=max(0.0, -1000 * seconds))
