"""Finding frames in the tables of many drives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.classes import DRIVE
from perception.errors import DataError
from perception.fleet.query import COLUMNS, Query, parse
from perception.fleet.table import database, pattern, tables
from perception.types import NS_PER_S

if TYPE_CHECKING:
    import duckdb

_ROWS = """
CREATE TEMP VIEW rows AS SELECT *, file_index::INTEGER AS file, getvariable('drives')[file_index::INTEGER + 1] AS drive
FROM read_parquet(getvariable('files'), union_by_name = true, hive_partitioning = false)
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A frame that was found."""

    sequence: int
    stem: str
    stamp_ns: int


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
                {"sequence": one.sequence, "stem": one.stem, "stamp_ns": one.stamp_ns} for one in self.hits
            ],
        }


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found.

    Attributes:
        events: by drive and time.
        unknown: columns that the query names and no file knows, where nothing was found.
    """

    events: list[Event]
    unknown: list[str]


def name_of(folder: Path) -> str:
    """What a folder's drive is called."""
    return folder.resolve().name


def search(folders: Sequence[Path], where: str, apart_s: float) -> Found:
    """The frames for which the query holds, as events: runs of frames at most `apart_s` from one to the next.

    Raises:
        ConfigError: the query is wrong.
        DataError: scenes cannot be read.
    """
    import duckdb  # noqa: PLC0415 - the extra `fleet`

    files = tables(folders)
    try:
        with database() as connection:
            open_rows(connection, files)
            classes = connection.execute("SELECT DISTINCT class FROM rows WHERE class IS NOT NULL").fetchall()
            query = parse(where, {*DRIVE.things, *(name for (name,) in classes)})
            connection.execute(_sql(query), query.parameters)
            columns = connection.fetchnumpy()
            unknown = [] if len(columns["file"]) else _never_known(connection, query)
    except duckdb.Error as error:
        words = str(error).partition("\n")[0]
        raise DataError(f"the tables of {len(files)} drives cannot be searched: {words}") from error
    return Found(_events(folders, columns, apart_s), unknown)


def open_rows(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path]) -> None:
    """The view `rows`: of all tables, with `file`, the table's number here, and `drive`, its folder's name."""
    connection.execute("SET VARIABLE drives = $names", {"names": [name_of(file.parent) for file in files]})
    connection.execute("SET VARIABLE files = $paths", {"paths": [pattern(file) for file in files]})
    connection.execute(_ROWS)


def _sql(query: Query) -> str:
    counts = [f"count(*) FILTER (WHERE {where}) AS n{i}" for i, where in enumerate(query.counts)]
    counted = f"(SELECT file, frame, {', '.join(counts)} FROM rows GROUP BY file, frame)" if counts else ""
    return f"""
        SELECT file, any_value(sequence) AS sequence, any_value(stem) AS stem, any_value(stamp_ns) AS stamp_ns
        FROM rows {f"JOIN {counted} USING (file, frame)" if counts else ""}
        WHERE {query.where} GROUP BY file, frame ORDER BY file, frame
    """


def _never_known(connection: "duckdb.DuckDBPyConnection", query: Query) -> list[str]:
    names = sorted(query.columns)
    if not names:
        return []
    counts = ", ".join(f"count({COLUMNS[name].sql})" for name in names)
    row = connection.execute(f"SELECT {counts} FROM rows").fetchone()
    return [name for name, count in zip(names, row or (), strict=True) if not count]


def _events(folders: Sequence[Path], columns: dict[str, Any], apart_s: float) -> list[Event]:
    """Columns are those of `_sql`, in its order."""
    file, stamps = columns["file"], columns["stamp_ns"]
    if not len(file):
        return []
    apart = (file[1:] != file[:-1]) | (np.abs(np.diff(stamps)) > apart_s * NS_PER_S)
    edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(file)]
    hits = [
        Hit(*values)
        for values in zip(columns["sequence"].tolist(), columns["stem"], stamps.tolist(), strict=True)
    ]
    return [
        Event(folders[file[start]], tuple(hits[start:end]))
        for start, end in zip(edges[:-1], edges[1:], strict=True)
    ]
