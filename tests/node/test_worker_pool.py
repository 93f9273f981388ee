"""Threads that perceive."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import cast

import pytest

from perception.errors import EngineError
from perception.health.awake import AwakeClock
from perception.node.worker_pool import Hung, WorkerPool
from tests.node.nodes import until

LIMIT_S = 0.1


def test_what_a_call_gives_or_raises_comes_back() -> None:
    with WorkerPool(2) as workers:
        results = [workers.submit(lambda value: 12 // value, value) for value in (3, 4, 0)]
        assert [results[0].result(20), results[1].result(20)] == [4, 3]
        with pytest.raises(ZeroDivisionError):
            results[2].result(20)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system moves threads as it likes")
def test_one_for_each_core_stays_on_its_own() -> None:
    usable = os.sched_getaffinity(0)
    together = threading.Barrier(len(usable))

    def cores(_: None) -> set[int]:
        together.wait(20)
        return os.sched_getaffinity(threading.get_native_id())

    with WorkerPool(len(usable)) as workers:
        found = [workers.submit(cores, None) for _ in usable]
        assert sorted(core for one in found for core in one.result(20)) == sorted(usable)
    assert os.sched_getaffinity(0) == usable
    together = threading.Barrier(1)
    if len(usable) > 1:
        with WorkerPool(1) as workers:
            assert workers.submit(cores, None).result(20) == usable


def test_one_that_hangs_gives_its_place_to_another_and_nothing_it_gives_later_counts() -> None:
    release, begun = threading.Event(), threading.Event()

    def hang(_: None) -> str:
        begun.set()
        release.wait(60)
        return "too late"

    with WorkerPool(1) as workers:
        hung: Future[str] = workers.submit(hang, None)
        assert begun.wait(20)
        assert workers.replace_hung(60) == Hung(0, in_a_row=False)
        until(lambda: workers.replace_hung(LIMIT_S) == Hung(1, in_a_row=True))
        with pytest.raises(EngineError, match=r"no answer for 0\.1 s: the call hangs"):
            hung.result(20)
        assert workers.submit(lambda value: value, 5).result(20) == 5
        release.set()
        assert workers.submit(lambda value: value, 6).result(20) == 6
        with pytest.raises(EngineError):
            hung.result(20)


def test_closing_waits_for_what_is_at_work_and_leaves_behind_what_hangs() -> None:
    release, begun = threading.Event(), threading.Event()

    def slow(_: None) -> str:
        begun.set()
        release.wait(60)
        return "done"

    workers = WorkerPool(1)
    call: Future[str] = workers.submit(slow, None)
    assert begun.wait(20)
    threading.Timer(0.05, release.set).start()
    workers.close()
    assert call.result(0) == "done"

    release.clear()
    begun.clear()
    workers = WorkerPool(1)
    workers.submit(slow, None)
    assert begun.wait(20)
    workers.close(timeout_s=0.05)
    left = [thread.name for thread in threading.enumerate() if thread.name == "left behind"]
    assert left
    release.set()


class Hanging:
    """Calls of several owners that hang until they are released, by a clock that the test moves."""

    def __init__(self, workers: WorkerPool) -> None:
        self.workers, self.release = workers, threading.Event()
        self.now_s, self._begun = 100.0, 0
        workers._clock = cast(AwakeClock, SimpleNamespace(now_s=lambda: self.now_s))

    def hang(self, owner: str) -> "Future[None]":
        begun = threading.Event()

        def call(_: None) -> None:
            begun.set()
            self.release.wait(60)

        future: Future[None] = self.workers.submit(call, None, owner)
        assert begun.wait(20)
        return future


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with WorkerPool(4) as workers:
        one = Hanging(workers)
        yield one
        one.release.set()


def test_calls_that_hang_beside_each_other_are_one_row(hanging: Hanging) -> None:
    rows = []
    for _ in range(3):
        for _ in range(4):  # a frame each 30 ms
            hanging.hang("front")
            hanging.now_s += 0.03
        for _ in range(6):
            hanging.now_s += 0.9
            rows.append(hanging.workers.replace_hung(5.0, "front"))
    found = [one for one in rows if one.count]
    assert sum(one.count for one in found) == 12
    assert [one.in_a_row for one in found].count(True) == 3


def test_staggered_calls_are_a_new_row_once_one_began_after_the_last_row(hanging: Hanging) -> None:
    for begins in (0.0, 2.0):
        hanging.now_s = 100 + begins
        hanging.hang("front")
    found = {}
    for tenth in range(21, 125):
        hanging.now_s = 100 + tenth / 10
        one = hanging.workers.replace_hung(5.0, "front")
        if one.count:
            found[tenth / 10] = one
            hanging.hang("front")
    assert list(found.values()) == [Hung(1, in_a_row) for in_a_row in (True, False, True, False)]


def test_calls_that_hang_are_their_owners_alone(hanging: Hanging) -> None:
    left, right = hanging.hang("left"), hanging.hang("right")
    hanging.now_s += 6
    assert hanging.workers.replace_hung(5.0, "right") == Hung(1, in_a_row=True)
    with pytest.raises(EngineError):
        right.result(20)
    assert not left.done()


def test_slow_calls_of_one_owner_keep_no_other_owner_waiting(hanging: Hanging) -> None:
    slow = [hanging.hang("left") for _ in range(4)]
    waits: Future[int] = hanging.workers.submit(lambda value: value, 5, "right")
    hanging.now_s += 1.5
    assert not waits.done()
    assert hanging.workers.replace_hung(5.0, "left") == Hung(0, in_a_row=False)
    assert waits.result(20) == 5
    threads = threading.active_count()
    hanging.release.set()
    for one in slow:  # they count, late as they are; their threads then end, as others have their places
        assert one.result(20) is None
    until(lambda: threading.active_count() == threads - 4)
    assert hanging.workers.submit(lambda value: value, 6, "left").result(20) == 6


def test_slow_calls_alone_get_no_more_threads(hanging: Hanging) -> None:
    for _ in range(4):
        hanging.hang("left")
    hanging.workers.submit(lambda value: value, 5, "left")
    threads = threading.active_count()
    hanging.now_s += 1.5
    hanging.workers.replace_hung(5.0, "left")
    assert threading.active_count() == threads


def test_an_owner_that_leaves_holds_no_thread_and_its_calls_that_wait_are_left_out(hanging: Hanging) -> None:
    for _ in range(4):
        hanging.hang("left")
    called: list[int] = []
    waits = hanging.workers.submit(called.append, 1, "left")
    other: Future[int] = hanging.workers.submit(lambda value: value, 5, "right")
    assert not other.done()
    hanging.workers.leave("left")
    assert other.result(20) == 5
    assert not called and not waits.done()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system moves threads as it likes")
def test_the_threads_of_opencv_are_bound_to_no_core() -> None:
    """Made by a worker that is, they would share its core for as long as the embedding program lasts."""
    program = """
import os, threading
import cv2, numpy as np
from perception.node.worker_pool import WorkerPool
cv2.setNumThreads(3)
usable = os.sched_getaffinity(0)
with WorkerPool(len(usable)) as workers:
    work = lambda _: cv2.GaussianBlur(np.zeros((1000, 1000), np.uint8), (9, 9), 0)
    [one.result(20) for one in [workers.submit(work, None) for _ in usable]]
    known = {thread.native_id for thread in threading.enumerate()}
    others = {int(one) for one in os.listdir("/proc/self/task")} - known
    assert others and all(os.sched_getaffinity(one) == usable for one in others), others
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
