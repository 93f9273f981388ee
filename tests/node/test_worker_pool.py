"""Threads that perceive."""

import os
import threading
from concurrent.futures import Future

import pytest

from perception.errors import EngineError
from perception.node.worker_pool import WorkerPool
from tests.node.test_node import until

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
        assert workers.replace_hung(60) == 0
        until(lambda: workers.replace_hung(LIMIT_S) == 1)
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
