"""What a worker is asked, and what it answers: plain values that go through a pipe or over the network."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PARTIAL = ".partial"  # in OUT: what is not whole yet
FAILED = "failed"  # in OUT: what failed drives have logged


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cut(_Message):
    """A piece of a drive, one of so many: seconds after its first frame; `duration` None: to the end."""

    number: int
    of: int = 1
    start: float
    duration: float | None


class Job(_Message):
    """One drive, one piece of it, or its pieces to be joined.

    Attributes:
        uri: of the source, or where `remote` of what is fetched first.
        out: folder of the fleet.
        settings: of `RunConfig`, without source and sinks; the engine is a name.
        configuration, versions: for done.json.
        attempt: from 1.
        longest: seconds of a drive from which on it is answered by how to cut it; 0: never.
        cut: the piece that is perceived.
        join: pieces that are there and are joined; empty: none.
    """

    name: str
    uri: str
    shown: str
    out: Path
    settings: dict[str, Any]
    configuration: str
    versions: dict[str, str]
    remote: bool = False
    attempt: int = 1
    longest: float = 0.0
    cut: Cut | None = None
    join: tuple[Cut, ...] = ()

    @property
    def folder(self) -> Path:
        """Where a piece is once it is whole; each attempt writes to one that begins with its name."""
        return (
            self.out / PARTIAL / self.name / ("whole" if self.cut is None else f"piece-{self.cut.number:04d}")
        )

    @property
    def title(self) -> str:
        """For people."""
        if self.cut is not None:
            return f"{self.name} piece {self.cut.number + 1}"
        return f"{self.name} join" if self.join else self.name

    @property
    def share(self) -> Fraction:
        """Of the work on its drive."""
        return Fraction(0) if self.join else Fraction(1, 1 if self.cut is None else self.cut.of)


class Progress(_Message):
    """So many frames are published, of about so many; None: unknown."""

    kind: Literal["progress"] = "progress"
    frames: int
    expected: int | None = None


class Finished(_Message):
    """The job is done."""

    kind: Literal["finished"] = "finished"
    frames: int


class TooLong(_Message):
    """Nothing was done: the drive is to be perceived in these pieces."""

    kind: Literal["too_long"] = "too_long"
    cuts: tuple[Cut, ...]


class Apart(_Message):
    """The pieces do not fit together: the drive is to be perceived in one."""

    kind: Literal["apart"] = "apart"
    why: str


class Failed(_Message):
    """It cannot be done; `final`: another attempt would fail, too."""

    kind: Literal["failed"] = "failed"
    why: str
    final: bool


Outcome = Finished | TooLong | Apart | Failed
MESSAGES: TypeAdapter[Progress | Outcome] = TypeAdapter(
    Annotated[Progress | Outcome, Field(discriminator="kind")]
)
