"""Progress on stderr: of a run, and of an engine that is built, which takes minutes at its first start."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from perception.engines.base import OnBuild
from perception.scene import Scene
from perception.sources.base import Source

KEPT = "kept for the next start"


@contextmanager
def show_builds(hidden: bool = False, as_lines: bool = False) -> Iterator[OnBuild]:
    """A progress bar on stderr for each build, or a line at its start and one at its end.

    Args:
        hidden: show nothing.
        as_lines: instead of bars, as where stderr is no terminal. Lines also appear after the block ends.

    Yields:
        What `Perceiver.load` takes as `on_build`.
    """
    console = Console(stderr=True)
    if hidden:
        yield lambda what, share: None
        return
    if as_lines or not console.is_terminal:
        yield _line
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        console=console,
    )
    tasks: dict[str, TaskID] = {}

    def move(what: str, share: float) -> None:
        if what not in tasks:
            bar.start()
            tasks[what] = bar.add_task(f"{what}, {KEPT}", total=1.0)
        bar.update(tasks[what], completed=share)

    try:
        yield move
    finally:
        bar.stop()


def _line(what: str, share: float) -> None:
    if share in (0.0, 1.0):
        sys.stderr.write(f"perception: {what}, {KEPT}{': done' if share else '; this takes minutes'}\n")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.1f} frames/s")


@contextmanager
def show_frames(source: Source, frames: int | None, hidden: bool) -> Iterator[Callable[[Scene], None]]:
    """A progress bar on stderr, where that is a terminal; the callable moves it."""
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        console=console,
        disable=hidden or not console.is_terminal,
        transient=True,
    )
    lengths = [length for length in (source.length, frames) if length]
    task = bar.add_task("run", total=min(lengths, default=None))
    with bar:
        yield lambda scene: bar.update(task, completed=scene.sequence + 1)
