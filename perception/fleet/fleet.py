"""The jobs of a fleet: in which order they run, which are tried again, and how pieces become a drive."""

import logging
import shutil
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from perception.fleet.executor import Died, Executor
from perception.fleet.job import FAILED, PARTIAL, Apart, Failed, Finished, Job, Outcome, Progress, TooLong

LOG = logging.getLogger("perception.fleet")


class Watch(Protocol):
    """Who is shown what happens."""

    def moved(self, job: Job, progress: Progress) -> None: ...

    def ended(self, job: Job, share: Fraction) -> None:
        """`share`: of its drive, which is done by this; below 0: what was done of it is worth nothing."""
        ...

    def said(self, words: str) -> None:
        """For people, at once: a failure."""
        ...


class Fleet:
    """Runs jobs until none is left, or it is stopped; once.

    Args:
        retries: of a job that failed for another reason than its drive.

    Attributes:
        failures: why, by the drives' names.
        retried: attempts that failed, and were made again.
    """

    def __init__(self, jobs: Sequence[Job], executor: Executor, retries: int, watch: Watch) -> None:
        self._queue, self._executor, self._retries, self._watch = deque(jobs), executor, retries, watch
        self._running: dict[str, Job] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._pieces_left: dict[str, set[int]] = {}
        self._cuts: dict[str, TooLong] = {}
        self._stopped = False
        self.failures: dict[str, str] = {}
        self.retried = 0

    def stop(self) -> None:
        """End at once; from any thread."""
        self._stopped = True
        self._executor.stop()

    def run(self) -> None:
        """Raises: OSError: no process can be started."""
        while not self._stopped and (self._queue or self._running):
            while self._queue and len(self._running) < self._executor.slots:
                job = self._queue.popleft()
                self._running[job.title] = job
                self._executor.start(job)
            for job, message in self._executor.wait():
                if isinstance(message, Progress):
                    self._watch.moved(job, message)
                elif isinstance(message, Died):
                    del self._running[job.title]
                    self._end(job, self._outcomes.pop(job.title, None), message)
                else:
                    self._outcomes[job.title] = message

    def _end(self, job: Job, outcome: Outcome | None, died: Died) -> None:
        share = Fraction(0)
        if job.name in self.failures:  # by another piece
            pass
        elif isinstance(outcome, Finished):
            self._finished(job, outcome)
            share = job.share
        elif isinstance(outcome, TooLong):
            self._cuts[job.name] = outcome
            self._pieces_left[job.name] = {cut.number for cut in outcome.cuts}
            self._queue.extendleft(job.model_copy(update={"cut": cut}) for cut in reversed(outcome.cuts))
        elif isinstance(outcome, Apart):
            self._watch.said(f"{job.name}: cannot be joined, and is done in one: {outcome.why}")
            self._queue.appendleft(job.model_copy(update={"join": (), "longest": 0.0, "attempt": 1}))
            share = Fraction(-1)
        elif not self._tried_again(job, outcome, died):
            share = Fraction(1)
        self._watch.ended(job, share)

    def _finished(self, job: Job, finished: Finished) -> None:
        if not job.join:  # whose frames are those of the pieces
            self._watch.moved(job, Progress(frames=finished.frames, expected=finished.frames))
        if job.cut is None:
            _forget(job)
            return
        left = self._pieces_left[job.name]
        left.discard(job.cut.number)
        if not left:
            cuts = self._cuts[job.name].cuts
            self._queue.appendleft(job.model_copy(update={"cut": None, "join": cuts, "attempt": 1}))

    def _tried_again(self, job: Job, failed: Failed | None, died: Died) -> bool:
        """Whether it is; else the drive is given up."""
        why = f"its worker {died.how}" if failed is None else failed.why
        log = f"; see {died.log}" if died.log is not None and failed is None else ""
        if not (failed and failed.final) and job.attempt <= self._retries:
            self.retried += 1
            self._watch.said(f"{job.title}: {why}; tried again ({job.attempt} of {self._retries})")
            self._queue.append(job.model_copy(update={"attempt": job.attempt + 1}))
            return True
        times = f" {job.attempt} times" if job.attempt > 1 else ""
        self.failures[job.name] = f"{why}{log}"
        self._watch.said(f"{job.title} failed{times}: {why}{log}")
        self._queue = deque(one for one in self._queue if one.name != job.name)
        shutil.rmtree(job.out / PARTIAL / job.name, ignore_errors=True)
        return False


def _forget(job: Job) -> None:
    """Remove what earlier attempts of a drive have logged that is finished now."""
    folder = job.out / FAILED
    for log in (folder / f"{job.name}.log", *folder.glob(f"{job.name} *.log")):
        log.unlink(missing_ok=True)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
