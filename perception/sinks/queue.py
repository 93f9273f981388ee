"""A sink's own queue, thread and account, so that no sink can hold up the node or another sink."""

import errno
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import TypeVar

from perception.engines.background import LEFT_BEHIND
from perception.errors import PerceptionError, SinkError
from perception.health.awake import awake_clock, wait_awake
from perception.health.latency import Latency
from perception.health.types import Health, SinkState
from perception.pixels import as_bgr
from perception.redact import masked
from perception.sinks.base import PlaneSink, Publication, Sink
from perception.types import Policy

_BACK_OFF_S = 0.5, 10.0  # before the first try to open it again; doubled each time, up to the second
_PATIENCE_S = 30.0  # how long every-frame waits for room before the sink counts as hung
# What becomes of a disk by itself or by hand, unlike a name that is wrong.
_PASSING = frozenset(
    (
        errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE,
        errno.EBUSY, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN, errno.EMFILE,
        errno.ENFILE, errno.ENOMEM,
    )
)  # fmt: skip
_FULL, _HUNG, _CLOSED = "queue full", "hung", "closed"
_REASONS, _OTHERS = 16, "other reasons"  # that are counted apart: some libraries' name the frame, or a time

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class SinkQueue:
    """Hands frames and health to one sink, in order, in a thread of its own.

    A sink that fails loses the frame that it was writing and those that wait, is closed, and is opened again
    after a pause that doubles; until then its frames are lost, for the same reason. Each is accounted for:
    offered = written + lost + queued, at every moment. What a video holds back to fill a fragment counts as
    written.

    Args:
        opener: opens the sink: now, and again after each failure, then so that what is there stays.
        policy: `freshest`: a full queue loses its oldest frame. `every-frame`: `offer` waits for room,
            while the sink works.
        capacity: how many frames may wait, without the one being written.
        viewers: it shows scenes to viewers, who come and go.

    Raises:
        SinkError, ConfigError: from the first `opener()`. Under `freshest` a disk that is full or cannot be
            written just now is waited for instead, as it is later on.
    """

    def __init__(
        self,
        uri: str,
        opener: Callable[[], Sink],
        policy: Policy,
        capacity: int = 4,
        *,
        viewers: bool = False,
    ) -> None:
        self.uri, self._viewers = masked(uri), viewers
        self._opener, self._policy, self._capacity = opener, policy, capacity
        sink, fault = self._first()
        self.wants_overlay = sink is None or sink.wants_overlay
        self._changed = Condition()  # protects all below
        self._accepts = True
        self._queue: deque[tuple[float, Publication]] = deque()  # with when each was offered
        self._writing: tuple[float, Publication] | None = None
        self._health: Health | None = None
        self._written = 0
        self._lost: Counter[str] = Counter()
        self._error = ""
        self._kept_up = 0  # frames lost up to the last one that was written
        self._first_failure: SinkError | None = None
        self._last_failure: SinkError | None = None
        self._bug: Exception | None = None
        self._closing = False
        self._clock = awake_clock()  # a sink does not hang while the whole process is paused
        self._progress = 0.0  # when it last got something done, by that clock
        self.writing = Latency()  # of the sink's writes
        if fault is not None:
            self._break(fault)
        self._thread = Thread(target=self._run, args=(sink,), name=f"sink {self.uri}", daemon=True)
        self._thread.start()

    def _first(self) -> tuple[Sink | None, SinkError | None]:
        try:
            return self._opener(), None
        except SinkError as error:
            cause = error.__cause__
            passing = isinstance(cause, OSError) and cause.errno in _PASSING
            if self._policy is Policy.EVERY_FRAME or not passing:
                raise
            return None, error

    @property
    def state(self) -> SinkState:
        """Its account. This and the two below may be called from any thread."""
        with self._changed:
            waiting = ([self._writing] if self._writing else []) + list(self._queue)
            oldest_ms = 1000 * (time.monotonic() - waiting[0][0]) if waiting else 0.0
            account = self._written, dict(self._lost), len(waiting), oldest_ms
            return SinkState(self.uri, *account, self._error, self._viewers)

    @property
    def failure(self) -> SinkError | None:
        """The first failure, even once the sink has recovered."""
        return self._first_failure

    @property
    def broken(self) -> bool:
        """Whether it takes nothing now: from a failure until a write succeeds."""
        return bool(self._error)

    def offer(self, publication: Publication) -> None:
        """Put a frame in the queue, from one thread. Under `freshest` it never blocks."""
        with self._changed:
            every = self._policy is Policy.EVERY_FRAME
            if every and not wait_awake(self._changed, self._has_room, _PATIENCE_S):
                self._fail(SinkError(f"sink {self.uri}: {_HUNG} for {_PATIENCE_S:.0f} s"), _HUNG)
            if not self._accepts:
                self._count(self._error or _CLOSED)
                return
            if len(self._queue) == self._capacity:
                self._queue.popleft()
                self._count(_FULL)
            self._queue.append((time.monotonic(), publication))
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._queue) < self._capacity or not self._accepts

    def write_health(self, health: Health) -> None:
        """Replace the health that waits for the sink, if any. It never blocks."""
        with self._changed:
            self._health = health
            self._changed.notify_all()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued and close the sink; it is abandoned after `timeout_s` without progress.

        Calling it again does nothing.

        Raises:
            SinkError: it hung, or could not finish its files. Under `freshest` that is logged.
            Exception: what a fault in the sink's own code has raised, at any time.
        """
        with self._changed:
            if self._closing:
                return
            self._closing, self._accepts = True, False
            failure_before = self._last_failure
            self._changed.notify_all()
        self._progress = max(self._progress, self._clock.now_s())
        while self._thread.is_alive() and (left := self._progress + timeout_s - self._clock.now_s()) > 0:
            self._thread.join(left)
        if self._thread.is_alive():
            self._abandon(timeout_s)
        if self._bug is not None:
            raise self._bug
        if self._last_failure is not None and self._last_failure is not failure_before:
            if self._policy is Policy.EVERY_FRAME:
                raise self._last_failure
            extra = {"event": "sink_not_closed", "sink": self.uri}
            _log.warning("%s", self._last_failure, extra=extra)

    def _abandon(self, timeout_s: float) -> None:
        self._thread.name = LEFT_BEHIND
        with self._changed:
            lost = self._lose(_HUNG)
            self._health = None
            what = f"{_HUNG} for {timeout_s:g} s while it was closed; {lost} frames are lost"
            self._fail(SinkError(f"sink {self.uri}: {what}"), _HUNG)

    def _run(self, sink: Sink | None) -> None:
        """In the thread: feed the sink until it is closed; open it where it is not, or when it fails."""
        pause_s, longest_s = _BACK_OFF_S
        while True:
            written = self._written
            if sink is not None:
                self._attempt(self._feed, sink)
                self._attempt(sink.close)
            if self._written > written:
                pause_s = _BACK_OFF_S[0]
            sink = None
            while sink is None and not self._closes_within(pause_s):
                pause_s = min(2 * pause_s, longest_s)
                sink = self._attempt(self._opener)
            with self._changed:
                self._accepts = sink is not None and not self._closing
            if sink is None:
                return

    def _attempt(self, step: Callable[..., _T], *given: Sink) -> _T | None:
        """The step's result; None where it failed."""
        try:
            return step(*given)
        except Exception as error:  # noqa: BLE001 — kept as a failure; `close` raises what is a fault
            self._break(error)
            return None

    def _feed(self, sink: Sink) -> None:
        """Write until the queue is closed and nothing waits."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._health or self._closing)
                health, self._health = self._health, None
                self._writing = self._queue.popleft() if self._queue else None
                if health is None and self._writing is None:
                    return
                self._changed.notify_all()
                publication = self._writing[1] if self._writing else None
            if publication is not None:
                start, cpu = time.perf_counter(), time.thread_time()
                if isinstance(sink, PlaneSink):
                    left_out = sink.write(publication.frame, publication.scene, publication.overlay)
                else:
                    left_out = sink.write(publication.frame, publication.scene, as_bgr(publication.overlay))
                self.writing.add(1000 * (time.perf_counter() - start), time.thread_time() - cpu)
                self._wrote(left_out)
            if health is not None:
                sink.write_health(health)
                self._progress = self._clock.now_s()

    def _wrote(self, left_out: str | None) -> None:
        with self._changed:
            self._progress = self._clock.now_s()
            if self._writing is None:  # abandoned, and counted
                return
            self._writing = None
            if left_out:
                self._count(left_out)
            else:
                self._written += 1
            recovered, self._error = bool(self._error), ""
            self._accepts = not self._closing
            lost = self._lost.total() - self._kept_up
            self._kept_up = self._lost.total()
            self._changed.notify_all()
        if recovered:
            extra = {"event": "sink_recovered", "sink": self.uri, "lost": lost}
            _log.info("sink %s: takes frames again; %d were lost", self.uri, lost, extra=extra)

    def _break(self, error: Exception) -> None:
        """Lose the frame that is being written and those that wait."""
        reason = _reason(error)
        if isinstance(error, SinkError):
            failure = error
        else:
            failure = SinkError(f"sink {self.uri}: cannot be written ({reason})")
            failure.__cause__ = error
        with self._changed:
            if not isinstance(error, (PerceptionError, OSError)):
                self._bug = self._bug or error
            self._lose(reason)
            self._fail(failure, reason)

    def _lose(self, reason: str) -> int:
        """Drop all that waits; returns how many frames that were."""
        lost = len(self._queue) + (self._writing is not None)
        if lost:
            self._count(reason, lost)
        self._queue.clear()
        self._writing = None
        return lost

    def _count(self, reason: str, frames: int = 1) -> None:
        apart = reason in self._lost or len(self._lost) < _REASONS
        self._lost[reason if apart else _OTHERS] += frames

    def _fail(self, failure: SinkError, reason: str) -> None:
        """Take nothing more until it recovers; logged once."""
        # Under `every-frame` the node raises it, and while closing `close` does.
        if not self._error and not self._closing and self._policy is Policy.FRESHEST:
            extra = {"event": "sink_broken", "sink": self.uri, "reason": reason}
            _log.warning("%s; its frames are lost until it works again", failure, extra=extra)
        self._first_failure = self._first_failure or failure
        self._last_failure = failure
        self._accepts, self._error = False, reason
        self._changed.notify_all()

    def _closes_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, seconds)


def _reason(error: Exception) -> str:
    """The cause in few words, so that an account has few reasons: the system's own words where it has any."""
    if not isinstance(error, (PerceptionError, OSError)):
        return f"fault in the sink: {type(error).__name__}"
    for one in (error, error.__cause__):
        if words := getattr(one, "strerror", None):
            return str(words)
    return masked(str(error))
