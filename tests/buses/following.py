"""A live source that is read in a thread of its own."""

import time
from threading import Thread
from typing import Self

from perception.frame import Drop, Frame
from perception.health.types import LinkState
from perception.sources.base import LiveSource, is_live
from perception.sources.registry import open_source
from tests.buses.programs import until


class Following:
    """Reads a source to its end, and keeps the newest frame; `read` has the numbers of all that came."""

    def __init__(self, uri: str) -> None:
        source = open_source(uri, camera="left")
        assert is_live(source)
        self.source: LiveSource = source
        self.newest: Frame | None = None
        self.read: list[int] = []
        self.drops: list[Drop] = []
        self.pause_s = 0.0  # after each frame
        self.error: Exception | None = None
        self._thread = Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        try:
            for item in self.source:
                self.read.append(item.sequence)
                if isinstance(item, Frame):
                    self.newest = item
                    time.sleep(self.pause_s)
                else:
                    self.drops.append(item)
        except Exception as error:  # noqa: BLE001 - the test asks for it
            self.error = error

    def until_link(self, state: LinkState) -> None:
        until(lambda: self.source.link.state is state)

    def frame(self) -> Frame:
        """One that comes from now on."""
        self.newest = None
        until(lambda: self.newest is not None)
        assert self.newest is not None
        return self.newest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()
        assert self.read == list(range(len(self.read)))  # each number once, in order
        if self.error is None:
            assert self.source.link.state is LinkState.ENDED
