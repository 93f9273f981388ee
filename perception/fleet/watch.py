"""What people see while a fleet runs: on stderr, where that is a terminal a bar, else failures alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from perception.fleet.fleet import Watch
from perception.fleet.job import Job, Progress
from perception.redact import masked, printable

ZERO = Fraction(0)


class Lines:
    """Failures, a line each."""

    def moved(self, job: Job, progress: Progress) -> None:
        pass

    def ended(self, job: Job, share: Fraction) -> None:
        pass

    def said(self, words: str) -> None:
        sys.stderr.write(f"perception: {printable(masked(words))}\n")


class Bars(Lines):
    """Drives and frames so far, the time left, and a bar for each worker that says how far it is.

    Args:
        bar: rich's Progress.
    """

    def __init__(self, bar: Any, drives: int, heading: Callable[[str], str]) -> None:
        self._bar, self._heading, self._drives = bar, heading, drives
        self._all = bar.add_task("drives", total=drives, count="")
        self._workers: dict[str, Any] = {}
        self._moving: dict[str, Fraction] = {}  # of drives, by the titles of running jobs
        self._frames: dict[str, int] = {}
        self._done: dict[str, Fraction] = {}
        self._move()

    def moved(self, job: Job, progress: Progress) -> None:
        if job.title not in self._workers:
            self._workers[job.title] = self._bar.add_task(self._heading(job.title), total=None, count="")
        frames, expected = progress.frames, progress.expected
        self._frames[job.title] = frames
        self._moving[job.title] = (
            job.share * min(Fraction(1), Fraction(frames, expected)) if expected else ZERO
        )
        count = f"{frames} of {expected} frames" if expected else f"{frames} frames"
        self._bar.update(self._workers[job.title], completed=frames, total=expected, count=count)
        self._move()

    def ended(self, job: Job, share: Fraction) -> None:
        if job.title in self._workers:
            self._bar.remove_task(self._workers.pop(job.title))
        self._moving.pop(job.title, None)
        self._done[job.name] = min(Fraction(1), max(ZERO, self._done.get(job.name, ZERO) + share))
        self._move()

    def said(self, words: str) -> None:
        self._bar.console.print(f"perception: {printable(masked(words))}", markup=False, highlight=False)

    def _move(self) -> None:
        """A drive that is half done is half a drive: so the time left is known before the first one ends."""
        done = float(sum(self._done.values()) + sum(self._moving.values()))
        whole = sum(one == 1 for one in self._done.values())
        count = f"{whole} of {self._drives} drives, {sum(self._frames.values())} frames"
        self._bar.update(self._all, completed=done, count=count)


@contextmanager
def watching(drives: int, hidden: bool) -> Iterator[Watch]:
    """Bars where somebody sees them."""
    if hidden or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415 - a fleet without a terminal does without rich

    from perception.console import Console, heading  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=2) as bar:
        yield Bars(bar, drives, heading)
