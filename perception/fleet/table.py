"""Scenes as a table: scenes.parquet next to scenes.jsonl, one row a road user, for queries over many drives.

A frame without road users has one row, in which all of a road user is NULL, as is each key that a line lacks.
The drive is no column: it is the name of the folder, which may change.

`doubt` is how many road users of a frame are probably wrong, as far as the scenes themselves say so:

    Σ over its road users (1 − score; 1 where the track is in no other frame)
      + tracks that are before and after the frame, with at most `GAP` frames between, and not in it

It is NULL where the frame cannot be judged: its status is not ok, or instances were left out. It knows
nothing of what is never found, and takes a short occlusion for a miss.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perception.errors import DataError
from perception.fleet.summary import SUMMARY, read_failures
from perception.interchange.files.records import SCENES

if TYPE_CHECKING:
    import duckdb

TABLE = "scenes.parquet"
WORKERS_MEMORY = "512MB"  # by default each worker's DuckDB would take 80 % of the machine's
GAP = 3  # frames; what is hidden is mostly missing for longer

_KEYS = {  # what is read of a line, in DuckDB's types
    "sequence": "BIGINT",
    "stem": "VARCHAR",
    "camera": "VARCHAR",
    "stamp_ns": "BIGINT",
    "wall_ns": "BIGINT",
    "age_ms": "DOUBLE",
    "status": "VARCHAR",
    "reasons": "VARCHAR[]",
    "left_out": "VARCHAR[]",
    "instances": 'STRUCT(id INTEGER, "class" VARCHAR, score DOUBLE, box DOUBLE[], track BIGINT, '
    "distance_m DOUBLE, lateral_m DOUBLE, ttc_s DOUBLE)[]",
    "lanes": "STRUCT(kind VARCHAR)[]",
    "road": "STRUCT(offset_m DOUBLE, width_m DOUBLE, curvature_per_m DOUBLE)",
    "latent": "FLOAT[]",
}
_SCENES = """
CREATE TEMP TABLE scenes AS SELECT
    (row_number() OVER () - 1)::INTEGER AS frame,
    *,
    status = 'ok' AND NOT list_contains(coalesce(left_out, []), 'instances') AS judged
FROM read_json($path, format = 'newline_delimited', columns = $keys)
"""
_ROWS = f"""
COPY (
    WITH users AS (
        SELECT frame, unnest(instances) AS one, unnest(range(len(instances))) AS place FROM scenes
    ), steps AS (
        SELECT frame, one.track AS track, lag(frame) OVER along AS before, lead(frame) OVER along AS after
        FROM users WHERE one.track IS NOT NULL WINDOW along AS (PARTITION BY one.track ORDER BY frame)
    ), missed AS (
        SELECT frame, count(*) AS tracks
        FROM (SELECT unnest(range(frame + 1, after)) AS frame FROM steps WHERE after - frame <= {GAP} + 1)
        GROUP BY frame
    ), alone AS (  -- what is in the first or last frame alone may have gone on outside the drive
        SELECT frame, track FROM steps
        WHERE before IS NULL AND after IS NULL AND frame > 0 AND frame < (SELECT max(frame) FROM scenes)
    ), wrong AS (
        SELECT users.frame, sum(if(alone.track IS NULL, 1 - one.score, 1)) AS found
        FROM users LEFT JOIN alone ON users.frame = alone.frame AND one.track = alone.track
        GROUP BY users.frame
    )
    SELECT
        frame, sequence, stem, camera, stamp_ns, wall_ns, age_ms, status, coalesce(reasons, []) AS reasons,
        len(lanes)::INTEGER AS lanes, road.offset_m AS road_offset_m, road.width_m AS road_width_m,
        road.curvature_per_m AS curvature_per_m,
        if(judged, round(coalesce(found, 0) + coalesce(tracks, 0), 4), NULL) AS doubt,
        one.id AS id, one.class AS class, one.score AS score, one.track AS track,
        one.box[1] AS x0, one.box[2] AS y0, one.box[3] AS x1, one.box[4] AS y1,
        one.distance_m AS distance_m, one.lateral_m AS lateral_m, one.ttc_s AS ttc_s,
        if(place > 0, NULL, latent) AS latent
    FROM scenes LEFT JOIN users USING (frame) LEFT JOIN missed USING (frame) LEFT JOIN wrong USING (frame)
    ORDER BY frame, place
) TO $path (FORMAT parquet, COMPRESSION zstd)
"""


@contextmanager
def database(spill: Path | None = None) -> "Iterator[duckdb.DuckDBPyConnection]":
    """DuckDB in memory, which fetches nothing from the network. Needs the extra `fleet`.

    Args:
        spill: a folder for what is too much for little memory and one thread, as each worker of a fleet has;
            None: it takes each core and most of the memory.
    """
    import duckdb  # noqa: PLC0415 - the extra `fleet`

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": tempfile.gettempdir(),  # by default it would be the working directory
    }
    if spill is not None:
        config |= {"threads": 1, "memory_limit": WORKERS_MEMORY, "temp_directory": str(spill)}
    with duckdb.connect(config=config) as connection:
        yield connection


def pattern(path: Path) -> str:
    """A file's path as DuckDB reads it: [, ? and * are patterns there, and may match other files."""
    return "".join(f"[{letter}]" if letter in "[?*" else letter for letter in str(path))


def write_table(folder: Path) -> None:
    """Write scenes.parquet from scenes.jsonl in a folder that perception run wrote, in one thread.

    Raises:
        DataError: scenes.jsonl is missing or broken, or the table cannot be written.
    """
    import duckdb  # noqa: PLC0415 - the extra `fleet`

    path, table = folder / SCENES, folder / TABLE
    draft = table.with_suffix(f".{os.getpid()}")
    try:
        begun = path.stat()
        with database(folder / ".spill") as connection:
            connection.execute(_SCENES, {"path": pattern(path), "keys": _KEYS})
            odd = connection.execute("SELECT min(frame) FROM scenes WHERE stem IS NULL OR instances IS NULL")
            if (found := odd.fetchone()) and found[0] is not None:
                raise DataError(
                    f"{path}: no scenes of perception run: line {found[0] + 1} has no stem, or no instances"
                )
            connection.execute(_ROWS, {"path": str(draft)})
        # As of when it was read: lines that come meanwhile make it out of date.
        os.utime(draft, ns=(begun.st_atime_ns, begun.st_mtime_ns))
        draft.replace(table)
    except duckdb.Error as error:
        words = str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be made into {TABLE}: {words}") from error
    except OSError as error:
        raise DataError(f"{folder}: {TABLE} cannot be made of {SCENES}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def run_folders(out: Path) -> list[Path]:
    """The folders with scenes: this one, or those in it, by name; hidden ones are unfinished drives.

    Those of drives that failed in the last fleet are left out: what is in them is an older answer.

    Raises:
        DataError: there is none, or summary.json is broken.
    """
    if (out / SCENES).is_file():
        return [out]
    found = sorted(path.parent for path in out.glob(f"*/{SCENES}") if not path.parent.name.startswith("."))
    if not found:
        raise DataError(
            f"{out}: no {SCENES} in it, or in its folders; give what perception fleet or perception run wrote"
        )
    failures = read_failures(out)
    if not (left := [folder for folder in found if folder.name not in failures]):
        raise DataError(f"{out}: every drive in it has failed; {SUMMARY} says why")
    return left


def tables(folders: Sequence[Path]) -> list[Path]:
    """The folders' tables, of which those that are missing or out of date are written first.

    Raises:
        DataError: one cannot be.
    """
    found = [folder / TABLE for folder in folders]
    for table in found:
        if not table.exists() or table.stat().st_mtime_ns < (table.parent / SCENES).stat().st_mtime_ns:
            write_table(table.parent)
    return found
