"""The supervisor of a node: it notices what no stage can see of itself, publishes it, and acts on it."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread

from perception.errors import EngineError, SourceError
from perception.health.awake import suspended_ns
from perception.health.degradation import Degradation, Load
from perception.health.latency import StageTimes, typical_and_worst
from perception.health.lifecycle import LifeCycle
from perception.health.monitor import Monitor
from perception.health.rates import WINDOW_NS
from perception.health.types import Condition, Health, Level, Link, LinkState, NodeState
from perception.node.accounting import Accounting
from perception.node.capture import Capture
from perception.node.in_flight import FramesInFlight
from perception.node.worker_pool import WorkerPool
from perception.scene import Signal
from perception.sinks.queue import SinkQueue
from perception.sources.base import Source, is_live
from perception.types import NS_PER_S

LOG = logging.getLogger("perception.health")

PUBLISH_EACH_S = 1.0
LOOK_EACH_S = 0.2  # at all but the signal, which is looked at in each tick
ROOM = 0.7  # of the age that scenes may have: below it there is room to step up
TICKS_A_PERIOD = 4  # so that a stall of two periods is noticed at two and a quarter
SHORTEST_TICK_S, LONGEST_TICK_S = 0.005, 0.1
HANGS = 3  # rows of calls that hang before the node gives up: each leaves threads behind for good
PAUSE_NS = NS_PER_S  # between two ticks: no thread of this process ran, so it is no fault of the camera
NO_SLOWNESS = ("failed", "unpublished")  # as ERROR: fewer frames are then no fault of a machine too slow
CAPTURE_HANGS_S = 10.0  # a source that streams, as it says, and gives nothing for so long will not come back
SUSPENDED_S = 0.1  # what is read of two clocks one after the other differs by less
LOGGED_BY_STEP = ("stepped_down",)  # conditions that are logged as they change anyway
_LOG_LEVELS = {Level.OK: logging.INFO, Level.WARN: logging.WARNING, Level.ERROR: logging.ERROR}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node must keep, and what happens otherwise.

    Attributes:
        max_age_ms: older scenes are stale; None: none is.
        min_rate: scenes a second below which quality is stepped down, where frames give way, as it is where
            most scenes are stale; 0: quality is never stepped down.
        give_up_s: seconds without a frame from a live source after which the run ends; None: never.
        hang_s: seconds in the engine after which a frame is given up, where frames give way.
    """

    max_age_ms: float | None = None
    min_rate: float = 10.0
    give_up_s: float | None = None
    hang_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The parts of one node, from the source to the sinks, and what they count."""

    camera: str
    source: Source
    capture: Capture
    in_flight: FramesInFlight
    workers: WorkerPool
    queues: Sequence[SinkQueue]
    accounting: Accounting
    times: StageTimes
    monitor: Monitor
    degradation: Degradation
    life: LifeCycle

    @property
    def link(self) -> Link | None:
        """Of a live source."""
        return self.source.link if is_live(self.source) else None

    @property
    def signal(self) -> Signal:
        """Whether the camera gives frames now; from any thread."""
        return self.monitor.signal(time.monotonic_ns(), self.link)

    def stop(self) -> None:
        """Read no further; what is in flight is still published. From any thread, or a signal handler."""
        self.capture.stop()
        if is_live(self.source):
            self.source.stop()


class Supervisor:
    """A thread next to the loop: stalls, hung workers and sources, health, and steps down and up.

    Args:
        freshest: whether frames give way to fresher ones.
        on_health: called with what the sinks get.

    Attributes:
        hangs: calls of workers that were given up.
        failure: why the node ends early, once it does; the last health says so.
    """

    def __init__(
        self, pipeline: Pipeline, limits: Limits, *, freshest: bool, on_health: Callable[[Health], None]
    ) -> None:
        self._pipeline, self._limits, self._freshest = pipeline, limits, freshest
        self._on_health = on_health
        self._published = self._hangs_in_a_row = self.hangs = 0
        self.failure = ""
        self._last: Health | None = None
        self._begun_ns = self._looked_ns = 0
        self._ticked_ns = self._resumed_ns = 0  # the last tick, and the first one after a pause
        self._suspended_ns = suspended_ns()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Supervise from now on."""
        self._begun_ns = self._ticked_ns = self._resumed_ns = time.monotonic_ns()
        self._thread.start()

    def stop(self) -> None:
        """Publish the last state, and supervise no longer."""
        self._stop.set()
        self._thread.join()

    @property
    def restarts(self) -> int:
        """Stages that died or hung, and were replaced."""
        return self.hangs + self._pipeline.capture.restarts

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._tick_s):
                self.look(time.monotonic_ns())
            self._publish(self._health(time.monotonic_ns()))
        except Exception as error:  # noqa: BLE001 - raised by the loop: no node runs without its supervisor
            self._end(error)

    def look(self, now_ns: int) -> None:
        """One round: all that is due at that time."""
        if now_ns - self._ticked_ns > PAUSE_NS:
            self._resumed_ns = now_ns
        self._ticked_ns = now_ns
        if self._pipeline.in_flight.waits:
            self._pipeline.monitor.held(now_ns)
        self._check_suspended(now_ns)
        if self._freshest:
            self._replace_hung()
        if self._pipeline.source.live:
            self._check_capture(now_ns)
        self._check_health(now_ns)

    @property
    def _tick_s(self) -> float:
        period_s = self._pipeline.monitor.period_s
        return min(max(period_s / TICKS_A_PERIOD, SHORTEST_TICK_S), LONGEST_TICK_S)

    def _check_suspended(self, now_ns: int) -> None:
        """Ages do not count the time: until a frame comes nothing is known of the camera."""
        before, self._suspended_ns = self._suspended_ns, suspended_ns()
        seconds = (self._suspended_ns - before) / 1e9
        if seconds > SUSPENDED_S:
            self._pipeline.monitor.resumed(now_ns)
            what = f"the machine was suspended for {seconds:.0f} s"
            LOG.warning("%s: %s", self._pipeline.camera, what, extra={"event": "suspended"})

    def _replace_hung(self) -> None:
        published = self._pipeline.accounting.published
        if published != self._published:
            self._published, self._hangs_in_a_row = published, 0
        hang_s = self._limits.hang_s
        hung = self._pipeline.workers.replace_hung(hang_s, self._pipeline.in_flight)
        if not hung.count:
            return
        self.hangs += hung.count
        self._hangs_in_a_row += hung.in_a_row
        what = f"{hung.count} of the threads that perceive hung for {hang_s:g} s and were replaced"
        LOG.error("%s: %s", self._pipeline.camera, what, extra={"event": "worker_hung"})
        if self._hangs_in_a_row >= HANGS:
            hangs = f"the engine hung {self._hangs_in_a_row} times in a row for {hang_s:g} s"
            self._end(EngineError(f"{hangs}; given up"))

    def _check_capture(self, now_ns: int) -> None:
        link = self._pipeline.link
        if link is None or link.state is LinkState.ENDED:
            return
        silent_ms = self._pipeline.monitor.silent_ms(now_ns)
        silent_s = (now_ns - self._begun_ns) / 1e9 if silent_ms is None else silent_ms / 1000
        silent_s = min(silent_s, (now_ns - self._resumed_ns) / 1e9)
        source, give_up_s = f"source {self._pipeline.source.uri}", self._limits.give_up_s
        if give_up_s is not None and silent_s > give_up_s:
            why = f" ({link.reason})" if link.reason else ""
            self._end(SourceError(f"{source}: no frame for {silent_s:.0f} s{why}; given up, as asked for"))
        elif link.state is LinkState.STREAMING and silent_s > CAPTURE_HANGS_S:
            self._end(SourceError(f"{source}: reading hangs for {silent_s:.0f} s; start the node again"))

    def _end(self, error: Exception) -> None:
        self._pipeline.stop()
        self._pipeline.in_flight.abort(error)

    def _check_health(self, now_ns: int) -> None:
        """Publish at once what has changed, and all of it each second."""
        last, monitor = self._last, self._pipeline.monitor
        same = last is not None and last.signal is monitor.signal(now_ns, self._pipeline.link)
        if same and now_ns - self._looked_ns < LOOK_EACH_S * 1e9:
            return
        self._looked_ns = now_ns
        health = self._health(now_ns)
        if self._freshest and self._limits.min_rate and health.state is NodeState.ACTIVE:
            self._step(health)
        if last is None or monitor.changed or now_ns - last.stamp_ns >= PUBLISH_EACH_S * 1e9:
            self._publish(health)

    def _health(self, now_ns: int) -> Health:
        pipeline = self._pipeline
        # Before the account, which goes on meanwhile: no sink was given more than is published and one frame.
        sinks = tuple(queue.state for queue in pipeline.queues)
        return pipeline.monitor.health(
            now_ns,
            time.time_ns(),
            state=pipeline.life.state,
            account=pipeline.accounting.account(),
            link=pipeline.link,
            step=pipeline.degradation.step,
            restarts=self.restarts,
            sinks=sinks,
            failure=self.failure,
        )

    def _step(self, health: Health) -> None:
        """Down where too few scenes come, or most of the last ones too late; up where there is room.

        A camera that gives no frames says nothing of either.
        """
        degradation, now_ns = self._pipeline.degradation, health.stamp_ns
        if health.signal is Signal.NO_SIGNAL or not health.rate_in:
            return
        since_ns = now_ns - WINDOW_NS  # shorter than a step lasts at least: each is judged by its own scenes
        stages = ("end_to_end", "transport", "infer", "decode")
        age, transport, network, decode = (
            typical_and_worst(self._pipeline.times.since(name, since_ns))[0] for name in stages
        )
        late_ms = math.inf if self._limits.max_age_ms is None else self._limits.max_age_ms
        load = Load(
            health.rate_in,
            health.rate_out + self._pipeline.monitor.failed_rate,
            self._limits.min_rate,
            age,
            late_ms,
            transport,
            network,
            decode,
        )
        broken = any(one.name in NO_SLOWNESS and one.level is Level.ERROR for one in health.conditions)
        too_few = load.too_few(degradation.step.every) and not broken
        # Also where no frame arrives in time: then leaving things out is in vain.
        has_room = not too_few and (health.age_ms[1] < ROOM * late_ms or transport > late_ms)
        slow, camera = too_few or load.too_late, self._pipeline.camera
        if degradation.update(slow, has_room, now_ns, load.helped_by, camera):
            name = degradation.step.name
            what = f"stepped down: {name}" if name else "back to full quality"
            LOG.warning("%s: %s", camera, what, extra={"event": "step", "step": name})

    def _publish(self, health: Health) -> None:
        if self._freshest:  # of a recording, the scenes and the report say it
            self._log_changes(self._last.conditions if self._last else (), health.conditions)
        self._last = health
        for queue in self._pipeline.queues:
            queue.write_health(health)
        self._on_health(health)

    def _log_changes(self, before: Sequence[Condition], after: Sequence[Condition]) -> None:
        camera = self._pipeline.camera
        known = {one.name: one.level for one in before}
        for one in after:
            if known.pop(one.name, None) is not one.level and one.name not in LOGGED_BY_STEP:
                extra = {"event": "condition", "condition": one.name, "camera": camera}
                LOG.log(_LOG_LEVELS[one.level], "%s: %s", camera, one.reason, extra=extra)
        for name in known:
            extra = {"event": "condition_over", "condition": name, "camera": camera}
            LOG.info("%s: over: %s", camera, name, extra=extra)
