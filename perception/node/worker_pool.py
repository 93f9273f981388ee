"""Threads that perceive: one that hangs is given up, and another one takes its place."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread, get_native_id
from typing import Any, Self

import cv2
import numpy as np

from perception.engines.background import LEFT_BEHIND, end_or_leave
from perception.errors import EngineError
from perception.health.awake import awake_clock
from perception.health.degradation import Degradation

SLOW_S = 1.0  # a call that takes longer must not keep other owners' calls waiting


class HangError(EngineError):
    """A call that gave no answer, and was given up."""


@dataclass(slots=True, eq=False)
class _Job:
    owner: object
    function: Callable[[Any], Any]
    argument: Any
    future: Future[Any]
    begun: float = 0.0  # by the clock of this process's life: while it is paused, nothing hangs
    thread: Thread = field(default_factory=current_thread)
    replaced: bool = False  # another thread has the place of the one that it is in
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Hung:
    """Calls of one owner that were given up at the same time, `count` of them.

    Attributes:
        in_a_row: some of them began after the owner's last ones had been given up. Calls that were at work
            beside each other hang together, by one cause.
    """

    count: int
    in_a_row: bool


class WorkerPool:
    """A fixed number of threads that take calls in turn; several nodes may share them.

    Where there is one for each core, each stays on its own: two that work at the same time would now and then
    be woken on one core, and take twice as long until the system moves one of them.

    Python cannot end a thread that hangs in an engine. It is left behind, as a daemon, with what it holds.

    Attributes:
        degradation: what is left out to keep up: the same for all that share the threads.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.degradation = Degradation()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._busy: set[_Job] = set()
        self._threads: set[Thread] = set()
        self._waiting: Counter[object] = Counter()  # calls of each owner
        self._given_up: dict[object, float] = {}  # when an owner's last row of hung calls was
        self._clock = awake_clock()
        self._lock = Lock()  # guards the busy jobs, and who settles a job's future
        cores = _cores()
        _start_opencv()
        for number in range(count):
            self._start(cores[number] if count == len(cores) else None)

    def submit(self, function: Callable[[Any], Any], argument: Any, owner: object = None) -> Future[Any]:
        """Call the function in one of the threads, for an owner, such as one camera of several."""
        job = _Job(owner, function, argument, Future())
        with self._lock:
            self._waiting[owner] += 1
        self._jobs.put(job)
        return job.future

    def replace_hung(self, limit_s: float, owner: object = None) -> Hung:
        """Give up the owner's calls that have run for longer; their futures raise HangError.

        Pauses of the whole process do not count.
        """
        now = self._clock.now_s()
        with self._lock:
            own = [job for job in self._busy if job.owner is owner]
            hung = [job for job in own if now - job.begun > limit_s]
            others_wait = self._waiting.total() > self._waiting[owner]
            slow = [job for job in own if others_wait and now - job.begun > SLOW_S]
            places = _replaced({*slow, *hung})
            for job in hung:
                job.given_up = True
                self._busy.remove(job)
                self._threads.discard(job.thread)
                job.thread.name = LEFT_BEHIND
            in_a_row = any(job.begun >= self._given_up.get(owner, 0.0) for job in hung)
            if in_a_row:
                self._given_up[owner] = now
        for _ in range(places):
            self._start()
        for job in hung:
            job.future.set_exception(HangError(f"no answer for {limit_s:g} s: the call hangs"))
        return Hung(len(hung), in_a_row)

    def leave(self, owner: object) -> None:
        """The owner wants no more answers: its calls that wait are left out, and threads that are at work for
        it keep no other owner waiting."""
        with suppress(Empty):
            waiting = []
            while True:
                waiting.append(self._jobs.get_nowait())
        for job in waiting:
            if job is None or job.owner is not owner:
                self._jobs.put(job)
        with self._lock:
            self._given_up.pop(owner, None)
            self._waiting.pop(owner, None)
            places = _replaced({job for job in self._busy if job.owner is owner})
        for _ in range(places):
            self._start()

    def close(self, timeout_s: float = 5.0) -> None:
        """End the threads, each after the call that it is in; one still in it by then is left behind."""
        for _ in range(self.count):
            self._jobs.put(None)
        until = self._clock.now_s() + timeout_s
        for thread in tuple(self._threads):
            end_or_leave(thread, max(0.0, until - self._clock.now_s()))

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
                self._waiting[job.owner] -= 1
                job.begun, job.thread = self._clock.now_s(), current_thread()
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
                if job.replaced:
                    self._threads.discard(job.thread)
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)
            if job.replaced:
                return
            del job, result, error  # or the last frame would stay in memory while there is nothing to do


def _replaced(jobs: set[_Job]) -> int:
    """Mark them so; how many threads must come for that."""
    places = sum(not job.replaced for job in jobs)
    for job in jobs:
        job.replaced = True
    return places


def _cores() -> list[int]:
    """Those that this process may use; none where the system does not let a thread choose."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


def _start_opencv() -> None:
    """Have OpenCV make its threads: made by a thread that is bound to a core, all would stay on that one."""
    cv2.GaussianBlur(np.zeros((256, 256), np.uint8), (5, 5), 0)
