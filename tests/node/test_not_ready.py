"""While an engine is being built: a live node says so with every frame, and a recording waits."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.classes import DRIVE
from perception.engines.background import LEFT_BEHIND
from perception.engines.base import EngineInfo, OnBuild, ReadyEngine
from perception.engines.registry import open_engine
from perception.errors import EngineError
from perception.frame import Frame
from perception.overlay import StatusLine, draw
from perception.perceiver import Perceiver
from perception.scene import Status, unknown_scene
from tests.node.nodes import (
    HEIGHT,
    WIDTH,
    LazySource,
    ListSink,
    ListSource,
    frame,
    frames,
    make_node,
    reconciles,
    until,
)

WHAT = "building tensorrt for colour on NVIDIA H200"


class SlowBuild:
    """Takes the place of `open_engine`, and builds until it is told to finish."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.finish = threading.Event()
        self.error = error
        self.ended = threading.Event()
        monkeypatch.setattr("perception.perceiver.open_engine", self.open)

    def open(self, bundle: Bundle, engine: str, threads: int, on_build: OnBuild) -> ReadyEngine:
        try:
            for step in range(10_000):
                on_build(WHAT, min(step / 100, 0.99))
                if self.finish.wait(0.01):
                    break
            if self.error:
                raise self.error
            return open_engine(bundle, "onnx-cpu", 1)
        finally:
            self.ended.set()


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowBuild]:
    build = SlowBuild(monkeypatch)
    yield build
    build.finish.set()


def test_a_builder_that_answers_nothing_is_left_when_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, colour_bundle: Bundle
) -> None:
    """ONNX Runtime's for TensorRT is in one call for minutes; a second Ctrl-C would find nobody."""
    built = threading.Event()

    def deaf(bundle: Bundle, engine: str, threads: int, on_build: OnBuild) -> ReadyEngine:
        on_build(WHAT, 0.0)
        built.wait()
        return open_engine(bundle, "onnx-cpu", 1)

    monkeypatch.setattr("perception.perceiver.open_engine", deaf)
    perceiver = Perceiver.load(colour_bundle.folder, "onnx-tensorrt", threads=1, wait=False)
    perceiver.leave(0.05)
    (left,) = (thread for thread in threading.enumerate() if thread.name == LEFT_BEHIND)
    built.set()
    left.join(10)
    perceiver.leave(0.05)
    assert LEFT_BEHIND not in {thread.name for thread in threading.enumerate()}


def test_a_builder_that_reports_is_broken_off(build: SlowBuild, colour_bundle: Bundle) -> None:
    perceiver = Perceiver.load(colour_bundle.folder, "tensorrt", threads=1, wait=False)
    perceiver.leave(10)
    assert build.ended.is_set() and perceiver.cannot_run


def until_ready(perceiver: Perceiver) -> None:
    until(lambda: not perceiver.waits_for)


def test_a_live_node_is_not_ready_first_and_then_good(build: SlowBuild, colour_bundle: Bundle) -> None:
    """Twenty frames come while it is built, of which none is lost, and twenty more after that."""
    perceiver = Perceiver.load(colour_bundle.folder, "tensorrt", threads=1, wait=False)
    published = threading.Semaphore(0)

    def lazy() -> Iterator[Frame]:
        for sequence in range(40):
            if sequence == 20:
                build.finish.set()
                until_ready(perceiver)
            yield frame(sequence, period_ms=1)
            assert published.acquire(timeout=60)  # so that nothing is superseded

    sink = ListSink()
    node = make_node(
        LazySource(lazy()),
        perceiver,
        [sink],
        workers=2,
        realtime=True,
        max_age_ms=60_000,
        on_scene=lambda scene: published.release(),
    )
    node.run()
    assert sink.sequences == list(range(40))
    assert [scene.status for scene in sink.scenes] == 20 * [Status.NOT_READY] + 20 * [Status.OK]
    for scene in sink.scenes[:20]:
        assert scene.labels.shape == scene.instance_map.shape == (HEIGHT, WIDTH)
        assert (scene.labels == 255).all() and not scene.instance_map.any()
        assert not scene.instances and not scene.lanes and scene.stamp_ns == 1_000_000 * scene.sequence
    for scene in sink.scenes[20:]:
        assert (scene.labels != 255).all()
    report = node.report()
    assert (report.captured, report.published, report.not_ready, report.stale) == (40, 40, 20, 0)
    assert report.engine == "onnx-cpu"  # the one that came of it
    assert reconciles(node)


def test_a_frame_that_is_late_and_not_perceived_is_not_ready_rather_than_stale(
    build: SlowBuild, colour_bundle: Bundle
) -> None:
    perceiver = Perceiver.load(colour_bundle.folder, "tensorrt", threads=1, wait=False)
    sink = ListSink()
    node = make_node(ListSource(frames(5, 1)), perceiver, [sink], workers=1, realtime=True, max_age_ms=1e-6)
    node.run()
    assert {scene.status for scene in sink.scenes} == {Status.NOT_READY}
    assert node.report().not_ready == len(sink.scenes) == node.accounting.published
    assert reconciles(node)


def test_a_recording_waits_for_the_engine(build: SlowBuild, colour_bundle: Bundle) -> None:
    perceiver = Perceiver.load(colour_bundle.folder, "tensorrt", threads=1, wait=False)
    threading.Timer(0.2, build.finish.set).start()
    sink = ListSink()
    node = make_node(ListSource(frames(10)), perceiver, [sink], workers=2)
    node.run()
    assert [scene.status for scene in sink.scenes] == 10 * [Status.OK]
    assert reconciles(node)


def test_what_is_built_and_how_far_it_is_is_told(build: SlowBuild, colour_bundle: Bundle) -> None:
    told: list[tuple[str, float]] = []
    perceiver = Perceiver.load(
        colour_bundle.folder, "tensorrt", threads=1, wait=False, on_build=lambda *one: told.append(one)
    )
    until(lambda: len(told) > 20)
    assert told[:3] == [(WHAT, 0.0), (WHAT, 0.01), (WHAT, 0.02)]
    share = int(perceiver.waits_for.removeprefix(f"{WHAT}, ").removesuffix("%").strip())
    assert 0 < share < 100
    assert (perceiver.engine.name, perceiver.engine.info) == ("tensorrt", None)
    build.finish.set()
    until_ready(perceiver)
    perceiver.perceive(frame(0))
    assert perceiver.engine.name == "tensorrt"  # as it was asked for
    assert perceiver.engine.info == EngineInfo("onnx-cpu", Precision.FLOAT32, "asked for")


def test_a_build_that_fails_ends_the_node_with_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, colour_bundle: Bundle
) -> None:
    build = SlowBuild(monkeypatch, EngineError("tensorrt 11 cannot build the graph"))
    perceiver = Perceiver.load(colour_bundle.folder, "tensorrt", threads=1, wait=False)

    def lazy() -> Iterator[Frame]:
        for sequence in range(1000):
            if sequence == 10:
                build.finish.set()
                until_ready(perceiver)
            yield frame(sequence, period_ms=1)

    sink = ListSink()
    node = make_node(LazySource(lazy()), perceiver, [sink], workers=2, realtime=True)
    with pytest.raises(EngineError, match="cannot build the graph"):
        node.run()
    assert {scene.status for scene in sink.scenes} == {Status.NOT_READY}
    assert reconciles(node)


def test_a_build_that_nobody_waits_for_any_more_is_broken_off(
    build: SlowBuild, colour_bundle: Bundle
) -> None:
    perceiver = Perceiver.load(colour_bundle.folder, "tensorrt", threads=1, wait=False)
    assert perceiver.waits_for
    del perceiver
    assert build.ended.wait(20)
    assert not build.finish.is_set()


def test_what_needs_no_building_is_there_at_once(colour_bundle: Bundle, tmp_path: Path) -> None:
    perceiver = Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1, wait=False)
    assert perceiver.waits_for == "" and perceiver.engine.name == "onnx-cpu"
    with pytest.raises(EngineError, match="'tpu' is not known"):
        Perceiver.load(colour_bundle.folder, "tpu", wait=False)


def test_the_status_line_says_what_is_being_done() -> None:
    scene = unknown_scene(frame(0), Status.NOT_READY)
    assert " ".join(StatusLine(doing=WHAT)._parts(scene)[:2]) == f"not ready: {WHAT}"
    assert StatusLine()._parts(scene)[0] == "not ready"
    narrow = draw(frame(0), scene, DRIVE, [StatusLine(doing=WHAT)])  # has room for the status alone
    np.testing.assert_array_equal(narrow, draw(frame(0), scene, DRIVE, [StatusLine(doing=WHAT[::-1])]))
