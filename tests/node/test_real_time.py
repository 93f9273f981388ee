"""Recordings at their own pace: the freshest frame counts, and age from when it was due."""

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception.frame import Frame
from perception.node.node import Node
from perception.perceiver import Perceiver
from perception.scene import Status
from tests.node.nodes import (
    LazySource,
    ListSink,
    ListSource,
    frame,
    frames,
    make_node,
    reconciles,
    until,
    watched,
)


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


def run_in_step(perceiver: Perceiver, given: Sequence[Frame], workers: int) -> tuple[Node, ListSink]:
    """The node after a run in real time, in which each frame comes once the one before is published."""
    published, sink = threading.Semaphore(0), ListSink()

    def lazy() -> Iterator[Frame]:
        for one in given:
            yield one
            assert published.acquire(timeout=60)

    node = make_node(
        LazySource(lazy()),
        perceiver,
        [sink],
        workers=workers,
        realtime=True,
        on_scene=lambda scene: published.release(),
    )
    node.run()
    return node, sink


def test_a_clock_that_runs_back_makes_no_frame_old(perceiver: Perceiver) -> None:
    """Two recordings in one: the second does not count from the first one's start."""
    second = [replace(frame(sequence), stamp_ns=10**6 * sequence) for sequence in (2, 3)]
    first = [frame(0), replace(frame(1), stamp_ns=300 * 10**6)]
    start = time.perf_counter()
    _, sink = run_in_step(perceiver, [*first, *second], workers=1)
    assert sink.sequences == [0, 1, 2, 3]
    spent_ms = 1000 * (time.perf_counter() - start)
    assert all(scene.age_ms < spent_ms - 290 for scene in sink.scenes)


def test_real_time_drops_nothing_that_is_kept_up_with(perceiver: Perceiver) -> None:
    node, sink = run_in_step(perceiver, [frame(sequence, period_ms=100) for sequence in range(4)], workers=2)
    assert sink.sequences == list(range(4))
    assert node.report().seconds >= 0.3
