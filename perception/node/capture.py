"""The stage that reads: the source's frames, each into the account and on to the workers."""

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

from perception.errors import ConfigError, PerceptionError
from perception.frame import Drop, DropReason, Frame
from perception.health.degradation import Degradation
from perception.health.latency import StageTimes, Stopwatch
from perception.health.monitor import Monitor
from perception.node.accounting import Accounting
from perception.node.in_flight import FramesInFlight, InFlightFrame
from perception.sources.base import Source, is_live
from perception.types import NS_PER_MS

LOG = logging.getLogger("perception.node")

RESTARTS = 3  # of a live source's iteration that broke in a way that nobody foresaw, in so many seconds:
RESTARTS_WITHIN_S = 60.0


class Capture:
    """Reads the source to its end, or until it is stopped; one thread runs it, once.

    Args:
        degradation: how many frames are left out just now.
        history: how many frames before each one the network sees with it.
        frames: stop after so many captured frames.
    """

    def __init__(
        self,
        source: Source,
        in_flight: FramesInFlight,
        accounting: Accounting,
        monitor: Monitor,
        times: StageTimes,
        degradation: Degradation,
        *,
        history: int,
        frames: int | None,
    ) -> None:
        self._source, self._in_flight, self._accounting = source, in_flight, accounting
        self._monitor, self._times, self._degradation = monitor, times, degradation
        self._recent: deque[Frame] = deque(maxlen=history)
        self._frames = frames
        self._stop = Event()
        self._broke: deque[float] = deque(maxlen=RESTARTS)
        self.restarts = 0

    def stop(self) -> None:
        """Read no further; from any thread."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop; False while the source's own end, or that many frames, ended it."""
        return self._stop.is_set()

    def run(self) -> None:
        """Hand every frame on.

        Raises:
            SourceError: the source broke; the frames before are handed on.
        """
        try:
            for item, stopwatch in self._items():
                self._accounting.capture(item.sequence)
                if isinstance(item, Drop):
                    self._accounting.drop(item)
                elif wrong := _fault(item):
                    self._accounting.drop(Drop(item.sequence, DropReason.UNDECODABLE, wrong))
                else:
                    self._hand_on(item, stopwatch)
        finally:
            self._in_flight.end()

    def _items(self) -> Iterator[tuple[Frame | Drop, Stopwatch]]:
        """What the source gives; a live one is started again where it broke in a way that nobody foresaw."""
        while True:
            try:
                yield from self._once()
            except PerceptionError:
                raise
            except Exception:  # of a plug-in, say: what was foreseen is a PerceptionError
                now = time.monotonic()
                often = len(self._broke) == RESTARTS and now - self._broke[0] < RESTARTS_WITHIN_S
                if not self._source.live or self._source.length is not None or often:
                    raise  # a recording would begin from its first frame again
                self._broke.append(now)
                self.restarts += 1
                LOG.exception("reading %s broke, and is started again", self._source.uri)
            else:
                return

    def _once(self) -> Iterator[tuple[Frame | Drop, Stopwatch]]:
        items = iter(self._source)
        while not self._stop.is_set() and self._accounting.captured != self._frames:
            stopwatch = Stopwatch(self._times)
            with stopwatch.measure("read"):
                item = next(items, None)
            if item is None:
                return
            yield item, stopwatch

    def _hand_on(self, frame: Frame, stopwatch: Stopwatch) -> None:
        now_ns = time.monotonic_ns()
        self._monitor.arrived(now_ns)
        if is_live(self._source):
            age_ms = (now_ns - (frame.host_ns or now_ns)) / NS_PER_MS
            self._times.add("transport", max(0.0, age_ms - self._source.link.waited_ms))
        frame = replace(frame, host_ns=frame.host_ns or now_ns)
        earlier = self._before(frame)
        every = self._degradation.step.every
        if frame.sequence % every:
            message = f"frame {frame.sequence}: one of {every} is perceived to keep up"
            self._accounting.drop(Drop(frame.sequence, DropReason.DECIMATED, message))
            return
        self._in_flight.take_in(InFlightFrame(frame, earlier, stopwatch))

    def _before(self, frame: Frame) -> tuple[Frame, ...]:
        """The frames read right before this one, the oldest first, as many as the network sees with it.

        Also those that are never perceived; but none from before a gap, another size, or a splice.
        """
        last = self._recent[-1] if self._recent else frame
        follows = last.sequence + 1 == frame.sequence and last.stamp_ns <= frame.stamp_ns
        follows &= last.recording == frame.recording
        same = (last.height, last.width, last.pixel_aspect) == (frame.height, frame.width, frame.pixel_aspect)
        if not follows or not same:
            self._recent.clear()
        earlier = tuple(self._recent)
        self._recent.append(frame)
        return earlier


def _fault(frame: Frame) -> str:
    """What is wrong with a frame that a program or a plug-in gives; empty: nothing."""
    try:
        frame.check()
    except ConfigError as error:
        return str(error)
    return ""
