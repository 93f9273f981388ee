"""Where jobs run: on this machine or on a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from perception.fleet.job import Job, Outcome, Progress


@dataclass(frozen=True)
class Died:
    """A worker is gone; before that it may have given an outcome.

    Attributes:
        how: for people, such as "was ended by SIGKILL".
        log: what it wrote on standard error, where it failed on this machine.
    """

    how: str
    log: Path | None = None


Event: TypeAlias = tuple[Job, Progress | Outcome | Died]


class Executor(Protocol):
    """Runs jobs, `slots` at a time. Each ends with an `Outcome`, or without one, and then with `Died`."""

    slots: int

    def start(self, job: Job) -> None: ...

    def wait(self) -> list[Event]:
        """What happened next; empty where `stop` was called meanwhile."""
        ...

    def stop(self) -> None:
        """Let `wait` return; from any thread."""
        ...

    def close(self) -> None:
        """End what runs."""
        ...
