"""Threads that perceive: one that hangs is given up, and another one takes its place."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Self

from perception.errors import EngineError


@dataclass(slots=True, eq=False)
class _Job:
    function: Callable[[Any], Any]
    argument: Any
    future: Future[Any]
    begun: float = 0.0
    given_up: bool = False


class Workers:
    """A fixed number of threads that take calls in turn; several nodes may share them.

    Python cannot end a thread that hangs in an engine. It is left behind, as a daemon, with what it holds.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._busy: set[_Job] = set()
        self._lock = Lock()  # guards the busy jobs, and who settles a job's future
        for _ in range(count):
            self._start()

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
        for job in hung:
            self._start()
            job.future.set_exception(EngineError(f"no answer for {limit_s:g} s: the call hangs"))
        return len(hung)

    def close(self) -> None:
        """End the threads, each after the call that it is in; none is waited for."""
        for _ in range(self.count):
            self._jobs.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        Thread(target=self._work, name="worker", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                job.begun = time.monotonic()
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
