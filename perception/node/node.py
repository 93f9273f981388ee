"""The loop: a source is read, several frames are perceived at a time, and scenes leave in order.

capture ──frames──▶ in flight ──▶ workers: perceive ──scenes, in order──▶ postprocess ──▶ sink queues

Each part hands on to the next one; the supervisor only looks at their counts.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

from perception.engines.background import call_in_background, end_or_leave
from perception.engines.machine import usable_cores
from perception.errors import ConfigError, EngineError, SinkError, SourceError, in_words
from perception.frame import Drop, DropReason
from perception.geometry.calibration_file import Calibration
from perception.health.degradation import STEPS, Step
from perception.health.latency import StageTimes
from perception.health.lifecycle import LifeCycle
from perception.health.monitor import Monitor
from perception.health.types import Health, NodeState
from perception.node.accounting import Accounting
from perception.node.arguments import check_numbers, policy_of
from perception.node.capture import Capture
from perception.node.in_flight import FramesInFlight, InFlightFrame
from perception.node.postprocess import Postprocess
from perception.node.report import Report, report_of
from perception.node.seen import Counts
from perception.node.supervisor import Limits, Pipeline, Supervisor
from perception.node.worker_pool import HangError, WorkerPool
from perception.perceiver import Perceiver
from perception.scene import Scene, Status, unknown_scene
from perception.sinks.queue import SinkQueue
from perception.sources.base import Source
from perception.types import Policy

LOG = logging.getLogger("perception.node")

STAGES = (
    "transport", "read", "denoise", "prepare", "infer", "decode", "track", "check", "locate", "draw", "write",
    "end_to_end",
)  # fmt: skip
LIVE_MAX_AGE_MS = 250.0  # a car at 50 km/h has gone 3.5 m by then
CAPTURE_ENDS_S = 5.0  # after which a thread that still reads is left behind: a camera ends within a second
FAILURES, FAILING_S = 10, 3.0  # frames in a row, and seconds, that the engine fails before it is given up


class Node:
    """Runs a source through a perceiver into sinks, once, and closes them.

    With `Policy.EVERY_FRAME`, as recordings have it, no frame is lost: who gives waits for who takes, and
    what breaks ends the run. With `Policy.FRESHEST`, as live sources have it, frames give way to fresher
    ones; a frame that the engine fails on is dropped, and so is a worker that hangs; a camera that is
    silent is waited for. A supervisor publishes the node's health each second, and at once when it
    changes.

    Args:
        perceiver: best loaded with `threads=1`: frames in parallel fill the cores better than threads in one.
        queues: of the sinks.
        camera: its name, for people.
        policy: what gives way; None: as the source has it.
        frames: stop after so many captured frames.
        max_age_ms: scenes older than that are stale; None: never, or LIVE_MAX_AGE_MS.
        min_rate, give_up_s, hang_s: see `Limits`.
        tracks: give instances ids that stay with them from frame to frame, and steady labels and lanes.
        calibration: of the camera, for metres; None: what its frames know.
        details: write the rate, the engine and the times of the stages on overlays.
        workers: frames perceived at a time, or threads shared with other nodes; 0: one for each core.
        folders: health warns when their disks fill up.
        on_scene: called with every scene, in order, once it is handed to the sinks' queues.
        on_health: called with what the sinks get.
    """

    def __init__(
        self,
        source: Source,
        perceiver: Perceiver,
        queues: Sequence[SinkQueue],
        *,
        camera: str = "front",
        policy: Policy | None = None,
        frames: int | None = None,
        max_age_ms: float | None = None,
        min_rate: float = 10.0,
        give_up_s: float | None = None,
        hang_s: float = 5.0,
        tracks: bool = True,
        calibration: Calibration | None = None,
        details: bool = False,
        workers: int | WorkerPool = 0,
        folders: Sequence[Path] = (),
        on_scene: Callable[[Scene], None] = lambda scene: None,
        on_health: Callable[[Health], None] = lambda health: None,
    ) -> None:
        self.source, self.perceiver, self.queues, self.camera = source, perceiver, tuple(queues), camera
        self.policy = policy_of(source, policy)
        given = {"max_age_ms": max_age_ms, "min_rate": min_rate, "give_up_s": give_up_s, "hang_s": hang_s}
        check_numbers(given | {"frames": frames, "workers": workers})
        self.accounting, self.life = Accounting(), LifeCycle()
        self._freshest, self._on_scene = self.policy is Policy.FRESHEST, on_scene
        if max_age_ms is None and source.live:
            max_age_ms = LIVE_MAX_AGE_MS
        limits = Limits(max_age_ms, min_rate, give_up_s, hang_s)
        left_out = {"transport": not source.live, "denoise": perceiver.denoiser is None, "track": not tracks}
        self.times = StageTimes(tuple(stage for stage in STAGES if not left_out.get(stage)))
        self._own_workers = not isinstance(workers, WorkerPool)
        self._workers = workers if isinstance(workers, WorkerPool) else WorkerPool(workers or usable_cores())
        self._degradation = self._workers.degradation
        self._monitor = Monitor(
            camera,
            source.rate,
            self.times,
            live=source.live,
            workers=self._workers.count,
            max_age_ms=limits.max_age_ms,
            min_rate=min_rate or None,
            folders=folders,
        )
        self._in_flight = FramesInFlight(self._workers, self._perceive, self.policy, self.accounting)
        capture = Capture(
            source,
            self._in_flight,
            self.accounting,
            self._monitor,
            self.times,
            self._degradation,
            history=perceiver.info.input.frames - 1,
            frames=frames,
        )
        self._pipeline = Pipeline(
            camera,
            source,
            capture,
            self._in_flight,
            self._workers,
            self.queues,
            self.accounting,
            self.times,
            self._monitor,
            self._degradation,
            self.life,
        )
        self.supervisor = Supervisor(self._pipeline, limits, freshest=self._freshest, on_health=on_health)
        self._at = cache(lambda step: perceiver if step == STEPS[0] else _stepped_down(perceiver, step))
        self._postprocess = Postprocess(
            perceiver,
            self._monitor,
            max_age_ms=limits.max_age_ms,
            tracks=tracks,
            calibration=calibration,
            overlay=any(queue.wants_overlay for queue in self.queues),
            details=details,
        )
        self._latest: Scene | None = None
        self._ran = False
        self._whole = False  # the run was not stopped before its end
        self._failures, self._counts = 0, Counts(perceiver.info)
        self._succeeded_at = self._seconds = self._process_cpu_s = 0.0
        self.life.to(NodeState.INACTIVE)

    def stop(self) -> None:
        """Read no further; what is in flight is still published. From any thread, or a signal handler."""
        self._pipeline.stop()

    def run(self) -> None:
        """Publish the frames of the source. When it ends, each is accounted for, and all is closed.

        Raises:
            SourceError: the source broke, the frames before are published; or it ended, and none could be.
            SinkError: no sink takes frames any more, or one lost some, where every frame counts; or one, or
                where frames give way all of them, left out each scene of a run that was not stopped.
            EngineError: the engine failed, or where frames give way, failed or hung again and again.
        """
        if self._ran:
            raise ConfigError(f"{self.camera}: a node runs once; make a new one, with a new source")
        self._ran = True
        start, process_cpu = time.perf_counter(), time.process_time()
        try:
            with ExitStack() as stack:
                stack.callback(self.source.close)
                for queue in self.queues:
                    stack.callback(queue.close)
                self.life.to(NodeState.ACTIVE)
                self._run()
            self._raise_losses()
            self._check_any_taken()
        except BaseException:
            if self.life.state is not NodeState.ERROR:
                self.life.to(NodeState.ERROR)
            raise
        finally:
            self.life.to(NodeState.FINALIZED)
            self._seconds = time.perf_counter() - start
            self._process_cpu_s = time.process_time() - process_cpu

    def _run(self) -> None:
        capturing = call_in_background(self._pipeline.capture.run, "capture")
        self.supervisor.start()
        self._succeeded_at = time.monotonic()
        try:
            for one in self._in_flight.arrivals():
                self._publish(one)
            capturing.future.result()  # raises what ended the source before its time
            self._whole = not self._pipeline.capture.stopped
            self._check_any_published()
        except BaseException as error:
            self.supervisor.failure = in_words(error)  # the last health says so
            raise
        finally:
            self.stop()
            self._in_flight.release()  # for the frame that capture may hold: its last one
            end_or_leave(capturing.thread, CAPTURE_ENDS_S)
            self.life.to(NodeState.ERROR if self.supervisor.failure else NodeState.INACTIVE)
            self.supervisor.stop()
            self._workers.leave(self._in_flight)
            if self._own_workers:
                self._workers.close()
            self.accounting.abandon()

    def _check_any_published(self) -> None:
        ended = self._whole and (self.accounting.captured or not self.source.live)
        if ended and not self.accounting.published:
            raise SourceError(f"source {self.source.uri}: {self.accounting.losses}")

    def _perceive(self, one: InFlightFrame) -> Scene:
        """In a worker's thread; a live node does not wait for an engine that is being built."""
        if self._freshest and self.perceiver.waits_for:
            return unknown_scene(one.frame, Status.NOT_READY, self.perceiver.classes)
        perceiver = self._at(self._degradation.step)
        if perceiver.ego_misfit(one.frame):  # which is a finding: a camera that changes its size goes on
            perceiver = replace(perceiver, ego_mask=None)
        return perceiver.perceive(one.frame, one.earlier, one.stopwatch)

    def _publish(self, one: InFlightFrame) -> None:
        try:
            scene = one.scene.result()
        except Exception as error:
            if not self._freshest or self.perceiver.cannot_run:
                raise
            self._drop_failed(one, error)
            error.__traceback__ = None  # or the frame and it hold each other: garbage, to be collected
            return
        self._failures, self._succeeded_at = 0, time.monotonic()
        publication, findings = self._postprocess.finish(one.frame, scene, one.stopwatch)
        for queue in self.queues:
            queue.offer(publication)
        self._latest = scene = publication.scene
        self.times.add("end_to_end", scene.age_ms)
        self._counts.add(scene, findings)
        self._monitor.published(findings, time.monotonic_ns())
        self.accounting.publish(scene.sequence, scene.status)
        self._in_flight.release()
        self._on_scene(scene)
        if not self._freshest and self.queues and all(queue.broken for queue in self.queues):
            self._raise_losses()

    def _drop_failed(self, one: InFlightFrame, error: Exception) -> None:
        self._failures += not isinstance(error, HangError)  # the supervisor counts those, in rows
        what = in_words(error)
        message = f"frame {one.frame.sequence}: {what}"
        self.accounting.drop(Drop(one.frame.sequence, DropReason.FAILED, message))
        self._in_flight.release()
        failing_s = time.monotonic() - self._succeeded_at
        if self._failures >= FAILURES and failing_s >= FAILING_S:
            raise EngineError(
                f"engine {self.perceiver.engine.name} failed on {self._failures} frames in a row for "
                f"{failing_s:.0f} s, and is given up; the last one: {what}"
            ) from error
        LOG.warning("%s: a frame is lost: %s", self.camera, what, extra={"event": "frame_failed"})

    def latest(self) -> Scene | None:
        """The newest scene as of now, see `Scene.as_of`; None before the first. From any thread."""
        if self._latest is None:
            return None
        return self._latest.as_of(time.monotonic_ns(), self._pipeline.signal)

    def _raise_losses(self) -> None:
        """Where every frame counts, a sink that lost some is an error."""
        failures = [queue.failure for queue in self.queues if queue.failure is not None]
        if failures and not self._freshest:
            raise failures[0]

    def _check_any_taken(self) -> None:
        """A bus without a peer leaves scenes out on purpose, and yet did nothing of what it was asked to."""
        idle = [state for queue in self.queues if (state := queue.state).lost and not state.written]
        if idle and self._whole and (not self._freshest or len(idle) == len(self.queues)):
            why = ", ".join(f"{count} {reason}" for reason, count in idle[0].lost.items())
            none = f"none of {self.accounting.published} scenes was taken ({why})"
            raise SinkError(f"sink {idle[0].uri}: {none}; start what receives them before the run")

    def report(self, failure: str | None = None) -> Report:
        """What the run came to; after `run` has returned or raised."""
        return report_of(
            self._pipeline,
            self.perceiver,
            self._counts,
            restarts=self.supervisor.restarts,
            seconds=self._seconds,
            process_cpu_s=self._process_cpu_s,
            failure=failure,
        )


def _stepped_down(perceiver: Perceiver, step: Step) -> Perceiver:
    return replace(perceiver, pixel_share=step.pixel_share, labels_only=not step.heads)
