"""The loop: a source is read ahead, several frames are perceived at a time, and scenes leave in order.

reader thread ──frames──▶ workers: prepare, infer, decode ──scenes, in order──▶ track ──▶ draw ──▶ sinks
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Event, Semaphore

from perception.decode.tracks import Tracker
from perception.frame import Frame
from perception.ledger import Ledger
from perception.overlay import draw
from perception.perceiver import Perceiver
from perception.report import Report, StageReport, Stages, usable_cores
from perception.scene import Scene, Status
from perception.sinks import Sink
from perception.sources import Drop, DropReason, Source

STAGES = ("read", "prepare", "infer", "decode", "track", "draw", "write", "end_to_end")


@dataclass(frozen=True, slots=True)
class _InHand:
    """A frame on its way, with the time it was read and the scene to come."""

    frame: Frame
    read_at: float
    scene: Future[Scene]


class Node:
    """Runs a source through a perceiver into sinks, once, and closes them.

    A recording loses no frame: the reader waits for room. In `realtime` it keeps the recording's pace
    instead, and a frame that waits for a worker gives way to a fresher one.

    Args:
        perceiver: best loaded with `threads=1`: frames in parallel fill the cores better than threads in one.
        frames: stop after so many captured frames.
        max_age_ms: scenes older than that when published are stale.
        tracks: give instances ids that stay with them from frame to frame.
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
        self._tracker = Tracker() if tracks else None
        self._stages = Stages(tuple(stage for stage in STAGES if tracks or stage != "track"))
        self._in_hand: SimpleQueue[_InHand | None] = SimpleQueue()
        self._room = Semaphore(2 * self._workers)  # bounds the frames in hand, and so the memory
        self._stop = Event()
        self._ended = False
        self._stale = 0
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
                for in_hand in self._arrivals():
                    self._publish(in_hand)
                reading.result()  # raises what ended the source before its time
            finally:
                self._stop.set()
                for _ in self._arrivals():  # let the reader come to its end
                    self._room.release()
                self.ledger.abandon()

    def _read(self, workers: ThreadPoolExecutor) -> None:
        """In the reader's thread: frames into the hands of the workers, up to the end of the source."""
        try:
            items = iter(self.source)
            newest: Future[Scene] | None = None
            start: float | None = None
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
                if self._realtime:
                    start = time.perf_counter() - item.stamp_ns / 1e9 if start is None else start
                    self._stop.wait(max(0.0, start + item.stamp_ns / 1e9 - time.perf_counter()))
                if not self._make_room(newest):
                    self.ledger.drop(_superseded(item))
                    continue
                newest = workers.submit(self._perceive, item, timings_ms)
                self._in_hand.put(_InHand(item, time.perf_counter(), newest))
        finally:
            self._in_hand.put(None)

    def _make_room(self, newest: Future[Scene] | None) -> bool:
        """Whether one more frame may come in; in real time it takes the place of one that still waits."""
        if not self._realtime:
            return self._room.acquire()
        return (newest is not None and newest.cancel()) or self._room.acquire(blocking=False)

    def _perceive(self, frame: Frame, timings_ms: dict[str, float]) -> Scene:
        """In a worker's thread: `Perceiver.perceive`, each stage measured."""
        with self._stages.measure("prepare", timings_ms):
            image = self.perceiver.prepare(frame)
        with self._stages.measure("infer", timings_ms):
            maps = self.perceiver.infer(image)
        with self._stages.measure("decode", timings_ms):
            scene = self.perceiver.decode(frame, maps)
        return replace(scene, timings_ms=timings_ms)

    def _arrivals(self) -> Iterator[_InHand]:
        """Frames in hand in the order of their capture, until the reader has ended."""
        while not self._ended:
            in_hand = self._in_hand.get()
            if in_hand is None:
                self._ended = True
            else:
                yield in_hand

    def _publish(self, in_hand: _InHand) -> None:
        frame = in_hand.frame
        try:
            scene = in_hand.scene.result()
        except CancelledError:  # its room is the fresher frame's now
            self.ledger.drop(_superseded(frame))
            return
        if self._tracker:
            with self._stages.measure("track", scene.timings_ms):
                scene = self._tracker.update(scene)
        age_ms = 1000 * (time.perf_counter() - in_hand.read_at)
        stale = self._max_age_ms is not None and age_ms > self._max_age_ms
        scene = replace(scene, age_ms=age_ms, status=Status.STALE if stale else scene.status)
        with self._stages.measure("draw", scene.timings_ms):
            overlay = draw(frame, scene, self.perceiver.classes)
        with self._stages.measure("write", {}):
            for sink in self.sinks:
                sink.write(frame, scene, overlay)
        self._stages.add("end_to_end", 1000 * (time.perf_counter() - in_hand.read_at))
        self._stale += stale
        self.ledger.publish(frame.sequence)
        self._room.release()
        self._on_scene(scene)

    def report(self, failure: str | None = None) -> Report:
        """What the run came to; after `run` has returned or raised."""
        ledger, engine, bundle = self.ledger, self.perceiver.engine, self.perceiver.bundle.info
        latencies = self._stages.latencies
        core_seconds = max(self._seconds * usable_cores(), 1e-9)
        published = max(ledger.published, 1)
        return Report(
            source=self.source.uri,
            sinks=tuple(sink.uri for sink in self.sinks),
            model=f"{bundle.name} {bundle.version}",
            engine=engine.name,
            engine_reason=engine.reason,
            captured=ledger.captured,
            published=ledger.published,
            stale=self._stale,
            dropped={str(reason): count for reason, count in ledger.dropped.items()},
            messages=(*self.source.notes, *ledger.messages),
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


def _superseded(frame: Frame) -> Drop:
    return Drop(
        frame.sequence, DropReason.SUPERSEDED, f"frame {frame.sequence}: a fresher one took its place"
    )
