"""The loop: order, completeness, overlap, and what happens when something breaks."""

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines.base import Engine, EngineInfo
from perception.errors import EngineError, PerceptionError, SinkError, SourceError
from perception.frame import Drop, DropReason, Frame
from perception.health.types import Health
from perception.node.node import STAGES, Node
from perception.perceiver import Perceiver
from perception.scene import Scene, Status
from perception.sinks.base import Sink
from perception.sinks.queue import SinkQueue
from perception.sources.base import Source
from perception.sources.paced import PacedSource
from perception.types import Policy
from tests.media import passing, picture, truth

HEIGHT, WIDTH = 64, 96


@dataclass
class ListSource:
    """Frames, drops, and errors to raise, in turn."""

    items: Sequence[Frame | Drop | PerceptionError]
    uri: str = "list"
    live: bool = False
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


class LazySource(ListSource):
    """Frames that are made as they are asked for."""

    def __init__(self, lazy: Iterator[Frame]) -> None:
        super().__init__([])
        self.lazy = lazy

    def __iter__(self) -> Iterator[Frame | Drop]:
        return self.lazy


@dataclass
class ListSink:
    """Keeps scenes; fails at one if told to."""

    uri: str = "list"
    wants_overlay: bool = True
    fail_at: int | None = None
    before: Callable[[], object] = lambda: None
    scenes: list[Scene] = field(default_factory=list)
    closed: bool = False

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        assert overlay.shape == frame.image.shape
        assert frame.sequence == scene.sequence
        if len(self.scenes) == self.fail_at:
            raise SinkError("sink list: the disk is full")
        self.before()
        self.scenes.append(scene)

    def write_health(self, health: Health) -> None:
        """It keeps scenes only."""

    def close(self) -> None:
        self.closed = True

    @property
    def sequences(self) -> list[int]:
        return [scene.sequence for scene in self.scenes]


class WatchedEngine:
    """The real engine; calls `before` ahead of every run and counts how many run at once."""

    name = "watched"
    info = EngineInfo(name, Precision.FLOAT32, "for a test")

    def __init__(self, engine: Engine, before: Callable[[int], object]) -> None:
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


def _same(sink: Sink) -> Sink:
    return sink


def make_node(
    source: Source, perceiver: Perceiver, sinks: Sequence[Sink], *, realtime: bool = False, **options: Any
) -> Node:
    """A node with an outlet for each sink; `realtime`: at the source's pace, the freshest frame counts."""
    source = PacedSource(source, "front") if realtime else source
    policy = Policy.FRESHEST if realtime else Policy.EVERY_FRAME
    outlets = [SinkQueue(sink.uri, partial(_same, sink), policy) for sink in sinks]
    return Node(source, perceiver, outlets, **options)


@pytest.fixture(scope="module")
def perceiver(colour_bundle: Bundle) -> Perceiver:
    return Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)


def frame(sequence: int, period_ms: int = 40) -> Frame:
    return Frame(picture(sequence, HEIGHT, WIDTH), period_ms * 1_000_000 * sequence, sequence=sequence)


def frames(count: int, period_ms: int = 40) -> list[Frame | Drop | PerceptionError]:
    return [frame(sequence, period_ms) for sequence in range(count)]


def watched(perceiver: Perceiver, before: Callable[[int], object]) -> tuple[Perceiver, WatchedEngine]:
    engine = WatchedEngine(perceiver.engine, before)
    return replace(perceiver, engine=engine), engine


def until(true: Callable[[], bool]) -> None:
    """Wait for it, however slow the machine is."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def reconciles(node: Node) -> bool:
    account = node.accounting.account()
    return account.in_flight == 0 and account.captured == account.published + sum(account.dropped.values())


def test_a_recording_loses_nothing_and_comes_out_in_order(perceiver: Perceiver) -> None:
    """Workers finish in any order; scenes come in the frames', each with its own frame's labels."""
    pauses = np.random.default_rng(1).uniform(0, 0.02, 40)
    all_four = threading.Barrier(4)

    def pause(run: int) -> None:
        if run < 4:
            all_four.wait(20)  # passes only with four frames in the network at a time
        time.sleep(pauses[run])

    slow, engine = watched(perceiver, pause)
    source, sink = ListSource(frames(40)), ListSink()
    node = make_node(source, slow, [sink], workers=4)
    node.run()
    assert sink.sequences == list(range(40))
    for scene in sink.scenes:
        bands = [int(scene.labels[32, x]) for x in range(4, 96, 8)]
        assert bands == [int(label) for label in truth(scene.sequence, HEIGHT, WIDTH)[32, 4:96:8]]
        assert scene.stamp_ns == 40_000_000 * scene.sequence
        assert scene.status is Status.OK
        assert set(scene.timings_ms) == {"read", "prepare", "infer", "decode", "check", "track", "draw"}
    assert engine.most_at_once == 4
    assert (node.accounting.captured, node.accounting.published) == (40, 40)
    assert reconciles(node)
    assert source.closed and sink.closed


@pytest.mark.parametrize("workers", [1, 4])
def test_road_users_are_tracked_in_the_order_of_the_frames(perceiver: Perceiver, workers: int) -> None:
    """A vehicle that passes keeps its id, also when later frames are perceived before earlier ones."""
    pauses = np.random.default_rng(2).uniform(0, 0.02, 20)
    slow, _ = watched(perceiver, lambda run: time.sleep(pauses[run]))
    items = [replace(frame(k), pixels=passing(k, HEIGHT, WIDTH)) for k in range(20)]
    sink = ListSink()
    make_node(ListSource(items), slow, [sink], workers=workers).run()
    assert [[one.track for one in scene.instances] for scene in sink.scenes] == [[1]] * 20


def test_without_tracks_no_instance_has_one(perceiver: Perceiver) -> None:
    items = [replace(frame(k), pixels=passing(k, HEIGHT, WIDTH)) for k in range(3)]
    sink = ListSink()
    node = make_node(ListSource(items), perceiver, [sink], tracks=False)
    node.run()
    assert [[one.track for one in scene.instances] for scene in sink.scenes] == [[None]] * 3
    assert "track" not in sink.scenes[0].timings_ms
    assert not {"denoise", "track"} & set(node.report().stages)


def test_reading_ahead_is_bounded(perceiver: Perceiver) -> None:
    gate = threading.Event()
    held, _ = watched(perceiver, lambda run: gate.wait(60))
    source = ListSource(frames(100))
    node = make_node(source, held, [], workers=2)
    running = threading.Thread(target=node.run)
    running.start()
    until(lambda: source.read >= 5)
    time.sleep(0.2)
    ahead = source.read
    gate.set()
    running.join(60)
    assert ahead == 5  # twice the workers, and one that waits for room
    assert node.accounting.published == 100


def test_same_labels_with_any_number_of_workers(perceiver: Perceiver) -> None:
    def labels(workers: int) -> bytes:
        sink = ListSink()
        make_node(ListSource(frames(12)), perceiver, [sink], workers=workers).run()
        return b"".join(scene.labels.tobytes() + scene.instance_map.tobytes() for scene in sink.scenes)

    assert labels(1) == labels(3)


def test_frames_limits_what_is_captured(perceiver: Perceiver) -> None:
    source, sink = ListSource(frames(50)), ListSink()
    node = make_node(source, perceiver, [sink], frames=7)
    node.run()
    assert sink.sequences == list(range(7))
    assert source.read == 7
    assert reconciles(node)


def test_undecodable_frames_are_dropped_by_name(perceiver: Perceiver) -> None:
    items = frames(6)
    items[2] = Drop(2, DropReason.UNDECODABLE, "a/0002.png: empty file")
    sink = ListSink()
    node = make_node(ListSource(items), perceiver, [sink])
    node.run()
    assert sink.sequences == [0, 1, 3, 4, 5]
    report = node.report()
    assert (report.captured, report.published, report.dropped) == (6, 5, {"undecodable": 1})
    assert "a/0002.png: empty file" in report.messages


@pytest.mark.parametrize("realtime", [False, True])
def test_a_recording_of_which_no_frame_is_published_has_failed(perceiver: Perceiver, realtime: bool) -> None:
    items = [Drop(k, DropReason.UNDECODABLE, f"a/{k}.png: empty file") for k in range(3)]
    source = ListSource(items)
    node = make_node(source, perceiver, [ListSink()], realtime=realtime)
    with pytest.raises(SourceError) as error:
        node.run()
    assert str(error.value) == (
        "source list: 3 of 3 frames were dropped (3 undecodable); the first: a/0.png: empty file"
    )
    assert reconciles(node) and source.closed


def test_a_recording_on_which_the_engine_fails_throughout_has_failed(perceiver: Perceiver) -> None:
    def fail(run: int) -> None:
        raise EngineError("broken")

    node = make_node(ListSource(frames(3)), watched(perceiver, fail)[0], [ListSink()], realtime=True)
    with pytest.raises(
        SourceError, match=r"3 of 3 frames were dropped .*failed.*; the first: frame 0: broken"
    ):
        node.run()
    assert reconciles(node)


def test_a_recording_without_a_frame_has_failed(perceiver: Perceiver) -> None:
    with pytest.raises(SourceError, match="source list: it gives no frame"):
        make_node(ListSource([]), perceiver, [ListSink()]).run()


def test_a_run_that_is_stopped_before_its_first_scene_has_not_failed(perceiver: Perceiver) -> None:
    class Stopping(ListSource):
        def __iter__(self) -> Iterator[Frame | Drop]:
            yield Drop(0, DropReason.UNDECODABLE, "a/0.png: empty file")
            node.stop()

    node = make_node(Stopping([]), perceiver, [ListSink()])
    node.run()
    assert node.accounting.captured == 1


def test_a_source_that_breaks_keeps_the_frames_before(perceiver: Perceiver) -> None:
    source, sink = ListSource([*frames(9), SourceError("source list: cut off")]), ListSink()
    node = make_node(source, perceiver, [sink])
    with pytest.raises(SourceError, match="cut off"):
        node.run()
    assert sink.sequences == list(range(9))
    assert node.accounting.published == 9
    assert reconciles(node)
    assert source.closed and sink.closed


def test_a_sink_that_breaks_leaves_the_others_all_frames(perceiver: Perceiver) -> None:
    good, bad, source = ListSink("good"), ListSink("bad", fail_at=3), ListSource(frames(60))
    node = make_node(source, perceiver, [good, bad], workers=2)
    with pytest.raises(SinkError, match="disk is full"):  # at the end: the exit status tells
        node.run()
    assert good.sequences == list(range(60))
    assert bad.sequences == [0, 1, 2]
    assert node.accounting.published == 60
    states = node.report().sinks
    assert [state.written for state in states] == [60, 3]
    assert [sum(state.lost.values()) for state in states] == [0, 57]
    assert reconciles(node)
    assert source.closed and good.closed and bad.closed


def test_a_recording_ends_where_no_sink_takes_frames_any_more(perceiver: Perceiver) -> None:
    sink, source = ListSink(fail_at=3), ListSource(frames(500))
    node = make_node(source, perceiver, [sink], workers=2)
    with pytest.raises(SinkError, match="disk is full"):
        node.run()
    assert sink.sequences == [0, 1, 2]
    assert 3 < node.accounting.published < 20
    assert node.accounting.dropped[DropReason.STOPPED] == node.accounting.captured - node.accounting.published
    assert source.read < 30
    assert reconciles(node)
    assert source.closed and sink.closed


def test_an_engine_that_breaks_ends_the_run_after_the_frames_before(perceiver: Perceiver) -> None:
    def fail(run: int) -> None:
        if run == 5:
            raise EngineError("engine watched: out of memory")

    broken, _ = watched(perceiver, fail)
    source, sink = ListSource(frames(60)), ListSink()
    node = make_node(source, broken, [sink], workers=1)
    with pytest.raises(EngineError, match="out of memory"):
        node.run()
    assert sink.sequences == [0, 1, 2, 3, 4]
    assert reconciles(node)
    assert source.closed and sink.closed


def test_stop_publishes_what_is_in_hand(perceiver: Perceiver) -> None:
    source, sink = ListSource(frames(500)), ListSink()
    node = make_node(source, perceiver, [sink], workers=2, on_scene=lambda scene: stop(scene.sequence))

    def stop(sequence: int) -> None:
        if sequence == 4:
            node.stop()

    node.run()
    assert 5 <= len(sink.scenes) <= 12
    assert sink.sequences == list(range(source.read))
    assert reconciles(node) and not node.accounting.dropped


def test_old_scenes_are_published_as_stale(perceiver: Perceiver) -> None:
    slow, _ = watched(perceiver, lambda run: time.sleep(0.08 if run == 2 else 0))
    sink = ListSink()
    node = make_node(ListSource(frames(5)), slow, [sink], workers=1, max_age_ms=1e6)
    node.run()
    assert {scene.status for scene in sink.scenes} == {Status.OK}

    sink = ListSink()
    node = make_node(ListSource(frames(3)), perceiver, [sink], max_age_ms=1e-3)
    node.run()
    assert {scene.status for scene in sink.scenes} == {Status.STALE}
    assert all(scene.age_ms > 1e-3 for scene in sink.scenes)
    assert node.report().stale == 3


def test_real_time_keeps_the_pace_and_the_freshest_frames(perceiver: Perceiver) -> None:
    """A network that takes as long as five frames: about a fifth is published, up to the last."""
    source = ListSource(frames(60, period_ms=10))
    slow, _ = watched(perceiver, lambda run: until(lambda: source.read >= min(5 * (run + 1), 60)))
    sink = ListSink()
    node = make_node(source, slow, [sink], workers=1, realtime=True)
    node.run()
    report = node.report()
    assert report.seconds >= 0.59
    assert report.dropped["superseded"] == 60 - report.published >= 45
    assert not report.messages  # their number says all
    assert sink.sequences == sorted(set(sink.sequences))
    assert sink.sequences[-1] == 59
    assert reconciles(node)


def test_in_real_time_a_slow_sink_loses_frames_of_its_own_only(perceiver: Perceiver) -> None:
    """One holds its first frame until all are published: it gets the freshest then, another one gets all."""
    published = threading.Semaphore(0)

    def lazy() -> Iterator[Frame]:
        for sequence in range(40):
            yield frame(sequence, period_ms=1)
            assert published.acquire(timeout=60)  # so that nothing is superseded

    quick = ListSink("quick")
    slow = ListSink("slow", before=lambda: until(lambda: node.accounting.published == 40))
    node = make_node(
        LazySource(lazy()),
        perceiver,
        [quick, slow],
        realtime=True,
        on_scene=lambda scene: published.release(),
    )
    node.run()
    assert quick.sequences == list(range(40))
    assert slow.sequences == [0, 36, 37, 38, 39]  # the one in hand, and a queue of four
    assert [state.lost for state in node.report().sinks] == [{}, {"queue full": 35}]
    assert node.report().published == 40
    assert reconciles(node)


def test_real_time_keeps_no_image_that_is_not_kept_up_with(perceiver: Perceiver) -> None:
    """While the first frame is in the network, a hundred more come."""
    images: list[weakref.ref[npt.NDArray[np.uint8]]] = []
    alive: list[int] = []

    def lazy() -> Iterator[Frame]:
        for sequence in range(100):
            one = frame(sequence, period_ms=1)
            images.append(weakref.ref(one.image))
            yield one
            del one
            alive.append(sum(image() is not None for image in images))

    source = LazySource(lazy())
    held, _ = watched(perceiver, lambda run: until(lambda: len(alive) == 100))
    node = make_node(source, held, [ListSink()], workers=1, realtime=True)
    node.run()
    assert max(alive) <= 5  # in the network, waiting, just read, and the room that real time has
    assert node.accounting.captured == 100
    assert reconciles(node)


def test_real_time_counts_the_age_from_when_a_frame_was_due(perceiver: Perceiver) -> None:
    """A source that gives a frame in 20 ms and says 1 ms: the last is 19 × 19 ms late."""

    def lazy() -> Iterator[Frame]:
        for sequence in range(20):
            yield frame(sequence, period_ms=1)
            time.sleep(0.02)

    sink = ListSink()
    node = make_node(LazySource(lazy()), perceiver, [sink], workers=2, realtime=True, max_age_ms=300)
    node.run()
    last = sink.scenes[-1]
    assert last.sequence == 19
    assert last.age_ms >= 19 * 19
    assert last.status is Status.STALE
    assert node.report().stages["end_to_end"].p99 >= 0.99 * 19 * 19


def test_a_clock_that_runs_back_makes_no_frame_old(perceiver: Perceiver) -> None:
    """Two recordings in one: the second does not count from the first one's start."""
    second = [replace(frame(sequence), stamp_ns=10**6 * sequence) for sequence in (2, 3)]
    first = [frame(0), replace(frame(1), stamp_ns=300 * 10**6)]
    sink = ListSink()
    published = threading.Semaphore(0)

    def lazy() -> Iterator[Frame]:
        for one in (*first, *second):
            yield one
            assert published.acquire(timeout=60)  # so that nothing is superseded

    node = make_node(
        LazySource(lazy()),
        perceiver,
        [sink],
        workers=1,
        realtime=True,
        on_scene=lambda scene: published.release(),
    )
    start = time.perf_counter()
    node.run()
    assert sink.sequences == [0, 1, 2, 3]
    spent_ms = 1000 * (time.perf_counter() - start)
    assert all(scene.age_ms < spent_ms - 290 for scene in sink.scenes)


def test_real_time_drops_nothing_that_is_kept_up_with(perceiver: Perceiver) -> None:
    published = threading.Semaphore(0)

    def lazy() -> Iterator[Frame]:
        for sequence in range(4):
            yield frame(sequence, period_ms=100)
            assert published.acquire(timeout=60)

    sink = ListSink()
    node = make_node(
        LazySource(lazy()),
        perceiver,
        [sink],
        workers=2,
        realtime=True,
        on_scene=lambda scene: published.release(),
    )
    node.run()
    assert sink.sequences == list(range(4))
    assert node.report().seconds >= 0.3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from("ffffffd"), max_size=20),
    ending=st.sampled_from(["end", "source", "engine", "sink"]),
    workers=st.integers(1, 4),
    realtime=st.booleans(),
)
def test_every_frame_is_accounted_for_however_it_ends(
    perceiver: Perceiver, kinds: list[str], ending: str, workers: int, realtime: bool
) -> None:
    items: list[Frame | Drop | PerceptionError] = [
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
    node = make_node(ListSource(items), broken, [sink], workers=workers, realtime=realtime)
    with suppress(PerceptionError):
        node.run()
    assert reconciles(node)
    assert sink.sequences == sorted(sink.sequences)
    [state] = node.report().sinks
    assert node.accounting.published == state.written + sum(state.lost.values())
    assert state.written == len(sink.scenes)
    if ending in {"end", "source"}:
        assert node.accounting.captured == len(kinds)
        assert node.accounting.dropped[DropReason.UNDECODABLE] == kinds.count("d")
        if not realtime:
            assert node.accounting.published == kinds.count("f")


def test_report_tells_all(perceiver: Perceiver) -> None:
    node = make_node(ListSource(frames(20), notes=["passed over 2 files"]), perceiver, [ListSink()])
    node.run()
    report = node.report("told")
    assert report.model == "colour 1"
    assert (report.engine, report.engine_reason) == ("onnx-cpu", "asked for")
    assert tuple(report.stages) == tuple(
        stage for stage in STAGES if stage not in ("transport", "denoise", "locate")
    )
    for stage in report.stages.values():
        assert 0 < stage.p50 <= stage.p95 <= stage.p99 < 10_000
    assert report.stages["end_to_end"].p50 > report.stages["infer"].p50
    assert 0 < report.cpu_share <= report.process_cpu_share * 1.02
    assert report.fps == pytest.approx(20 / report.seconds)
    assert report.as_json()["stages"]["infer"]["p50"] == report.stages["infer"].p50
    assert report.as_json()["failure"] == "told"
    assert "passed over 2 files" in report.messages
