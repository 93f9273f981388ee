"""The stage that reads: the source's frames, each into the account and into the hands of the workers."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from threading import Event

from perception.errors import PerceptionError
from perception.frame import Drop, DropReason, Frame
from perception.health.latency import Stages
from perception.node.accounting import Accounting
from perception.node.in_flight import FramesInFlight, InFlightFrame
from perception.sources.base import Source

LOG = logging.getLogger("perception.node")

RESTARTS = 3  # of a live source's iteration that broke in a way that nobody foresaw, in so many seconds:
RESTARTS_WITHIN_S = 60.0


class Capture:
    """Reads the source to its end, or until it is stopped; one thread runs it, once.

    Args:
        history: how many frames before each one the network sees with it.
        frames: stop after so many captured frames.
        every: of how many frames one is perceived just now; the others are dropped as decimated.
        on_frame: told of every frame that came, as soon as it came.
    """

    def __init__(
        self,
        source: Source,
        ledger: Accounting,
        in_hand: FramesInFlight,
        stages: Stages,
        *,
        history: int,
        frames: int | None,
        every: Callable[[], int],
        on_frame: Callable[[], None],
    ) -> None:
        self._source, self._ledger, self._in_hand, self._stages = source, ledger, in_hand, stages
        self._recent: deque[Frame] = deque(maxlen=history)
        self._frames, self._every, self._on_frame = frames, every, on_frame
        self._stop = Event()
        self._broke: deque[float] = deque(maxlen=RESTARTS)
        self.restarts = 0

    def stop(self) -> None:
        """Read no further; from any thread."""
        self._stop.set()

    def run(self, take: Callable[[InFlightFrame], None]) -> None:
        """Hand every frame on by `take`.

        Raises:
            SourceError: the source broke; the frames before are handed on.
        """
        try:
            for item in self._items():
                self._ledger.capture(item.sequence)
                if isinstance(item, Drop):
                    self._ledger.drop(item)
                else:
                    self._hand_on(item, take)
        finally:
            self._in_hand.end()

    def _items(self) -> Iterator[Frame | Drop]:
        """What the source gives; a live one is begun anew where it broke in a way that nobody foresaw."""
        while True:
            try:
                yield from self._once()
            except PerceptionError:
                raise
            except Exception:
                now = time.monotonic()
                often = len(self._broke) == RESTARTS and now - self._broke[0] < RESTARTS_WITHIN_S
                if not self._source.live or self._source.length is not None or often:
                    raise  # a recording would begin from its first frame again
                self._broke.append(now)
                self.restarts += 1
                LOG.exception("reading %s broke, and is begun anew", self._source.uri)
            else:
                return

    def _once(self) -> Iterator[Frame | Drop]:
        items = iter(self._source)
        while not self._stop.is_set() and self._ledger.captured != self._frames:
            self._timings_ms: dict[str, float] = {}
            with self._stages.measure("read", self._timings_ms):
                item = next(items, None)
            if item is None:
                return
            yield item

    def _hand_on(self, frame: Frame, take: Callable[[InFlightFrame], None]) -> None:
        self._on_frame()
        earlier = self._before(frame)
        every = self._every()
        if frame.sequence % every:
            message = f"frame {frame.sequence}: one of {every} is perceived to keep up"
            self._ledger.drop(Drop(frame.sequence, DropReason.DECIMATED, message))
            return
        host_ns = frame.host_ns or time.monotonic_ns()
        take(InFlightFrame(frame, earlier, host_ns, self._timings_ms))

    def _before(self, frame: Frame) -> tuple[Frame, ...]:
        """The frames read right before this one, the oldest first, as many as the network sees with it.

        Also those that are never perceived; but none from before a gap, another size, or a cut to earlier.
        """
        last = self._recent[-1] if self._recent else frame
        follows = last.sequence + 1 == frame.sequence and last.stamp_ns <= frame.stamp_ns
        if not follows or last.image.shape != frame.image.shape:
            self._recent.clear()
        earlier = tuple(self._recent)
        self._recent.append(frame)
        return earlier
