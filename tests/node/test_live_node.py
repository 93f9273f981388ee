"""A live node: what is late, what fails, what hangs, what is silent, and that each of it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from perception.bundle.manifest import Precision
from perception.engines.base import EngineInfo
from perception.errors import EngineError, PerceptionError, SourceError
from perception.frame import Drop, Frame
from perception.health.types import Health, Level, NodeState
from perception.node.node import FAILURES, Node
from perception.node.rig import Rig, SharedSink
from perception.node.worker_pool import WorkerPool
from perception.perceiver import Perceiver
from perception.scene import Scene, Signal, Status
from perception.sinks.queue import SinkQueue
from perception.sources.push import PushSource
from perception.types import Policy
from tests.media import picture
from tests.node.nodes import HEIGHT, WIDTH, ListSink, reconciles, until, watched


class Camera:
    """Pushes pictures, and keeps what the node says."""

    def __init__(self, perceiver: Perceiver, rate: float = 100.0, **options: Any) -> None:
        self.source, self.sink = PushSource(rate), ListSink()
        self.healths: list[Health] = []
        outlet = SinkQueue("list", lambda: self.sink, Policy.FRESHEST, capacity=1000)
        self.node = Node(
            self.source,
            perceiver,
            [outlet],
            workers=options.pop("workers", 1),
            on_health=self.healths.append,
            **{"max_age_ms": 60_000.0} | options,  # a busy machine makes nothing stale
        )

    @property
    def step(self) -> str:
        """The name of the step that health last had."""
        return self.healths[-1].step if self.healths else ""

    def push(self, count: int = 1) -> None:
        """Each waits until the one before is published or dropped, so that none is superseded."""
        for _ in range(count):
            sequence = self.source.push(picture(self.source._pushed, HEIGHT, WIDTH))
            accounting = self.node.accounting
            until(lambda: accounting.published + accounting.dropped.total() == sequence + 1)  # noqa: B023

    def said(self, name: str) -> list[str]:
        """The reasons under which a condition of that name was told."""
        return [one.reason for health in self.healths for one in health.conditions if one.name == name]

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the block runs; raises what the node raises."""
        errors: list[BaseException] = []

        def run() -> None:
            try:
                self.node.run()
            except PerceptionError as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            self.source.end()
            thread.join(30)
        assert not thread.is_alive()
        assert reconciles(self.node)
        if errors:
            raise errors[0]


def broken(perceiver: Perceiver, before: Callable[[int], object]) -> Perceiver:
    return watched(perceiver, before)[0]


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


def test_a_frame_that_the_engine_fails_on_is_dropped_and_said(perceiver: Perceiver) -> None:
    def fail(run: int) -> None:
        if run in {3, 4}:
            raise RuntimeError("device lost")

    camera = Camera(broken(perceiver, fail))
    with camera.running():
        camera.push(10)
        until(lambda: bool(camera.said("failed")))
    assert camera.sink.sequences == [0, 1, 2, 5, 6, 7, 8, 9]
    report = camera.node.report()
    assert report.dropped == {"failed": 2}
    assert "frame 3: RuntimeError: device lost" in report.messages


def test_an_engine_that_fails_again_and_again_is_given_up(
    perceiver: Perceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception.node.node.FAILING_S", 0.05)

    def fail(run: int) -> None:
        if run >= 2:
            raise EngineError("device lost")

    camera = Camera(broken(perceiver, fail))
    with (
        pytest.raises(EngineError, match=r"failed on \d+ frames in a row for 0 s.*device lost"),
        camera.running(),
    ):
        camera.push(2 + FAILURES - 1)
        assert camera.node.life.state is NodeState.ACTIVE
        time.sleep(0.05)
        camera.push()
    assert camera.sink.sequences == [0, 1]
    assert camera.node.life.state is NodeState.FINALIZED


def test_values_that_are_no_numbers_are_no_answer(perceiver: Perceiver) -> None:
    class Sick:
        name = "sick"
        info = EngineInfo(name, Precision.FLOAT32, "for a test")
        runs = 0

        def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
            self.runs += 1
            value = np.nan if self.runs == 3 else 0.0
            return perceiver.engine.run(image) | {"centres": np.full((2, 2), value, np.float32)}

    camera = Camera(replace(perceiver, engine=Sick()))
    with camera.running():
        camera.push(5)
    assert camera.sink.sequences == [0, 1, 3, 4]
    assert any("centres holds values that are no numbers" in one for one in camera.node.report().messages)


def test_a_worker_that_hangs_is_replaced(perceiver: Perceiver) -> None:
    release = threading.Event()
    camera = Camera(broken(perceiver, lambda run: release.wait(60) if run == 2 else None), hang_s=0.3)
    with camera.running():
        camera.push(6)
    release.set()
    assert camera.sink.sequences == [0, 1, 3, 4, 5]
    report = camera.node.report()
    assert (report.dropped, report.restarts) == ({"failed": 1}, 1)
    assert "no answer for 0.3 s: the call hangs" in report.messages[0]


def test_an_engine_that_hangs_for_good_is_given_up(perceiver: Perceiver) -> None:
    release = threading.Event()
    camera = Camera(broken(perceiver, lambda run: release.wait(60) if run >= 1 else None), hang_s=0.2)
    with pytest.raises(EngineError, match="hung 3 times in a row"), camera.running():
        camera.push(4)
    release.set()
    assert camera.sink.sequences == [0]


def test_frames_that_come_without_a_scene_are_an_error(perceiver: Perceiver) -> None:
    release = threading.Event()
    camera = Camera(broken(perceiver, lambda run: release.wait(60) if run == 3 else None))
    with camera.running():
        camera.push(3)
        deadline = time.monotonic() + 20
        while not camera.said("unpublished") and time.monotonic() < deadline:
            camera.source.push(picture(camera.source._pushed, HEIGHT, WIDTH))
            time.sleep(0.01)
        release.set()
    assert camera.said("unpublished")[0].startswith("frames come, but no scene for")
    assert max(health.level for health in camera.healths) is Level.ERROR
    assert camera.node.accounting.dropped.total() > 0


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


def test_too_slow_steps_down_and_up_again(perceiver: Perceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is quick on a smaller input only; it gets quick on the full one later."""
    monkeypatch.setattr("perception.health.degradation.DOWN_AFTER_NS", 300_000_000)
    monkeypatch.setattr("perception.health.degradation.UP_AFTER_NS", 300_000_000)
    shapes: list[int] = []
    slow = threading.Event()
    slow.set()

    class Weak:
        name = "weak"
        info = EngineInfo(name, Precision.FLOAT32, "for a test")

        def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
            shapes.append(image.shape[0] * image.shape[1])
            time.sleep(0.15 if slow.is_set() and shapes[-1] == max(shapes) else 0.0)
            return perceiver.engine.run(image)

    camera = Camera(replace(perceiver, engine=Weak()), rate=50.0, min_rate=20.0)

    def push_until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not true():
            camera.source.push(picture(camera.source._pushed, HEIGHT, WIDTH))
            time.sleep(0.02)
            assert time.monotonic() < deadline

    with camera.running():
        push_until(lambda: "smaller input" in camera.step)
        push_until(lambda: min(shapes) < 0.7 * max(shapes))
        slow.clear()
        push_until(lambda: not camera.step)
        push_until(lambda: shapes[-1] == max(shapes))
    steps = [health.step for health in camera.healths]
    assert steps[0] == "" and "smaller input (60 % of the pixels)" in steps
    assert any("smaller input" in reason for reason in camera.said("stepped_down"))


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
