"""What people see while a fleet runs: on stderr, where that is a terminal a bar, else failures alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from perception.fleet.fleet import Watch
from perception.fleet.job import Job, Progress
from perception.redact import masked, printable


class Lines:
    """Failures, a line each."""

    def started(self, job: Job) -> None:
        pass

    def moved(self, job: Job, progress: Progress) -> None:
        pass

    def ended(self, job: Job, whole: bool) -> None:
        pass

    def said(self, words: str) -> None:
        sys.stderr.write(f"perception: {printable(masked(words))}\n")


class Bars(Lines):
    """Drives and frames so far, the time left, and a bar for each worker.

    Args:
        bar: rich's Progress.
    """

    def __init__(self, bar: Any, drives: int, heading: Callable[[str], str]) -> None:
        self._bar, self._heading = bar, heading
        self._all = bar.add_task("drives", total=drives, frames=0)
        self._workers: dict[str, Any] = {}
        self._frames: dict[str, int] = {}
        self._done = 0

    def started(self, job: Job) -> None:
        self._workers[job.title] = self._bar.add_task(self._heading(job.title), total=None, frames=0)

    def moved(self, job: Job, progress: Progress) -> None:
        task, self._frames[job.title] = self._workers[job.title], progress.frames
        self._bar.update(task, completed=progress.frames, total=progress.expected, frames=progress.frames)
        self._move()

    def ended(self, job: Job, whole: bool) -> None:
        self._bar.remove_task(self._workers.pop(job.title))
        self._done += whole
        self._move()

    def said(self, words: str) -> None:
        self._bar.console.print(f"perception: {printable(masked(words))}", markup=False, highlight=False)

    def _move(self) -> None:
        """A drive that is half done is half a drive: so the time left is known before the first one ends."""
        tasks = [one for one in self._bar.tasks if one.id in set(self._workers.values()) and one.total]
        share = sum(min(1.0, one.completed / one.total) for one in tasks)
        self._bar.update(self._all, completed=self._done + share, frames=sum(self._frames.values()))


@contextmanager
def watching(drives: int, hidden: bool) -> Iterator[Watch]:
    """Bars where somebody sees them."""
    if hidden or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415 - a fleet without a terminal does without rich

    from perception.console import Console, heading  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[frames]} frames"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=2) as bar:
        yield Bars(bar, drives, heading)
