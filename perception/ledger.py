"""The account of every frame: captured = published + dropped, and each drop has a reason."""

from collections import Counter
from threading import Lock

from perception.sources import Drop, DropReason

_MESSAGES_KEPT = 20  # for the report; every drop is counted


class Ledger:
    """Counts frames from any thread. A frame is captured once, then published or dropped once.

    Attributes:
        captured, published: number of frames.
        dropped: number of frames by reason.
        messages: what the first drops said.
    """

    def __init__(self) -> None:
        self.captured = 0
        self.published = 0
        self.dropped: Counter[DropReason] = Counter()
        self.messages: list[str] = []
        self._open: set[int] = set()  # captured, and neither published nor dropped yet
        self._lock = Lock()

    def capture(self, sequence: int) -> None:
        with self._lock:
            if sequence in self._open:
                raise ValueError(f"frame {sequence} is captured twice")
            self._open.add(sequence)
            self.captured += 1

    def publish(self, sequence: int) -> None:
        with self._lock:
            self._settle(sequence)
            self.published += 1

    def drop(self, drop: Drop) -> None:
        with self._lock:
            self._settle(drop.sequence)
            self.dropped[drop.reason] += 1
            self._note(drop.message)

    def abandon(self) -> None:
        """Drop every frame in hand as stopped: the run ends before they are published."""
        with self._lock:
            if self._open:
                self.dropped[DropReason.STOPPED] += len(self._open)
                self._note(f"{len(self._open)} frames were in hand when the run broke off")
                self._open.clear()

    @property
    def in_hand(self) -> int:
        """Frames captured, and neither published nor dropped yet; 0 once the node has ended."""
        with self._lock:
            return len(self._open)

    def _note(self, message: str) -> None:
        if len(self.messages) < _MESSAGES_KEPT:
            self.messages.append(message)

    def _settle(self, sequence: int) -> None:
        if sequence not in self._open:
            raise ValueError(f"frame {sequence} is not in hand: never captured, or settled before")
        self._open.remove(sequence)
