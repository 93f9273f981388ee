"""A live node whose engine fails, hangs, is too slow or answers nonsense, and that each of it is told."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from perception.bundle.manifest import Precision
from perception.engines.base import EngineInfo
from perception.errors import EngineError
from perception.health.types import Level, NodeState
from perception.node.node import FAILURES
from perception.perceiver import Perceiver
from tests.media import picture
from tests.node.live_camera import Camera, broken
from tests.node.nodes import HEIGHT, WIDTH, until


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
    assert steps[0] == "" and "smaller input (62 % of the pixels)" in steps
    assert any("smaller input" in reason for reason in camera.said("stepped_down"))
