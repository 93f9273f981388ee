"""The loop: a source is read, several frames are perceived at a time, and scenes leave in order.

reader ──frames──▶ workers: denoise, prepare, infer, decode ──scenes, in order──▶ check, track, draw ──▶
outlets
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from perception.engines.background import call_in_background
from perception.engines.machine import usable_cores
from perception.errors import EngineError, PerceptionError
from perception.frame import Drop, DropReason
from perception.health.degradation import STEPS, Step
from perception.health.latency import Latency, Stages
from perception.health.lifecycle import LifeCycle
from perception.health.types import Health, Level, NodeState, Signal
from perception.node.accounting import Accounting
from perception.node.capture import Capture
from perception.node.in_flight import FramesInFlight, InFlightFrame
from perception.node.postprocess import Postprocess
from perception.node.report import Report, stage_reports
from perception.node.supervisor import Supervisor
from perception.node.worker_pool import WorkerPool
from perception.perceiver import Perceiver
from perception.scene import Scene, Status, unknown_scene
from perception.sinks.base import Publication
from perception.sinks.queue import SinkQueue
from perception.sources.base import Source, is_live
from perception.types import Policy

LOG = logging.getLogger("perception.node")

STAGES = (
    "read", "denoise", "prepare", "infer", "decode", "check", "track", "draw", "write", "end_to_end",
)  # fmt: skip
NO_OVERLAY = np.empty((0, 0, 3), np.uint8)
LIVE_MAX_AGE_MS = 250.0  # a car at 50 km/h has gone 3.5 m by then
FAILURES, FAILING_S = 10, 3.0  # frames in a row, and seconds, that the engine fails before it is given up


class Node:
    """Runs a source through a perceiver into outlets, once, and closes them.

    With `Policy.EVERY_FRAME`, as recordings have it, no frame is lost: who gives waits for who takes, and
    what breaks ends the run. With `Policy.FRESHEST`, as live sources have it, frames give way to fresher
    ones; a frame that the engine fails on is dropped, and so is a worker that hangs; a camera that is
    silent is waited for. A watch tells the outlets of the node's health each second, and at once when it
    changes.

    Args:
        perceiver: best loaded with `threads=1`: frames in parallel fill the cores better than threads in one.
        camera: its name, for people.
        policy: what gives way; None: as the source has it.
        frames: stop after so many captured frames.
        max_age_ms: scenes older than that when published are stale; None: never, or LIVE_MAX_AGE_MS.
        min_rate: scenes a second below which quality is stepped down, where frames give way; 0: never.
        give_up_s: seconds without a frame from a live source after which the run ends; None: never.
        hang_s: seconds in the engine after which a frame is given up.
        tracks: give instances ids that stay with them from frame to frame, and steady the lanes.
        workers: frames perceived at a time, or threads that are shared with other nodes; 0: one for each
        core.
        folders: health tells when their disks fill up.
        on_scene: called with every scene, in order, once it is handed to the outlets.
        on_health: called with what the outlets are told.
    """

    def __init__(
        self,
        source: Source,
        perceiver: Perceiver,
        outlets: Sequence[SinkQueue],
        *,
        camera: str = "front",
        policy: Policy | None = None,
        frames: int | None = None,
        max_age_ms: float | None = None,
        min_rate: float = 10.0,
        give_up_s: float | None = None,
        hang_s: float = 5.0,
        tracks: bool = True,
        workers: int | WorkerPool = 0,
        folders: Sequence[Path] = (),
        on_scene: Callable[[Scene], None] = lambda scene: None,
        on_health: Callable[[Health], None] = lambda health: None,
    ) -> None:
        self.source, self.perceiver, self.outlets, self.camera = source, perceiver, tuple(outlets), camera
        self.policy = policy or (Policy.FRESHEST if source.live else Policy.EVERY_FRAME)
        self.ledger, self.life = Accounting(), LifeCycle()
        self._freshest = self.policy is Policy.FRESHEST
        self._max_age_ms = max_age_ms or (LIVE_MAX_AGE_MS if source.live else None)
        self._on_scene = on_scene
        left_out = {"denoise": perceiver.denoiser is None, "track": not tracks}
        self.stages = Stages(tuple(stage for stage in STAGES if not left_out.get(stage)))
        self._own_workers = not isinstance(workers, WorkerPool)
        self._workers = workers if isinstance(workers, WorkerPool) else WorkerPool(workers or usable_cores())
        self._in_hand = FramesInFlight(self._workers.count, self.policy, self.ledger)
        self.watch = Supervisor(
            camera,
            source,
            ledger=self.ledger,
            life=self.life,
            outlets=self.outlets,
            workers=self._workers,
            freshest=self._freshest,
            max_age_ms=self._max_age_ms,
            min_rate=min_rate,
            give_up_s=give_up_s,
            hang_s=hang_s,
            folders=folders,
            restarts=self._restarts,
            on_fatal=self._abort,
            on_health=on_health,
        )
        self._reader = Capture(
            source,
            self.ledger,
            self._in_hand,
            self.stages,
            history=perceiver.info.input.frames - 1,
            frames=frames,
            every=lambda: self.watch.step.every,
            on_frame=self.watch.arrived,
        )
        self._at = cache(lambda step: perceiver if step == STEPS[0] else _stepped_down(perceiver, step))
        self._finishing = Postprocess(perceiver, self.stages, max_age_ms=self._max_age_ms, tracks=tracks)
        self._latest: tuple[InFlightFrame, Scene] | None = None
        self._failures, self._succeeded_at = 0, 0.0
        self._found: Counter[str] = Counter()
        self._counts = dict.fromkeys(Status, 0)
        self._seconds = self._process_cpu_s = 0.0
        self.life.to(NodeState.INACTIVE)

    def stop(self) -> None:
        """Read no further; what is in hand is still published. From any thread, or a signal handler."""
        self._reader.stop()
        if is_live(self.source):
            self.source.stop()

    def run(self) -> None:
        """Publish the frames of the source. When it ends, each is accounted for, and all is closed.

        Raises:
            SourceError: the source broke; the frames before are published.
            SinkError: no outlet takes frames any more, or one lost some, where every frame counts.
            EngineError: the engine failed, or where frames give way, failed or hung again and again.
        """
        start, process_cpu = time.perf_counter(), time.process_time()
        try:
            with ExitStack() as stack:
                stack.callback(self.source.close)
                for outlet in self.outlets:
                    stack.callback(outlet.close)
                self.life.to(NodeState.ACTIVE)
                self._run()
            self._raise_losses()
        except BaseException:
            self.life.to(NodeState.ERROR)
            raise
        finally:
            self.life.to(NodeState.FINALIZED)
            self._seconds = time.perf_counter() - start
            self._process_cpu_s = time.process_time() - process_cpu

    def _run(self) -> None:
        reading = call_in_background(lambda: self._reader.run(self._take), "reader")
        self.watch.start()
        self._succeeded_at = time.monotonic()
        try:
            for in_hand in self._in_hand.arrivals():
                self._publish(in_hand)
            self.watch.raise_fatal()
            reading.future.result()  # raises what ended the source before its time
        finally:
            self.stop()
            self._in_hand.release()  # for the frame that the reader may hold: its last one
            if not self.watch.reader_hangs:
                reading.thread.join()
            self.life.to(NodeState.INACTIVE)
            self.watch.stop()
            if self._own_workers:
                self._workers.close()
            self.ledger.abandon()

    def _take(self, in_hand: InFlightFrame) -> None:
        self._in_hand.take_in(in_hand, lambda one: self._workers.submit(self._perceive, one))

    def _restarts(self) -> int:
        return self.watch.hangs + self._reader.restarts

    def _abort(self) -> None:
        """End the run without what is in hand: it may never come. From any thread."""
        self.stop()
        self._in_hand.end(at_once=True)

    def _perceive(self, in_hand: InFlightFrame) -> Scene:
        """In a worker's thread: `Perceiver.perceive`, each stage measured; a live node does not wait."""
        self._in_hand.begin(in_hand)
        if self._freshest and self.perceiver.waits_for:
            return unknown_scene(in_hand.frame, Status.NOT_READY, in_hand.timings_ms)
        perceiver = self._at(self.watch.step)
        *earlier, frame = *in_hand.earlier, in_hand.frame
        timings_ms = in_hand.timings_ms
        if perceiver.denoiser:
            with self.stages.measure("denoise", timings_ms):
                *earlier, frame = (perceiver.denoise(one) for one in (*earlier, frame))
        with self.stages.measure("prepare", timings_ms):
            image = perceiver.prepare(frame, earlier)
        with self.stages.measure("infer", timings_ms):
            maps = perceiver.infer(image)
        with self.stages.measure("decode", timings_ms):
            scene = perceiver.decode(frame, maps)
        return replace(scene, timings_ms=timings_ms)

    def _publish(self, in_hand: InFlightFrame) -> None:
        try:
            in_hand.scene.result()
        except Exception as error:
            if not self._freshest or self.perceiver.cannot_run:
                raise
            self._drop_failed(in_hand, error)
            return
        self._failures, self._succeeded_at = 0, time.monotonic()
        scene, findings = self._finishing.finish(in_hand)
        wanted = any(outlet.wants_overlay for outlet in self.outlets)
        overlay = self._finishing.overlay(in_hand.frame, scene) if wanted else NO_OVERLAY
        for outlet in self.outlets:
            outlet.offer(Publication(in_hand.frame, scene, overlay))
        self._latest = in_hand, scene
        self.stages.add("end_to_end", (time.monotonic_ns() - in_hand.host_ns) / 1e6)
        self._counts[scene.status] += 1
        self._found.update(one.name for one in findings if one.level is Level.ERROR)
        self.watch.published(scene, findings)
        self.ledger.publish(in_hand.frame.sequence)
        self._in_hand.release()
        self._on_scene(scene)
        if not self._freshest and self.outlets and all(outlet.broken for outlet in self.outlets):
            self._raise_losses()

    def _drop_failed(self, in_hand: InFlightFrame, error: Exception) -> None:
        sequence = in_hand.frame.sequence
        self._failures += 1
        what = str(error) if isinstance(error, PerceptionError) else f"{type(error).__name__}: {error}"
        self.ledger.drop(Drop(sequence, DropReason.FAILED, f"frame {sequence}: {what}"))
        self._in_hand.release()
        failing_s = time.monotonic() - self._succeeded_at
        if self._failures >= FAILURES and failing_s >= FAILING_S:
            raise EngineError(
                f"engine {self.perceiver.engine.name} failed on {self._failures} frames in a row for "
                f"{failing_s:.0f} s, and is given up; the last one: {what}"
            ) from error
        LOG.warning("%s: a frame is lost: %s", self.camera, what, extra={"event": "frame_failed"})

    def latest(self) -> Scene | None:
        """The newest scene, with its age and status as of now; None before the first. From any thread.

        It is stale once it is too old, and where the camera has been silent for too long, all of it is
        unknown.
        """
        if self._latest is None:
            return None
        in_hand, scene = self._latest
        if self.source.live and self.watch.signal is Signal.NO_SIGNAL:
            scene = unknown_scene(in_hand.frame, Status.NO_SIGNAL, {})
        return self._finishing.aged(scene, in_hand.host_ns)

    def _raise_losses(self) -> None:
        """Where every frame counts, a sink that lost some is an error."""
        if not self._freshest:
            for outlet in self.outlets:
                if outlet.failure is not None:
                    raise outlet.failure

    def report(self, failure: str | None = None) -> Report:
        """What the run came to; after `run` has returned or raised."""
        ledger, engine = self.ledger, self.perceiver.engine.info
        writing = Latency()
        for outlet in self.outlets:
            writing.merge(outlet.writing)
        latencies = self.stages.latencies | {"write": writing}
        core_seconds = max(self._seconds * usable_cores(), 1e-9)
        return Report(
            camera=self.camera,
            source=self.source.uri,
            sinks=tuple(outlet.state for outlet in self.outlets),
            model=self.perceiver.model,
            engine=engine.name if engine else self.perceiver.engine.name,
            engine_reason=engine.reason if engine else "not ready yet",
            engines_passed_over=engine.passed_over if engine else (),
            captured=ledger.captured,
            published=ledger.published,
            stale=self._counts[Status.STALE],
            not_ready=self._counts[Status.NOT_READY],
            unreliable=self._counts[Status.UNRELIABLE],
            findings=dict(self._found),
            dropped={str(reason): count for reason, count in ledger.dropped.items()},
            connections=self.source.link.connections if is_live(self.source) else 0,
            restarts=self._restarts(),
            messages=(*self.perceiver.notes, *self.source.notes, *ledger.messages),
            seconds=self._seconds,
            fps=ledger.published / max(self._seconds, 1e-9),
            cores=usable_cores(),
            cpu_share=sum(latency.cpu_s for latency in latencies.values()) / core_seconds,
            process_cpu_share=self._process_cpu_s / core_seconds,
            stages=stage_reports(latencies, ledger.published),
            failure=failure,
        )


def _stepped_down(perceiver: Perceiver, step: Step) -> Perceiver:
    return replace(perceiver, pixel_share=step.pixel_share, labels_only=not step.heads)
