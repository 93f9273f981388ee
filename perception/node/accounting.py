"""The account of every frame: captured = published + dropped, and each drop has a reason."""

from collections import Counter
from threading import Lock

from perception.frame import Drop, DropReason
from perception.health.types import Account
from perception.scene import Status

_MESSAGES_KEPT = 20  # for the report; every drop is counted
# Which frame it was says something about it; of those that gave way for being late, the number says all.
_NAMED = (DropReason.UNDECODABLE, DropReason.FAILED)


class Accounting:
    """Counts frames from any thread. A frame is captured once, then published or dropped once.

    Attributes:
        captured, published: number of frames.
        dropped: number of frames by reason.
        messages: what the first drops said, and how many more there were.
    """

    def __init__(self) -> None:
        self.captured = 0
        self.dropped: Counter[DropReason] = Counter()
        self._statuses: Counter[Status] = Counter()
        self._messages: list[str] = []
        self._more = 0  # messages that are not kept
        self._open: set[int] = set()  # captured, and neither published nor dropped yet
        self._lock = Lock()

    def capture(self, sequence: int) -> None:
        with self._lock:
            if sequence in self._open:
                raise ValueError(f"frame {sequence} is captured twice")
            self._open.add(sequence)
            self.captured += 1

    def publish(self, sequence: int, status: Status) -> None:
        with self._lock:
            self._settle(sequence)
            self._statuses[status] += 1

    def drop(self, drop: Drop) -> None:
        with self._lock:
            self._settle(drop.sequence)
            self.dropped[drop.reason] += 1
            if drop.reason in _NAMED:
                self._note(drop.message)

    def abandon(self) -> None:
        """Drop every frame in flight as stopped: the run ends before they are published."""
        with self._lock:
            if self._open:
                self.dropped[DropReason.STOPPED] += len(self._open)
                frames = "1 frame was" if len(self._open) == 1 else f"{len(self._open)} frames were"
                self._note(f"{frames} in flight when the run ended early")
                self._open.clear()

    @property
    def published(self) -> int:
        return self._statuses.total()

    def account(self) -> Account:
        """All counts of the same moment."""
        with self._lock:
            return Account(self.captured, self._statuses.copy(), len(self._open), self.dropped.copy())

    @property
    def messages(self) -> tuple[str, ...]:
        with self._lock:
            return (*self._messages, *([f"and {self._more} more"] if self._more else []))

    @property
    def losses(self) -> str:
        """Why so many of the captured frames are missing, for people."""
        with self._lock:
            if not self.captured:
                return "it gives no frame"
            why = ", ".join(f"{count} {reason}" for reason, count in self.dropped.most_common())
            first = f"; the first: {self._messages[0]}" if self._messages else ""
            return f"{self.dropped.total()} of {self.captured} frames were dropped ({why}){first}"

    def _note(self, message: str) -> None:
        if len(self._messages) < _MESSAGES_KEPT:
            self._messages.append(message)
        else:
            self._more += 1

    def _settle(self, sequence: int) -> None:
        if sequence not in self._open:
            raise ValueError(f"frame {sequence} is not in flight: never captured, or settled before")
        self._open.remove(sequence)
