"""Progress bars on stderr, by rich."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

from perception.console import Console
from perception.engines.base import OnBuild


@contextmanager
def build_bars(kept: str) -> Iterator[OnBuild]:
    """A bar for each build, which stays; `kept` says what becomes of it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}

    def move(what: str, share: float) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(f"{what}, {kept}", total=1.0)
        bar.update(tasks[what], completed=share)

    with bar:
        yield move


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.1f} frames/s")


@contextmanager
def frame_bar(total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar of frames, which goes away at the end."""
    columns = BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("run", total=total)
    with bar:
        yield lambda count: bar.update(task, completed=count)
