"""`perception topics`."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from perception.app.output import AsJson, show
from perception.errors import ConfigError
from perception.sources.log.base import LEAST_WALL_NS, Topic
from perception.sources.log.choice import choose_topic, rate_of
from perception.sources.log.opening import open_log
from perception.types import NS_PER_S


@dataclass(frozen=True)
class Topics:
    """What a recording holds.

    Attributes:
        topics: each with its rate.
        read: the topic whose pictures a run would read; empty: see `why`.
    """

    topics: list[tuple[Topic, float | None]]
    start_ns: int
    end_ns: int
    read: str
    why: str
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "start_ns": self.start_ns,
            "duration_s": (self.end_ns - self.start_ns) / NS_PER_S,
            "read": self.read or None,
            "topics": [
                {"topic": one.name, "type": one.schema.name, "messages": one.count, "rate": rate}
                for one, rate in self.topics
            ],
            "notes": self.notes,
        }

    def table(self) -> Table:
        began = f"at {self.start_ns / NS_PER_S:.3f} s (no wall clock)"
        if self.start_ns >= LEAST_WALL_NS:
            began = datetime.fromtimestamp(self.start_ns / NS_PER_S, UTC).isoformat(" ", "milliseconds")
        seconds = (self.end_ns - self.start_ns) / NS_PER_S
        words = f"begins {began}, {seconds:.3f} s; {f'reads {self.read}' if self.read else self.why}"
        table = Table(caption=Text("\n".join([words, *self.notes])), caption_justify="left")
        for name in ("topic", "type"):
            table.add_column(name, overflow="fold")  # to be copied whole
        table.add_column("messages", justify="right")
        table.add_column("a second", justify="right")
        for one, rate in self.topics:
            count = "" if one.count is None else str(one.count)
            mark = "bold" if one.name == self.read else ""
            table.add_row(
                Text(one.name), Text(one.schema.name), count, f"{rate:.1f}" if rate else "", style=mark
            )
        return table


def topics(
    log: Annotated[Path, typer.Argument(help="drive.mcap, bag/, x.db3 or x.bag", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """List the topics of a recording, and which one a run reads.

    \b
    Examples:
      perception topics drive.mcap
      perception topics bag/ --json
      perception run 'drive.mcap?topic=/front/image_raw/compressed&start=20&duration=10' labels/
    """
    if not log.exists():
        raise ConfigError(f"{log}: no such file or folder")
    with closing(open_log(log)) as opened:
        try:
            read, why = choose_topic(opened, None), ""
        except ConfigError as error:
            read, why = "", str(error)
        found = sorted(((one, rate_of(one, opened)) for one in opened.topics), key=lambda pair: pair[0].name)
        show(Topics(found, opened.start_ns, opened.end_ns, read, why, opened.notes), as_json)
