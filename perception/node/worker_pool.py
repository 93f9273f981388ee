"""Threads that perceive: one that hangs is given up, and another one takes its place."""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread, current_thread, get_native_id
from typing import Any, Self

from perception.errors import EngineError

LEFT_BEHIND = "left behind"  # the name of a thread that hangs and was given up


@dataclass(slots=True, eq=False)
class _Job:
    function: Callable[[Any], Any]
    argument: Any
    future: Future[Any]
    begun: float = 0.0
    thread: Thread = field(default_factory=current_thread)
    given_up: bool = False


class WorkerPool:
    """A fixed number of threads that take calls in turn; several nodes may share them.

    Where there is one for each core, each stays on its own: two that work at the same time would now and then
    be woken on one core, and take twice as long until the system moves one of them.

    Python cannot end a thread that hangs in an engine. It is left behind, as a daemon, with what it holds.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._busy: set[_Job] = set()
        self._threads: set[Thread] = set()
        self._lock = Lock()  # guards the busy jobs, and who settles a job's future
        cores = _cores()
        for number in range(count):
            self._start(cores[number] if count == len(cores) else None)

    def submit(self, function: Callable[[Any], Any], argument: Any) -> Future[Any]:
        job = _Job(function, argument, Future())
        self._jobs.put(job)
        return job.future

    def replace_hung(self, limit_s: float) -> int:
        """Give up every call that has run for longer; its future raises EngineError. Returns how many."""
        now = time.monotonic()
        with self._lock:
            hung = [job for job in self._busy if now - job.begun > limit_s]
            for job in hung:
                job.given_up = True
                self._busy.remove(job)
                self._threads.remove(job.thread)
                job.thread.name = LEFT_BEHIND
        for job in hung:
            self._start()
            job.future.set_exception(EngineError(f"no answer for {limit_s:g} s: the call hangs"))
        return len(hung)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the threads, each after the call that it is in; one that is still in it by then is left behind.

        The process must not end under an engine at work: its libraries would go from under it.
        """
        for _ in range(self.count):
            self._jobs.put(None)
        until = time.monotonic() + timeout_s
        for thread in tuple(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                thread.name = LEFT_BEHIND

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, core: int | None = None) -> None:
        thread = Thread(target=self._work, args=(core,), name="worker", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _work(self, core: int | None) -> None:
        if core is not None:
            os.sched_setaffinity(get_native_id(), {core})
        while (job := self._jobs.get()) is not None:
            with self._lock:
                job.begun, job.thread = time.monotonic(), current_thread()
                self._busy.add(job)
            result, error = None, None
            try:
                result = job.function(job.argument)
            except BaseException as raised:  # noqa: BLE001 - raised where the result is wanted
                error = raised
            with self._lock:
                if job.given_up:
                    return  # another thread has this one's place
                self._busy.remove(job)
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)
            del job, result, error  # or the last frame would stay in memory while there is nothing to do


def _cores() -> list[int]:
    """Those that this process may use; none where the system does not let a thread choose."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
