"""The watch over a node: it notices what no stage can say of itself, tells it, and acts on it."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread

from perception.errors import EngineError, SourceError
from perception.health.degradation import Degradation, Step
from perception.health.lifecycle import LifeCycle
from perception.health.monitor import Monitor
from perception.health.types import Condition, Finding, Health, Level, Link, LinkState, NodeState, Signal
from perception.node.accounting import Accounting
from perception.node.worker_pool import WorkerPool
from perception.scene import Scene
from perception.sinks.queue import SinkQueue
from perception.sources.base import Source, is_live

LOG = logging.getLogger("perception.health")

TELL_EACH_S = 1.0
LOOK_EACH_S = 0.2  # at all but the signal, which is looked at in each tick
ROOM = 0.7  # of the age that scenes may have: below it there is room to step up
TICKS_A_PERIOD = 4  # so that a stall of two periods is noticed at two and a quarter
SHORTEST_TICK_S, LONGEST_TICK_S = 0.005, 0.1
HANGS = 3  # calls in a row that hang before the node gives up: each leaves a thread behind for good
READER_HANGS_S = 10.0  # a source that streams, as it says, and gives nothing for so long will not come back
TOLD = ("stepped_down",)  # conditions whose every change is logged anyway
_LOG_LEVELS = {Level.OK: logging.INFO, Level.WARN: logging.WARNING, Level.ERROR: logging.ERROR}


class Supervisor:
    """A thread beside the loop: stalls, hung workers and readers, health, and steps down and up.

    Args:
        min_rate: scenes a second below which the node steps down, where frames may be dropped.
        give_up_s: seconds without a frame from a live source after which the run ends; None: never.
        hang_s: seconds after which a worker's call is given up, where frames may be dropped.
        folders: whose disks must not fill up.
        restarts: how many stages died or hung, and were replaced.
        on_fatal: called once nothing more can be done; `raise_fatal` then says what it was.
        on_health: called with what the outlets are told.
    """

    def __init__(
        self,
        camera: str,
        source: Source,
        *,
        ledger: Accounting,
        life: LifeCycle,
        outlets: Sequence[SinkQueue],
        workers: WorkerPool,
        freshest: bool,
        max_age_ms: float | None,
        min_rate: float,
        give_up_s: float | None,
        hang_s: float,
        folders: Sequence[Path],
        restarts: Callable[[], int],
        on_fatal: Callable[[], None],
        on_health: Callable[[Health], None],
    ) -> None:
        self._camera, self._source = camera, source
        self._monitor = Monitor(
            camera,
            source.rate,
            live=source.live,
            workers=workers.count,
            max_age_ms=max_age_ms,
            min_rate=min_rate or None,
            folders=folders,
        )
        self._ledger, self._life = ledger, life
        self._outlets, self._workers = outlets, workers
        self._freshest, self._live, self._give_up_s, self._hang_s = freshest, source.live, give_up_s, hang_s
        self._max_age_ms, self._min_rate = max_age_ms, min_rate
        self._restarts, self._on_fatal, self._on_health = restarts, on_fatal, on_health
        self._degradation = Degradation()
        self._fatal: Exception | None = None
        self._hangs_in_a_row = self.hangs = 0
        self._told: Health | None = None
        self._begun_ns = self._looked_ns = 0
        self._stop = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)
        self.reader_hangs = False

    @property
    def step(self) -> Step:
        """How the node is stepped down now."""
        return self._degradation.step

    @property
    def signal(self) -> Signal:
        """Whether the camera gives frames now; from any thread."""
        return self._monitor.signal(time.monotonic_ns(), self._link)

    @property
    def _link(self) -> Link | None:
        return self._source.link if is_live(self._source) else None

    def start(self) -> None:
        """Watch from now on."""
        self._begun_ns = time.monotonic_ns()
        self._thread.start()

    def stop(self) -> None:
        """Tell the last state, and watch no longer."""
        self._stop.set()
        self._thread.join()

    def arrived(self) -> None:
        """A frame came: in the reader's thread."""
        self._monitor.arrived(time.monotonic_ns())

    def published(self, scene: Scene, findings: Sequence[Finding]) -> None:
        """A scene went out, in whose frame that was found: in the loop's thread."""
        self._hangs_in_a_row = 0
        now_ns = time.monotonic_ns()
        self._monitor.seen(findings)
        self._monitor.published(scene, now_ns)
        if "infer" in scene.timings_ms:
            self._monitor.inferred(scene.timings_ms["infer"], now_ns)

    def raise_fatal(self) -> None:
        """Raise what the watch has ended the run for, if it has: a PerceptionError, or a fault of its own."""
        if self._fatal is not None:
            raise self._fatal

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # noqa: BLE001 - raised by the loop: no node runs without its watch
            self._end(error)

    def _watch(self) -> None:
        while not self._stop.wait(self._tick_s):
            now_ns = time.monotonic_ns()
            if self._freshest:
                self._replace_hung()
            if self._live:
                self._check_reader(now_ns)
            self._look(now_ns)
        self._tell(self._health(time.monotonic_ns()))

    @property
    def _tick_s(self) -> float:
        return min(max(self._monitor.period_s / TICKS_A_PERIOD, SHORTEST_TICK_S), LONGEST_TICK_S)

    def _replace_hung(self) -> None:
        hung = self._workers.replace_hung(self._hang_s)
        if not hung:
            return
        self.hangs += hung
        self._hangs_in_a_row += hung
        what = f"{hung} of the threads that perceive hung for {self._hang_s:g} s and were replaced"
        LOG.error("%s: %s", self._camera, what, extra={"event": "worker_hung"})
        if self._hangs_in_a_row >= HANGS:
            self._end(
                EngineError(
                    f"the engine hung {self._hangs_in_a_row} times in a row for {self._hang_s:g} s; given up"
                )
            )

    def _check_reader(self, now_ns: int) -> None:
        link = self._link
        if link is None or link.state is LinkState.ENDED:
            return
        silent_ms = self._monitor.silent_ms(now_ns)
        silent_s = (now_ns - self._begun_ns) / 1e9 if silent_ms is None else silent_ms / 1000
        source = f"source {self._source.uri}"
        if self._give_up_s is not None and silent_s > self._give_up_s:
            why = f" ({link.reason})" if link.reason else ""
            self._end(SourceError(f"{source}: no frame for {silent_s:.0f} s{why}; given up, as asked for"))
        elif link.state is LinkState.STREAMING and silent_s > READER_HANGS_S:
            self.reader_hangs = True
            self._end(SourceError(f"{source}: reading hangs for {silent_s:.0f} s; start the node anew"))

    def _end(self, error: Exception) -> None:
        if self._fatal is None:
            self._fatal = error
            self._on_fatal()

    def _look(self, now_ns: int) -> None:
        """Tell at once what has changed, and all of it each second."""
        told, looked_ns = self._told, self._looked_ns
        same = told is not None and told.signal is self._monitor.signal(now_ns, self._link)
        if same and now_ns - looked_ns < LOOK_EACH_S * 1e9:
            return
        self._looked_ns = now_ns
        health = self._health(now_ns)
        if self._freshest and self._life.state is NodeState.ACTIVE:
            self._step(health)
        if told is None or self._monitor.changed or now_ns - told.stamp_ns >= TELL_EACH_S * 1e9:
            self._tell(health)

    def _health(self, now_ns: int) -> Health:
        return self._monitor.health(
            now_ns,
            time.time_ns(),
            state=self._life.state,
            ledger=self._ledger,
            link=self._link,
            step=self.step,
            restarts=self._restarts(),
            sinks=tuple(outlet.state for outlet in self._outlets),
        )

    def _step(self, health: Health) -> None:
        """Down where too few scenes come, or most of them too late; up where there is room."""
        too_few = health.rate_out < self._min_rate and health.rate_in > 1.2 * health.rate_out
        late_ms = self._max_age_ms or math.inf
        too_late = health.age_ms[0] > late_ms
        has_room = not too_few and health.age_ms[1] < ROOM * late_ms
        before = self.step
        after = self._degradation.update(too_few or too_late, has_room, health.stamp_ns)
        if after is not before:
            what = f"stepped down: {after.name}" if after.name else "back to full quality"
            LOG.warning("%s: %s", self._camera, what, extra={"event": "step", "step": after.name})

    def _tell(self, health: Health) -> None:
        if self._freshest:  # of a recording the scenes and the report tell
            self._log_changes(self._told.conditions if self._told else (), health.conditions)
        self._told = health
        for outlet in self._outlets:
            outlet.write_health(health)
        self._on_health(health)

    def _log_changes(self, before: Sequence[Condition], after: Sequence[Condition]) -> None:
        known = {one.name: one.level for one in before}
        for one in after:
            if known.pop(one.name, None) is not one.level and one.name not in TOLD:
                extra = {"event": "condition", "condition": one.name, "camera": self._camera}
                LOG.log(_LOG_LEVELS[one.level], "%s: %s", self._camera, one.reason, extra=extra)
        for name in known:
            extra = {"event": "condition_over", "condition": name, "camera": self._camera}
            LOG.info("%s: over: %s", self._camera, name, extra=extra)
