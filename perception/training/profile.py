"""Where the time of a training run goes."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

Item = TypeVar("Item")

PARTS = ("forward", "backward", "optimiser", "waiting for data", "validation", "saving")


class Profile:
    """Seconds by part, from the first step on; what is in no part is "other".

    On a GPU every part waits until its work is done, so that it counts where it was asked for.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._begun = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what is done within as one of `PARTS`."""
        begun = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[name] += time.perf_counter() - begun

    def waits(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, counting what it takes to get each as waiting for data."""
        iterator = iter(items)
        while True:
            with self.part("waiting for data"):
                item = next(iterator, None)
            if item is None:
                return
            yield item

    def shares(self) -> dict[str, float]:
        """The share of each part, and of all else, in the time since the run began."""
        total = time.perf_counter() - self._begun
        shares = {name: seconds / total for name, seconds in self.seconds.items()}
        return {**shares, "other": max(1 - sum(shares.values()), 0.0)}

    def table(self) -> Table:
        table = Table("part", "share of the time", title="where the time went")
        for name, share in self.shares().items():
            table.add_row(name, f"{share:.1%}")
        return table


def progress_bar(*, hidden: bool) -> Progress:
    """A bar of steps, with the loss."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        disable=hidden,
    )
