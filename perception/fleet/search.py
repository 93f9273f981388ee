"""Finding frames in the tables of many drives."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.classes import DRIVE
from perception.errors import ConfigError, DataError
from perception.fleet.columns import COLUMNS
from perception.fleet.query import Query, parse
from perception.fleet.table import TABLE, database, pattern, tables
from perception.types import NS_PER_S

if TYPE_CHECKING:
    import duckdb

_ROWS = """
CREATE TEMP VIEW rows AS
SELECT *, file_index::INTEGER AS file, getvariable('drives')[file_index::INTEGER + 1] AS drive
FROM read_parquet(getvariable('files'), hive_partitioning = false)
"""
_HITS = """
CREATE TEMP TABLE hits AS
SELECT file, frame, any_value(sequence) AS sequence, any_value(stem) AS stem, any_value(stamp_ns) AS stamp_ns,
    any_value(doubt) AS doubt
FROM rows {join} WHERE {where} GROUP BY file, frame
"""
_COUNTED = "JOIN (SELECT file, frame, {counts} FROM rows GROUP BY file, frame) USING (file, frame)"


@dataclass(frozen=True, slots=True)
class Hit:
    """A frame that was found; `doubt` as in the table."""

    sequence: int
    stem: str
    stamp_ns: int
    doubt: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """Frames of one drive that were found close to one another, in their order.

    `folder` is what perception run wrote of the drive.
    """

    folder: Path
    hits: tuple[Hit, ...]

    @property
    def drive(self) -> str:
        return name_of(self.folder)

    @property
    def name(self) -> str:
        return f"{self.drive}-{self.hits[0].sequence:06d}"

    def as_json(self) -> dict[str, Any]:
        return {
            "drive": self.drive,
            "from_s": self.hits[0].stamp_ns / NS_PER_S,
            "to_s": self.hits[-1].stamp_ns / NS_PER_S,
            "hits": [
                {key: getattr(one, key) for key in ("sequence", "stem", "stamp_ns", "doubt")}
                for one in self.hits
            ],
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Attributes:
        events: the first ones, by drive and time.
        frames, total, drives: how many frames, events and drives were found, in all.
        unknown: columns that the query names and no file knows, where nothing was found.
    """

    events: list[Event]
    frames: int
    total: int
    drives: int
    unknown: list[str]


def name_of(folder: Path) -> str:
    """What a folder's drive is called."""
    return folder.resolve().name


def search(folders: Sequence[Path], where: str, apart_s: float, most: int) -> Found:
    """The frames for which the query holds, as events: runs of frames at most `apart_s` from one to the next.

    Args:
        most: events that are given.

    Raises:
        ConfigError: the query is wrong.
        DataError: scenes cannot be read.
    """
    import duckdb  # noqa: PLC0415 - the extra `fleet`

    files = tables(folders)
    try:
        with database() as connection:
            open_rows(connection, files)
            query = _parsed(connection, where, [name_of(folder) for folder in folders])
            connection.execute(_sql(query), query.parameters)
            return _found(connection, folders, query, apart_s, most)
    except duckdb.Error as error:
        words = str(error).partition("\n")[0]
        raise DataError(
            f"the {TABLE} of {len(files)} drives cannot be searched; where another version wrote them, "
            f"remove them, and they are made again: {words}"
        ) from error


def open_rows(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path]) -> None:
    """The view `rows` of all tables, with `file`, the number of its table, and `drive`, its folder."""
    connection.execute("SET VARIABLE drives = $names", {"names": [name_of(file.parent) for file in files]})
    connection.execute("SET VARIABLE files = $paths", {"paths": [pattern(file) for file in files]})
    connection.execute(_ROWS)


def _parsed(connection: "duckdb.DuckDBPyConnection", where: str, drives: Sequence[str]) -> Query:
    """Classes beyond those of `drive` are read from the tables only where the query names others."""
    with suppress(ConfigError):  # one that was being handled would be reported, too
        return parse(where, DRIVE.things, drives)
    found = connection.execute("SELECT DISTINCT class FROM rows WHERE class IS NOT NULL").fetchall()
    return parse(where, {*DRIVE.things, *(name for (name,) in found)}, drives)


def _sql(query: Query) -> str:
    # A frame without road users is a row of nobody.
    counts = [
        f"count(*) FILTER (WHERE id IS NOT NULL AND ({where})) AS n{i}"
        for i, where in enumerate(query.counts)
    ]
    join = _COUNTED.format(counts=", ".join(counts)) if counts else ""
    return _HITS.format(join=join, where=query.where)


def _found(
    connection: "duckdb.DuckDBPyConnection", folders: Sequence[Path], query: Query, apart_s: float, most: int
) -> Found:
    columns = connection.execute("SELECT file, stamp_ns FROM hits ORDER BY file, frame").fetchnumpy()
    file, stamps = columns["file"], columns["stamp_ns"]
    if not len(file):
        return Found([], 0, 0, 0, _never_known(connection, query))
    apart = (file[1:] != file[:-1]) | (np.abs(np.diff(stamps)) > apart_s * NS_PER_S)
    edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(file)]
    end = edges[: most + 1][-1]  # of the frames that are given
    rows = connection.execute(
        "SELECT sequence, stem, stamp_ns, doubt FROM hits ORDER BY file, frame LIMIT $end", {"end": end}
    ).fetchall()
    hits = tuple(Hit(*values) for values in rows)
    events = [Event(folders[file[start]], hits[start:stop]) for start, stop in pairwise(edges[: most + 1])]
    return Found(events, len(file), len(edges) - 1, len(np.unique(file)), [])


def _never_known(connection: "duckdb.DuckDBPyConnection", query: Query) -> list[str]:
    names = sorted(query.columns)
    if not names:
        return []
    counts = ", ".join(f"count({COLUMNS[name].sql})" for name in names)
    row = connection.execute(f"SELECT {counts} FROM rows").fetchone()
    return [name for name, count in zip(names, row or (), strict=True) if not count]
