"""A recording that behaves like a camera: its frames come when they are due."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

from perception.frame import Drop, Frame
from perception.health.types import Link, LinkState
from perception.sources.base import Source
from perception.types import NS_PER_S

LOG = logging.getLogger("perception.sources")

GAP_S = 1.0
LATE_S = 0.5  # by which a source is late before it is taken as slower than its pace: a busy disk is not that


class PacedSource:
    """Replays a recorded source at its own pace: frames keep its stamps; `host_ns` is when they were due.

    A source that is slower than that is played as fast as it comes, which is noted: what does not exist yet
    is not old. Where it is whoever takes the frames that is slow, they are due when they are due.
    """

    def __init__(self, source: Source, camera: str = "front") -> None:
        self.uri, self.rate, self.length = source.uri, source.rate, source.length
        self.notes = source.notes
        self.live = True
        self._source, self._camera = source, camera
        self._stopped = Event()
        self._link = Link(LinkState.CONNECTING)
        self._slow_noted = False

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
        latest_ns = held_ns = 0  # held: between reads, since a frame was in time
        on_time_ns = late = 0  # when a frame was in time, and how many were not since
        slow = False
        try:
            for item in self._source:
                due = item
                now = time.monotonic_ns()
                if isinstance(item, Frame):
                    if start_ns is None or item.stamp_ns < latest_ns:
                        start_ns = now - item.stamp_ns  # a spliced recording's clock may run back
                    latest_ns = item.stamp_ns
                    late, late_ns = late + 1, now - start_ns - item.stamp_ns
                    if late_ns <= 0:
                        slow, late, held_ns, on_time_ns = False, 0, 0, now - late_ns
                    elif late_ns - held_ns > (0 if slow else LATE_S * NS_PER_S):
                        slow, start_ns = True, start_ns + late_ns - held_ns
                        self._note(late * NS_PER_S / (now - on_time_ns))
                    due_ns = start_ns + item.stamp_ns
                    self._wait((due_ns - now) / NS_PER_S)
                    due = replace(item, host_ns=due_ns, camera=self._camera)
                if self._stopped.is_set():
                    return
                given_ns = time.monotonic_ns()
                yield due
                held_ns += time.monotonic_ns() - given_ns
        finally:
            self._link = Link(LinkState.ENDED, connections=1)

    def _note(self, rate: float) -> None:
        """Once."""
        if not self._slow_noted:
            self._slow_noted = True
            self.notes.append(
                f"{self.uri} gives {rate:.1f} frames a second here, and has {self.rate:g}: it is played as "
                "fast as it comes"
            )
            LOG.warning("%s", self.notes[-1])

    def _wait(self, seconds: float) -> None:
        """Until a frame is due; a gap in the recording is a camera that was lost."""
        if seconds > GAP_S:
            self._link = Link(LinkState.LOST, f"the recording has a gap of {seconds:.0f} s", connections=1)
        self._stopped.wait(max(0.0, seconds))
        self._link = Link(LinkState.STREAMING, connections=1, waited_ms=max(0.0, -1000 * seconds))
