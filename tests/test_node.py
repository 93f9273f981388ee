"""The loop: order, completeness, overlap, and what happens when something breaks."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media import passing, picture, truth

from perception.bundle import Bundle
from perception.errors import EngineError, PerceptionError, SinkError, SourceError
from perception.frame import Frame
from perception.node import STAGES, Node
from perception.perceiver import Perceiver
from perception.scene import Scene, Status
from perception.sources import Drop, DropReason

HEIGHT, WIDTH = 64, 96


@dataclass
class ListSource:
    """Frames, drops, and errors to raise, in turn."""

    items: list[Frame | Drop | PerceptionError]
    uri: str = "list"
    rate: float = 25.0
    length: int | None = None
    notes: list[str] = field(default_factory=list)
    read: int = 0
    closed: bool = False

    def __iter__(self) -> Iterator[Frame | Drop]:
        for item in self.items:
            if isinstance(item, PerceptionError):
                raise item
            self.read += 1
            yield item

    def close(self) -> None:
        self.closed = True


@dataclass
class ListSink:
    """Keeps scenes; fails at one if told to."""

    uri: str = "list"
    fail_at: int | None = None
    slow_s: float = 0.0
    scenes: list[Scene] = field(default_factory=list)
    closed: bool = False

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        assert overlay.shape == frame.image.shape
        assert frame.sequence == scene.sequence
        if len(self.scenes) == self.fail_at:
            raise SinkError("sink list: the disk is full")
        time.sleep(self.slow_s)
        self.scenes.append(scene)

    def close(self) -> None:
        self.closed = True

    @property
    def sequences(self) -> list[int]:
        return [scene.sequence for scene in self.scenes]


class WatchedEngine:
    """The real engine; calls `before` ahead of every run and counts how many run at once."""

    name, reason = "watched", "for a test"

    def __init__(self, engine: Any, before: Callable[[int], None]) -> None:
        self.engine, self.before = engine, before
        self.lock = threading.Lock()
        self.runs = self.at_once = self.most_at_once = 0

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        with self.lock:
            run = self.runs
            self.runs += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.before(run)
            return self.engine.run(image)
        finally:
            with self.lock:
                self.at_once -= 1


@pytest.fixture(scope="module")
def perceiver(colour_bundle: Bundle) -> Perceiver:
    return Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)


def frame(sequence: int, period_ms: int = 40) -> Frame:
    return Frame(picture(sequence, HEIGHT, WIDTH), period_ms * 1_000_000 * sequence, sequence=sequence)


def frames(count: int, period_ms: int = 40) -> list[Frame | Drop | PerceptionError]:
    return [frame(sequence, period_ms) for sequence in range(count)]


def watched(perceiver: Perceiver, before: Callable[[int], None]) -> tuple[Perceiver, WatchedEngine]:
    engine = WatchedEngine(perceiver.engine, before)
    return replace(perceiver, engine=engine), engine


def reconciles(node: Node) -> bool:
    ledger = node.ledger
    return ledger.in_hand == 0 and ledger.captured == ledger.published + ledger.dropped.total()


def test_a_recording_loses_nothing_and_comes_out_in_order(perceiver):
    """Workers finish in any order; scenes come in the frames', each with its own frame's labels."""
    pauses = np.random.default_rng(1).uniform(0, 0.02, 40)
    all_four = threading.Barrier(4)

    def pause(run: int) -> None:
        if run < 4:
            all_four.wait(20)  # passes only with four frames in the network at a time
        time.sleep(pauses[run])

    slow, engine = watched(perceiver, pause)
    source, sink = ListSource(frames(40)), ListSink()
    node = Node(source, slow, [sink], workers=4)
    node.run()
    assert sink.sequences == list(range(40))
    for scene in sink.scenes:
        bands = [int(scene.labels[32, x]) for x in range(4, 96, 8)]
        assert bands == [int(label) for label in truth(scene.sequence, HEIGHT, WIDTH)[32, 4:96:8]]
        assert scene.stamp_ns == 40_000_000 * scene.sequence
        assert scene.status is Status.OK
        assert set(scene.timings_ms) == {"read", "prepare", "infer", "decode", "track", "draw"}
    assert engine.most_at_once == 4
    assert (node.ledger.captured, node.ledger.published) == (40, 40)
    assert reconciles(node)
    assert source.closed and sink.closed


@pytest.mark.parametrize("workers", [1, 4])
def test_road_users_are_tracked_in_the_order_of_the_frames(perceiver, workers):
    """A vehicle that passes keeps its id, also when later frames are perceived before earlier ones."""
    pauses = np.random.default_rng(2).uniform(0, 0.02, 20)
    slow, _ = watched(perceiver, lambda run: time.sleep(pauses[run]))
    items = [replace(frame(k), image=passing(k, HEIGHT, WIDTH)) for k in range(20)]
    sink = ListSink()
    Node(ListSource(items), slow, [sink], workers=workers).run()
    assert [[one.track for one in scene.instances] for scene in sink.scenes] == [[1]] * 20


def test_without_tracks_no_instance_has_one(perceiver):
    items = [replace(frame(k), image=passing(k, HEIGHT, WIDTH)) for k in range(3)]
    sink = ListSink()
    node = Node(ListSource(items), perceiver, [sink], tracks=False)
    node.run()
    assert [[one.track for one in scene.instances] for scene in sink.scenes] == [[None]] * 3
    assert "track" not in sink.scenes[0].timings_ms
    assert tuple(node.report().stages) == tuple(stage for stage in STAGES if stage != "track")


def test_reading_ahead_is_bounded(perceiver):
    gate = threading.Event()
    held, _ = watched(perceiver, lambda run: gate.wait(60))
    source = ListSource(frames(100))
    node = Node(source, held, [], workers=2)
    running = threading.Thread(target=node.run)
    running.start()
    deadline = time.monotonic() + 20
    while source.read < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    ahead = source.read
    gate.set()
    running.join(60)
    assert ahead == 5  # twice the workers, and one that waits for room
    assert node.ledger.published == 100


def test_same_labels_with_any_number_of_workers(perceiver):
    def labels(workers: int) -> bytes:
        sink = ListSink()
        Node(ListSource(frames(12)), perceiver, [sink], workers=workers).run()
        return b"".join(scene.labels.tobytes() + scene.instance_map.tobytes() for scene in sink.scenes)

    assert labels(1) == labels(3)


def test_frames_limits_what_is_captured(perceiver):
    source, sink = ListSource(frames(50)), ListSink()
    node = Node(source, perceiver, [sink], frames=7)
    node.run()
    assert sink.sequences == list(range(7))
    assert source.read == 7
    assert reconciles(node)


def test_undecodable_frames_are_dropped_by_name(perceiver):
    items = frames(6)
    items[2] = Drop(2, DropReason.UNDECODABLE, "a/0002.png: empty file")
    sink = ListSink()
    node = Node(ListSource(items), perceiver, [sink])
    node.run()
    assert sink.sequences == [0, 1, 3, 4, 5]
    report = node.report()
    assert (report.captured, report.published, report.dropped) == (6, 5, {"undecodable": 1})
    assert "a/0002.png: empty file" in report.messages


def test_a_source_that_breaks_keeps_the_frames_before(perceiver):
    source, sink = ListSource([*frames(9), SourceError("source list: cut off")]), ListSink()
    node = Node(source, perceiver, [sink])
    with pytest.raises(SourceError, match="cut off"):
        node.run()
    assert sink.sequences == list(range(9))
    assert node.ledger.published == 9
    assert reconciles(node)
    assert source.closed and sink.closed


def test_a_sink_that_breaks_ends_the_run_and_closes_all(perceiver):
    good, bad, source = ListSink(), ListSink(fail_at=3), ListSource(frames(60))
    node = Node(source, perceiver, [good, bad], workers=2)
    with pytest.raises(SinkError, match="disk is full"):
        node.run()
    assert bad.sequences == [0, 1, 2]
    assert node.ledger.published == 3
    assert node.ledger.dropped[DropReason.STOPPED] == node.ledger.captured - 3 > 0
    assert source.read < 20
    assert reconciles(node)
    assert source.closed and good.closed and bad.closed


def test_an_engine_that_breaks_ends_the_run_after_the_frames_before(perceiver):
    def fail(run: int) -> None:
        if run == 5:
            raise EngineError("engine watched: out of memory")

    broken, _ = watched(perceiver, fail)
    source, sink = ListSource(frames(60)), ListSink()
    node = Node(source, broken, [sink], workers=1)
    with pytest.raises(EngineError, match="out of memory"):
        node.run()
    assert sink.sequences == [0, 1, 2, 3, 4]
    assert reconciles(node)
    assert source.closed and sink.closed


def test_stop_publishes_what_is_in_hand(perceiver):
    source, sink = ListSource(frames(500)), ListSink()
    node = Node(source, perceiver, [sink], workers=2, on_scene=lambda scene: stop(scene.sequence))

    def stop(sequence: int) -> None:
        if sequence == 4:
            node.stop()

    node.run()
    assert 5 <= len(sink.scenes) <= 12
    assert sink.sequences == list(range(source.read))
    assert reconciles(node) and not node.ledger.dropped


def test_old_scenes_are_published_as_stale(perceiver):
    slow, _ = watched(perceiver, lambda run: time.sleep(0.08 if run == 2 else 0))
    sink = ListSink()
    node = Node(ListSource(frames(5)), slow, [sink], workers=1, max_age_ms=1e6)
    node.run()
    assert {scene.status for scene in sink.scenes} == {Status.OK}

    sink = ListSink()
    node = Node(ListSource(frames(3)), perceiver, [sink], max_age_ms=1e-3)
    node.run()
    assert {scene.status for scene in sink.scenes} == {Status.STALE}
    assert all(scene.age_ms > 1e-3 for scene in sink.scenes)
    assert node.report().stale == 3


def test_real_time_keeps_the_pace_and_the_freshest_frames(perceiver):
    """A network of 50 ms behind frames of 10 ms: about a fifth is published, up to the end."""
    slow, _ = watched(perceiver, lambda run: time.sleep(0.05))
    sink = ListSink()
    node = Node(ListSource(frames(60, period_ms=10)), slow, [sink], workers=1, realtime=True)
    node.run()
    report = node.report()
    assert report.seconds > 0.55
    assert report.dropped["superseded"] == 60 - report.published > 20
    assert sink.sequences == sorted(set(sink.sequences))
    assert sink.sequences[-1] > 50
    assert reconciles(node)


def test_real_time_with_a_slow_sink_drops_too(perceiver):
    sink = ListSink(slow_s=0.05)
    node = Node(ListSource(frames(50, period_ms=10)), perceiver, [sink], workers=1, realtime=True)
    node.run()
    assert node.ledger.dropped[DropReason.SUPERSEDED] > 10
    assert sink.sequences == sorted(set(sink.sequences))
    assert reconciles(node)


def test_real_time_drops_nothing_that_can_be_kept_up_with(perceiver):
    sink = ListSink()
    node = Node(ListSource(frames(4, period_ms=400)), perceiver, [sink], workers=2, realtime=True)
    node.run()
    assert sink.sequences == list(range(4))
    assert node.report().seconds >= 1.2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from("ffffffd"), max_size=20),
    ending=st.sampled_from(["end", "source", "engine", "sink"]),
    workers=st.integers(1, 4),
    realtime=st.booleans(),
)
def test_every_frame_is_accounted_for_however_it_ends(perceiver, kinds, ending, workers, realtime):
    items = [
        frame(i, 1) if kind == "f" else Drop(i, DropReason.UNDECODABLE, f"{i}")
        for i, kind in enumerate(kinds)
    ]
    if ending == "source":
        items.append(SourceError("cut off"))

    def fail(run: int) -> None:
        if ending == "engine" and run == 3:
            raise EngineError("broken")

    broken, _ = watched(perceiver, fail)
    sink = ListSink(fail_at=3 if ending == "sink" else None)
    node = Node(ListSource(items), broken, [sink], workers=workers, realtime=realtime)
    with suppress(PerceptionError):
        node.run()
    assert reconciles(node)
    assert sink.sequences == sorted(sink.sequences)
    assert node.ledger.published == len(sink.scenes)
    if ending in {"end", "source"}:
        assert node.ledger.captured == len(kinds)
        assert node.ledger.dropped[DropReason.UNDECODABLE] == kinds.count("d")
        if not realtime:
            assert node.ledger.published == kinds.count("f")


def test_report_tells_all(perceiver):
    node = Node(ListSource(frames(20), notes=["passed over 2 files"]), perceiver, [ListSink()])
    node.run()
    report = node.report("told")
    assert report.model == "colour 1"
    assert (report.engine, report.engine_reason) == ("onnx-cpu", "asked for")
    assert tuple(report.stages) == STAGES
    for stage in report.stages.values():
        assert 0 < stage.p50 <= stage.p95 <= stage.p99 < 10_000
    assert report.stages["end_to_end"].p50 > report.stages["infer"].p50
    assert 0 < report.cpu_share <= report.process_cpu_share * 1.02
    assert report.fps == pytest.approx(20 / report.seconds)
    assert report.as_json()["stages"]["infer"]["p50"] == report.stages["infer"].p50
    assert report.as_json()["failure"] == "told"
    assert "passed over 2 files" in report.messages
