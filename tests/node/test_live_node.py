"""A live node: what is late, what is silent, what breaks beside the engine, and that each of it is told."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from perception.errors import PerceptionError, SourceError
from perception.frame import Drop, Frame
from perception.health.types import NodeState
from perception.node.node import FAILURES, Node
from perception.node.rig import Rig, SharedSink
from perception.node.worker_pool import WorkerPool
from perception.perceiver import Perceiver
from perception.scene import Scene, Signal, Status
from perception.sinks.queue import SinkQueue
from perception.sources.push import PushSource
from perception.types import Policy
from tests.media import picture
from tests.node.live_camera import Camera, broken
from tests.node.nodes import HEIGHT, WIDTH, ListSink, reconciles, until


def test_the_freshest_scene_grows_old_and_then_is_no_signal(perceiver: Perceiver) -> None:
    """The last mask is never good again once its camera is silent."""
    camera = Camera(perceiver, max_age_ms=400)

    def latest() -> Scene:
        scene = camera.node.latest()
        assert scene is not None
        return scene

    with camera.running():
        assert camera.node.latest() is None
        camera.push(8)
        fresh = camera.node.latest()
        assert fresh is not None
        assert (fresh.status, fresh.sequence) == (Status.OK, 7)
        until(lambda: latest().status is Status.STALE)

        assert latest().age_ms > 400
        assert (latest().labels == fresh.labels).all()  # old, and said to be
        until(lambda: camera.healths[-1].signal is Signal.NO_SIGNAL)
        assert latest().status is Status.NO_SIGNAL
        assert (latest().labels == 255).all()
        assert not latest().instances
        assert camera.node.accounting.published == 8  # and nothing was published again
        camera.push()
        assert latest().sequence == 8
        assert latest().status is Status.OK
    signals = [health.signal for health in camera.healths]
    first = signals.index(Signal.STALE)
    assert Signal.NO_SIGNAL in signals[first:]
    assert any("no frame for" in reason for reason in camera.said("signal"))


def test_a_stall_is_told_within_two_periods(perceiver: Perceiver) -> None:
    """At 10 frames/s 200 ms after the last frame, and a tick of a quarter of a period."""
    camera = Camera(perceiver, rate=10.0)
    with camera.running():
        camera.push(2)
        last_ns = camera.sink.scenes[-1].stamp_ns
        until(lambda: bool(camera.healths) and camera.healths[-1].signal is Signal.STALE)
    told = next(health for health in camera.healths if health.signal is Signal.STALE and health.captured == 2)
    assert 200 <= (told.stamp_ns - last_ns) / 1e6 < 200 + 100 + 300  # the last is for a busy machine


def test_a_picture_that_misleads_is_published_as_unreliable(perceiver: Perceiver) -> None:
    camera = Camera(perceiver)
    with camera.running():
        camera.push(3)
        camera.source.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        until(lambda: camera.node.accounting.published == 4)
        camera.push()
    assert [scene.status for scene in camera.sink.scenes] == [*3 * [Status.OK], Status.UNRELIABLE, Status.OK]
    assert "black" in camera.sink.scenes[3].reasons[0]
    assert camera.node.report().unreliable == 1


def test_a_camera_that_never_comes_is_given_up_where_asked(perceiver: Perceiver) -> None:
    camera = Camera(perceiver, give_up_s=0.2)
    with pytest.raises(SourceError, match=r"no frame for 0 s \(no frame has been handed in yet\)"):
        camera.node.run()
    assert camera.sink.closed


def test_a_reader_that_breaks_unforeseen_is_begun_anew_and_given_up_in_the_end(perceiver: Perceiver) -> None:
    class Fragile(PushSource):
        broke = 0

        def __iter__(self) -> Iterator[Frame | Drop]:
            for item in super().__iter__():
                yield item
                if item.sequence in self.breaks_at:
                    raise ZeroDivisionError("a fault in the driver")

        breaks_at: frozenset[int] = frozenset({1, 3})

    camera = Camera(perceiver)
    camera.source.__class__ = Fragile
    with camera.running():
        camera.push(6)
    assert camera.sink.sequences == list(range(6))
    assert camera.node.report().restarts == 2

    camera = Camera(perceiver)
    camera.source.__class__ = Fragile
    Fragile.breaks_at = frozenset(range(9))
    source = camera.source

    def feed() -> None:
        for _ in range(4):
            sequence = source.push(picture(0, HEIGHT, WIDTH))
            until(lambda: camera.node.accounting.captured == sequence + 1)  # noqa: B023

    feeder = threading.Thread(target=feed)
    feeder.start()
    with pytest.raises(ZeroDivisionError):
        camera.node.run()
    feeder.join()
    assert reconciles(camera.node)


def test_of_several_cameras_one_may_break(
    perceiver: Perceiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share threads and a sink, which stays open for the others."""
    monkeypatch.setattr("perception.node.node.FAILING_S", 0.0)
    shared, workers, opened = ListSink(), WorkerPool(2), []

    def open_sink() -> ListSink:
        opened.append(shared)
        return shared

    sink = SharedSink(open_sink)
    sources = [PushSource(camera="left"), PushSource(camera="right")]
    engines = [perceiver, broken(perceiver, lambda run: 1 / 0)]
    nodes = [
        Node(source, one, [SinkQueue("list", sink.open, Policy.FRESHEST)], camera=camera, workers=workers)
        for source, one, camera in zip(sources, engines, ("left", "right"), strict=True)
    ]
    rig = Rig(nodes)

    def feed() -> None:
        for count in range(FAILURES):
            for source, node in zip(sources, nodes, strict=True):
                source.push(picture(count, HEIGHT, WIDTH))
                until(lambda: node.accounting.published + node.accounting.dropped.total() == count + 1)  # noqa: B023
        until(lambda: nodes[1].life.state is NodeState.FINALIZED)
        assert not shared.closed
        sources[0].push(picture(0, HEIGHT, WIDTH))
        until(lambda: nodes[0].accounting.published == FAILURES + 1)
        sources[0].end()

    feeder = threading.Thread(target=feed)
    feeder.start()
    with pytest.raises(PerceptionError, match="1 of 2 cameras broke: right"):
        rig.run()
    feeder.join(60)
    workers.close()
    assert {scene.camera for scene in shared.scenes} == {"left"}
    assert len(shared.scenes) == FAILURES + 1
    assert len(opened) == 1 and shared.closed
    assert any("right: engine" in record.message for record in caplog.records)
    assert all(reconciles(node) for node in nodes)


def test_frames_that_arrive_too_old_are_the_transports_fault(
    perceiver: Perceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver hands in frames 400 ms late: no quality is given up for that, and a condition says so."""
    monkeypatch.setattr("perception.health.degradation.DOWN_AFTER_NS", 300_000_000)
    camera = Camera(perceiver, rate=50.0, max_age_ms=250.0)
    with camera.running():
        deadline = time.monotonic() + 20
        while not camera.said("transport") and time.monotonic() < deadline:
            number = camera.source._pushed
            stamp_ns = time.monotonic_ns() - 400_000_000
            camera.source.push(picture(number, HEIGHT, WIDTH), stamp_ns)
            time.sleep(0.02)
    assert camera.said("transport")[0].startswith("the transport delays frames by 4")
    assert {health.step for health in camera.healths} == {""}
    assert camera.node.report().stages["transport"].p50 == pytest.approx(400, abs=60)
    assert camera.node.report().stages["transport"].cpu is None
