"""One camera's health: how fresh, steady and sound everything is at any moment, from what happened."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from perception.frame import DropReason
from perception.health.checks import FINDINGS, Figures
from perception.health.debounce import Debounce
from perception.health.degradation import STEPS, Step
from perception.health.disk import Disks, Room
from perception.health.latency import StageTimes, typical_and_worst
from perception.health.rates import Rate
from perception.health.types import Account, Finding, Health, Level, Link, LinkState, NodeState, SinkState
from perception.scene import Signal, Status
from perception.types import NS_PER_MS, NS_PER_S

STALE_PERIODS = 2  # without a frame: one is late, the second is missing
NO_SIGNAL_PERIODS, NO_SIGNAL_MS = 4, 1000.0  # the longer one: at city speed 14 m are driven in a second
RAISE_AFTER_S = 0.4  # with the half second that some checks take, a fault is published within one
CLEAR_AFTER_S = 2.0  # what comes and goes each second is one condition, not many
# They have lasted already when they are found. A stall has not: `Health.signal` shows it at once, but over
# a network now and then a frame comes a little later than that.
AT_ONCE = "signal", "frozen", "ended"
RECENT_NS = 10 * NS_PER_S  # of ages and times: 300 at 30 fps, enough for a 99th percentile
LATELY_NS = 5 * NS_PER_S  # failed, undecodable and lost frames count for so long


@dataclass(frozen=True, slots=True)
class _Counts:
    """The accounts at one moment."""

    at_ns: int
    captured: int
    dropped: Mapping[DropReason, int]
    lost: Mapping[str, int]  # by sink


class Monitor:
    """Has no thread and no clock of its own: every call gives the host's monotonic time. From any thread.

    Args:
        times: of the stages: the ages of scenes as `end_to_end`, those of frames on arrival as `transport`,
            and the time in the engine as `infer`.
        nominal_rate: frames a second as the source names them.
        live: whether frames come by themselves; without, silence and low rates are no faults.
        min_rate: frames a second below which the rate is too low, if 80 % of the nominal one is not less.
        folders: whose disks must not fill up.
    """

    def __init__(
        self,
        camera: str,
        nominal_rate: float,
        times: StageTimes,
        *,
        live: bool,
        workers: int = 1,
        max_age_ms: float | None = None,
        min_rate: float | None = None,
        folders: Sequence[Path] = (),
    ) -> None:
        self.changed = False  # by the last `health`: the state, the signal, the step, or a condition's level
        self._camera, self._times, self._live, self._workers = camera, times, live, workers
        self._max_age_ms, self._min_rate = max_age_ms, min_rate
        self._lock = Lock()  # guards the rates and findings
        self._came, self._went = Rate(nominal_rate), Rate(nominal_rate)
        self._first_ns: int | None = None
        self._resumed_ns = self._held_ns = -NS_PER_S << 32  # never yet
        self._image: tuple[Finding, ...] = ()
        # For the one thread that asks.
        self._counts: deque[_Counts] = deque()
        self._conditions = Debounce(RAISE_AFTER_S, CLEAR_AFTER_S, at_once=AT_ONCE)
        self._disks = Disks(folders)
        self._asked_ns = 0  # first
        self._failed_rate = 0.0
        self._last: Health | None = None

    def arrived(self, at_ns: int) -> None:
        """A frame came at that time."""
        with self._lock:
            self._first_ns = at_ns if self._first_ns is None else self._first_ns
            self._came.arrived(at_ns)

    def resumed(self, now_ns: int) -> None:
        """The machine was suspended until then: what came before says nothing of the camera now."""
        with self._lock:
            self._resumed_ns = now_ns

    def held(self, now_ns: int) -> None:
        """No frame is read before then, as the node has no room for it: that is no silence of the camera."""
        with self._lock:
            self._held_ns = now_ns

    def published(self, findings: Iterable[Finding], now_ns: int) -> None:
        """A scene was published, in the frame of which the image checks found this."""
        with self._lock:
            self._went.arrived(now_ns)
            self._image = tuple(findings)

    def rate_out(self, now_ns: int) -> float:
        """Scenes a second that are published."""
        with self._lock:
            return self._went.per_second(now_ns)

    @property
    def period_s(self) -> float:
        """Between frames, usually."""
        with self._lock:
            return self._came.period_s

    def silent_ms(self, now_ns: int) -> float | None:
        """Since the last frame came, or could have been read; None before the first."""
        with self._lock:
            return self._silent_ms(now_ns)

    def _silent_ms(self, now_ns: int) -> float | None:
        silent_ms, held_ms = self._came.silent_ms(now_ns), (now_ns - self._held_ns) / NS_PER_MS
        return None if silent_ms is None else min(silent_ms, held_ms)

    @property
    def failed_rate(self) -> float:
        """Frames a second on which the engine failed lately, as of the last `health`."""
        return self._failed_rate

    def signal(self, now_ns: int, link: Link | None = None) -> Signal:
        """Whether frames come, alone: quick, to be asked more often than once a period."""
        with self._lock:
            if not self._live:
                return Signal.OK
            silent_ms, period_ms = self._silent_ms(now_ns), 1000 * self._came.period_s
            awake_ms = (now_ns - self._resumed_ns) / NS_PER_MS
        if link and link.state is LinkState.ENDED and silent_ms is not None:  # as it should
            return Signal.OK
        if silent_ms is None or silent_ms >= awake_ms or (link and link.state is LinkState.LOST):
            return Signal.NO_SIGNAL
        if silent_ms >= max(NO_SIGNAL_MS, NO_SIGNAL_PERIODS * period_ms):
            return Signal.NO_SIGNAL
        return Signal.STALE if silent_ms >= STALE_PERIODS * period_ms else Signal.OK

    def health(
        self,
        now_ns: int,
        wall_ns: int,
        *,
        state: NodeState,
        account: Account,
        link: Link | None = None,
        step: Step = STEPS[0],
        restarts: int = 0,
        sinks: Sequence[SinkState] = (),
        failure: str = "",
    ) -> Health:
        """All that is known, and the conditions that follow; from one thread, several times a second.

        Args:
            link: of a live source.
            step: how the node has stepped down.
            failure: why it has ended early, if it has.
        """
        self._asked_ns = self._asked_ns or now_ns
        signal = self.signal(now_ns, link)
        lately = self._lately(now_ns, account.captured, account.dropped, sinks)
        ages_ms = self._times.since("end_to_end", now_ns - RECENT_NS)
        infer_ms = typical_and_worst(self._times.since("infer", now_ns - RECENT_NS))
        rooms = self._disks.rooms(now_ns)
        with self._lock:
            figures = self._figures(
                now_ns, signal, link, lately, tuple(sinks), rooms, step, ages_ms, infer_ms[0]
            )
            found = list(self._image) if signal is not Signal.NO_SIGNAL else []
            rate_out = self._went.per_second(now_ns)
        if state is NodeState.ACTIVE:  # before and after, silence is as it should be
            found += [finding for check in FINDINGS for finding in check(figures)]
        if failure:
            found.append(Finding("ended", Level.ERROR, f"ended early: {failure}"))
        conditions = self._conditions.update(found, now_ns)
        health = Health(
            camera=self._camera,
            state=state,
            signal=signal,
            level=max((one.level for one in conditions), default=Level.OK),
            conditions=conditions,
            stamp_ns=now_ns,
            wall_ns=wall_ns,
            silent_ms=figures.silent_ms,
            captured=account.captured,
            published=account.published,
            in_hand=account.in_flight,
            dropped={str(reason): count for reason, count in account.dropped.items()},
            stale=account.statuses.get(Status.STALE, 0),
            unreliable=account.statuses.get(Status.UNRELIABLE, 0),
            not_ready=account.statuses.get(Status.NOT_READY, 0),
            rate_in=figures.rate_in,
            rate_out=rate_out,
            jitter_ms=figures.jitter_ms,
            age_ms=typical_and_worst(ages_ms),
            infer_ms=infer_ms,
            step=step.name,
            link=str(link.state) if link else "",
            connections=link.connections if link else 0,
            restarts=restarts,
            sinks=tuple(sinks),
        )
        self.changed = self._last is None or self._conditions.changed or _key(health) != _key(self._last)
        self._last = health
        return health

    def _lately(
        self, now_ns: int, captured: int, dropped: Mapping[DropReason, int], sinks: Sequence[SinkState]
    ) -> _Counts:
        """How far the accounts have grown in the last seconds."""
        new = _Counts(now_ns, captured, dropped, {sink.uri: sum(sink.lost.values()) for sink in sinks})
        self._counts.append(new)
        while len(self._counts) > 2 and now_ns - self._counts[1].at_ns >= LATELY_NS:
            self._counts.popleft()
        old = self._counts[0]
        failed = dropped.get(DropReason.FAILED, 0) - old.dropped.get(DropReason.FAILED, 0)
        self._failed_rate = failed * NS_PER_S / max(now_ns - old.at_ns, NS_PER_S)
        return _Counts(
            now_ns,
            captured - old.captured,
            {reason: dropped.get(reason, 0) - old.dropped.get(reason, 0) for reason in DropReason},
            {uri: lost - old.lost.get(uri, 0) for uri, lost in new.lost.items()},
        )

    def _figures(
        self,
        now_ns: int,
        signal: Signal,
        link: Link | None,
        lately: _Counts,
        sinks: tuple[SinkState, ...],
        rooms: tuple[Room, ...],
        step: Step,
        ages_ms: npt.NDArray[np.float64],
        infer_ms: float,
    ) -> Figures:
        first_ns = now_ns if self._first_ns is None else self._first_ns
        since_ms = (now_ns - first_ns) / NS_PER_MS
        unpublished_ms = self._went.silent_ms(now_ns)
        return Figures(
            live=self._live,
            signal=signal,
            silent_ms=self._silent_ms(now_ns),
            link=link,
            active_ms=(now_ns - self._asked_ns) / NS_PER_MS,
            measured_s=since_ms / 1000,
            rate_in=self._came.per_second(now_ns),
            nominal_rate=self._came.nominal,
            min_rate=self._min_rate,
            period_ms=1000 * self._came.period_s,
            jitter_ms=self._came.jitter_ms,
            unpublished_ms=since_ms if unpublished_ms is None else min(unpublished_ms, since_ms),
            ages_ms=ages_ms,
            max_age_ms=self._max_age_ms,
            transport_ms=typical_and_worst(self._times.since("transport", now_ns - RECENT_NS))[0],
            infer_ms=infer_ms,
            workers=self._workers,
            captured=lately.captured,
            failed=lately.dropped[DropReason.FAILED],
            undecodable=lately.dropped[DropReason.UNDECODABLE],
            sinks=sinks,
            lost=lately.lost,
            rooms=rooms,
            step=step,
        )


def _key(health: Health) -> tuple[object, ...]:
    return health.state, health.signal, health.step, health.link
