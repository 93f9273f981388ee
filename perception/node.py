"""The loop: a source is read ahead, several frames are perceived at a time, and scenes leave in order.

reader ──frames──▶ workers: denoise, prepare, infer, decode ──scenes, in order──▶ track ──▶ draw ──▶ sinks
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from threading import Event

from perception.decode.lane_tracks import LaneTracker
from perception.decode.tracks import Tracker
from perception.frame import Frame
from perception.in_hand import FramesInHand, InHand
from perception.ledger import Ledger
from perception.overlay import SCENE, PublicationRate, StatusLine, draw
from perception.perceiver import Perceiver
from perception.report import Report, StageReport, Stages, usable_cores
from perception.scene import Scene, Status, unknown_scene
from perception.sinks import Sink
from perception.sources import Drop, Source

STAGES = ("read", "denoise", "prepare", "infer", "decode", "track", "draw", "write", "end_to_end")


class Node:
    """Runs a source through a perceiver into sinks, once, and closes them.

    A recording loses no frame: the reader waits for room. In `realtime` it keeps the recording's pace
    instead, ages count from when a frame was due, and frames give way to fresher ones: one that waits for a
    worker to the next, and one that waits for the sinks once as many fresher ones as `workers` wait too.

    Args:
        perceiver: best loaded with `threads=1`: frames in parallel fill the cores better than threads in one.
        frames: stop after so many captured frames.
        max_age_ms: scenes older than that when published are stale.
        tracks: give instances ids that stay with them from frame to frame, and steady the lanes.
        workers: frames perceived at a time; 0: one for each core.
        on_scene: called with every scene, in order, once the sinks have taken it.
    """

    def __init__(
        self,
        source: Source,
        perceiver: Perceiver,
        sinks: Sequence[Sink],
        *,
        frames: int | None = None,
        max_age_ms: float | None = None,
        realtime: bool = False,
        tracks: bool = True,
        workers: int = 0,
        on_scene: Callable[[Scene], None] = lambda scene: None,
    ) -> None:
        self.source, self.perceiver, self.sinks = source, perceiver, tuple(sinks)
        self.ledger = Ledger()
        self._frames, self._max_age_ms, self._realtime = frames, max_age_ms, realtime
        self._workers = workers or usable_cores()
        self._on_scene = on_scene
        self._trackers = (Tracker(), LaneTracker(perceiver.classes)) if tracks else ()
        self._rate = PublicationRate()
        left_out = {"denoise": perceiver.denoiser is None, "track": not tracks}
        self._stages = Stages(tuple(stage for stage in STAGES if not left_out.get(stage)))
        self._recent: deque[Frame] = deque(maxlen=perceiver.info.input.frames - 1)
        self._in_hand = FramesInHand(self._workers, realtime, self.ledger)
        self._stop = Event()
        self._stale = self._not_ready = 0
        self._seconds = self._process_cpu_s = 0.0

    def stop(self) -> None:
        """Read no further; what is in hand is still published. From any thread, or a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Publish every frame of the source. When it ends, each is accounted for, and all is closed.

        Raises:
            SourceError: the source broke; the frames before are published.
            SinkError: a sink broke; what it took before stays, and the frames in hand are dropped.
            EngineError: the engine failed.
        """
        start, process_cpu = time.perf_counter(), time.process_time()
        try:
            with ExitStack() as stack:
                stack.callback(self.source.close)
                for sink in self.sinks:
                    stack.callback(sink.close)
                self._run()
        finally:
            self._seconds = time.perf_counter() - start
            self._process_cpu_s = time.process_time() - process_cpu

    def _run(self) -> None:
        with (
            ThreadPoolExecutor(1, "reader") as reader,
            ThreadPoolExecutor(self._workers, "worker") as workers,
        ):
            reading = reader.submit(self._read, workers)
            try:
                for in_hand in self._in_hand.arrivals():
                    self._publish(in_hand)
                reading.result()  # raises what ended the source before its time
            finally:
                self._stop.set()
                self._in_hand.release()  # for the frame that the reader may hold: its last one
                wait([reading])
                self.ledger.abandon()

    def _read(self, workers: ThreadPoolExecutor) -> None:
        """In the reader's thread: frames into the hands of the workers, up to the end of the source."""
        try:
            items = iter(self.source)
            start: float | None = None
            latest_ns = 0
            while not self._stop.is_set() and self.ledger.captured != self._frames:
                timings_ms: dict[str, float] = {}
                with self._stages.measure("read", timings_ms):
                    item = next(items, None)
                if item is None:
                    break
                self.ledger.capture(item.sequence)
                if isinstance(item, Drop):
                    self.ledger.drop(item)
                    continue
                captured_at = time.perf_counter()
                if self._realtime:
                    if start is None or item.stamp_ns < latest_ns:  # a spliced recording's clock may run back
                        start = captured_at - item.stamp_ns / 1e9
                    latest_ns, due = item.stamp_ns, start + item.stamp_ns / 1e9
                    self._stop.wait(max(0.0, due - captured_at))
                    captured_at = min(due, time.perf_counter())
                new = InHand(item, self._before(item), captured_at, timings_ms)
                self._in_hand.take_in(new, lambda one: workers.submit(self._perceive, one))
        finally:
            self._in_hand.end()

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

    def _perceive(self, in_hand: InHand) -> Scene:
        """In a worker's thread: `Perceiver.perceive`, each stage measured; in real time without waiting."""
        self._in_hand.begin(in_hand)
        if self._realtime and self.perceiver.waits_for:
            return unknown_scene(in_hand.frame, Status.NOT_READY, in_hand.timings_ms)
        *earlier, frame = *in_hand.earlier, in_hand.frame
        timings_ms = in_hand.timings_ms
        if self.perceiver.denoiser:
            with self._stages.measure("denoise", timings_ms):
                *earlier, frame = (self.perceiver.denoise(one) for one in (*earlier, frame))
        with self._stages.measure("prepare", timings_ms):
            image = self.perceiver.prepare(frame, earlier)
        with self._stages.measure("infer", timings_ms):
            maps = self.perceiver.infer(image)
        with self._stages.measure("decode", timings_ms):
            scene = self.perceiver.decode(frame, maps)
        return replace(scene, timings_ms=timings_ms)

    def _publish(self, in_hand: InHand) -> None:
        frame, scene = in_hand.frame, in_hand.scene.result()
        if self._trackers:
            with self._stages.measure("track", scene.timings_ms):
                for tracker in self._trackers:
                    scene = tracker.update(scene)
        age_ms = 1000 * (time.perf_counter() - in_hand.captured_at)
        late = self._max_age_ms is not None and age_ms > self._max_age_ms
        status = Status.STALE if late and scene.status is Status.OK else scene.status
        scene = replace(scene, age_ms=age_ms, status=status)
        doing = self.perceiver.waits_for if status is Status.NOT_READY else ""
        line = StatusLine(self._rate.count(time.perf_counter()), self.perceiver.engine.name, doing)
        with self._stages.measure("draw", scene.timings_ms):
            overlay = draw(frame, scene, self.perceiver.classes, (*SCENE, line))
        with self._stages.measure("write", {}):
            for sink in self.sinks:
                sink.write(frame, scene, overlay)
        self._stages.add("end_to_end", 1000 * (time.perf_counter() - in_hand.captured_at))
        self._stale += status is Status.STALE
        self._not_ready += status is Status.NOT_READY
        self.ledger.publish(frame.sequence)
        self._in_hand.release()
        self._on_scene(scene)

    def report(self, failure: str | None = None) -> Report:
        """What the run came to; after `run` has returned or raised."""
        ledger, engine = self.ledger, self.perceiver.engine
        latencies = self._stages.latencies
        core_seconds = max(self._seconds * usable_cores(), 1e-9)
        published = max(ledger.published, 1)
        return Report(
            source=self.source.uri,
            sinks=tuple(sink.uri for sink in self.sinks),
            model=self.perceiver.model,
            engine=engine.name,
            engine_reason=engine.reason,
            engines_passed_over=engine.passed_over,
            captured=ledger.captured,
            published=ledger.published,
            stale=self._stale,
            not_ready=self._not_ready,
            dropped={str(reason): count for reason, count in ledger.dropped.items()},
            messages=(*self.perceiver.notes, *self.source.notes, *ledger.messages),
            seconds=self._seconds,
            fps=ledger.published / max(self._seconds, 1e-9),
            cores=usable_cores(),
            cpu_share=sum(latency.cpu_s for latency in latencies.values()) / core_seconds,
            process_cpu_share=self._process_cpu_s / core_seconds,
            stages={
                name: StageReport(
                    latency.percentile(50),
                    latency.percentile(95),
                    latency.percentile(99),
                    None if name == "end_to_end" else 1000 * latency.cpu_s / published,
                )
                for name, latency in latencies.items()
            },
            failure=failure,
        )
