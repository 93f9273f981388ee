"""Progress on stderr while an engine is built, which takes minutes at its first start."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from perception.engines.base import OnBuild

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
