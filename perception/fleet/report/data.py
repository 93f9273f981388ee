"""What a fleet's report shows, read from the tables and pictures of its drives."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from perception.app.latent import principal_components
from perception.classes import DRIVE
from perception.errors import DataError
from perception.fleet.record import read_record
from perception.fleet.search import name_of, open_rows
from perception.fleet.summary import read_failures
from perception.fleet.table import TABLE, database, tables

if TYPE_CHECKING:
    import duckdb

BINS = 40  # of a drive's time
EVENTS = 12  # of a drive, the longest
WORST, WORST_OF_A_DRIVE = 48, 3
LEAST_DOUBT = 0.5  # one road user as likely wrong as right; the page says it, too
POINTS = 3000  # on the latent map
POSTERS = 2000  # drives with a picture: about 4 kB each
_POSTER, _WORST = (128, 50), (300, 60)  # width in px, JPEG quality
OTHER_COLOURS = (
    "#b48a3c",
    "#3cb4a0",
    "#8a6cd0",
    "#d06c9c",
    "#7c9c3c",
    "#5c8cb4",
)  # of classes beyond `drive`

_FRAMES = """
CREATE TEMP TABLE frames AS SELECT
    file, frame, any_value(sequence) AS sequence, any_value(stem) AS stem, any_value(stamp_ns) / 1e9 AS t,
    any_value(status) AS status, array_to_string(any_value(reasons), '; ') AS reasons,
    any_value(doubt) AS doubt, count(id) AS users, count(*) OVER (PARTITION BY file) AS of_file
FROM rows GROUP BY file, frame
"""
_DRIVES = """
SELECT file, count(*), max(t) - min(t), count(*) FILTER (WHERE status <> 'ok'), avg(doubt),
    arg_min(stem, abs(2 * frame - of_file))
FROM frames GROUP BY file ORDER BY file
"""
# Road users of a class for each frame, in tenths, by part of the drive.
_BINS = f"""
WITH places AS (SELECT file, frame, frame * least({BINS}, of_file) // of_file AS place FROM frames),
    lengths AS (SELECT file, place, count(*) AS frames FROM places GROUP BY file, place)
SELECT file, class, place, round(10 * count(*) / any_value(frames))::INTEGER
FROM rows JOIN places USING (file, frame) JOIN lengths USING (file, place)
WHERE class IS NOT NULL GROUP BY file, class, place
"""
_SEEN = """
SELECT file, class, count(DISTINCT frame), count(DISTINCT track)
FROM rows WHERE class IS NOT NULL GROUP BY file, class ORDER BY file, class
"""
_EVENTS = """
SELECT file, min(t), max(t), count(*) AS frames, status, arg_min(reasons, frame),
    count(*) OVER (PARTITION BY file) AS of_file
FROM (SELECT *, frame - row_number() OVER (PARTITION BY file, status ORDER BY frame) AS run FROM frames)
WHERE status <> 'ok' GROUP BY file, status, run
QUALIFY row_number() OVER (PARTITION BY file ORDER BY frames DESC, min(t)) <= {most}
ORDER BY file, min(t)
"""
# Of each second one frame, since its neighbours show the same.
_WORST_FRAMES = f"""
SELECT file, sequence, stem, t, doubt, users FROM (
    SELECT * FROM frames WHERE doubt >= {LEAST_DOUBT}
    QUALIFY row_number() OVER (PARTITION BY file, floor(t) ORDER BY doubt DESC, frame) = 1
) QUALIFY row_number() OVER (PARTITION BY file ORDER BY doubt DESC, frame) <= {WORST_OF_A_DRIVE}
ORDER BY doubt DESC, file, frame LIMIT {WORST}
"""
_CODES = """
SELECT file, stamp_ns / 1e9, latent FROM rows WHERE latent IS NOT NULL
QUALIFY (row_number() OVER (ORDER BY file, frame) - 1) % (1 + count(*) OVER () // $most) = 0
"""


def collect(out: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """All that the page shows, as plain values. Pictures are JPEG files in base64.

    Raises:
        DataError: scenes or done.json cannot be read.
    """
    import duckdb  # noqa: PLC0415 - the extra `fleet`

    files = tables(folders)
    try:
        with database() as connection:
            open_rows(connection, files)
            connection.execute(_FRAMES)
            drives = _drives(connection, folders)
            return {
                "fleet": name_of(out),
                "single": list(folders) == [out],
                "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                "classes": _classes(drives),
                "drives": drives,
                "failures": read_failures(out),
                "worst": _worst(connection, folders),
                "latent": _latent_map(connection),
            }
    except duckdb.Error as error:
        words = str(error).partition("\n")[0]
        raise DataError(f"{out}: the {TABLE} of its drives cannot be read: {words}") from error


def _drives(connection: "duckdb.DuckDBPyConnection", folders: Sequence[Path]) -> list[dict[str, Any]]:
    drives: list[dict[str, Any]] = [
        {
            "name": name_of(folder),
            "source": done.drive if done else "",
            "frames": 0,
            "seconds": 0.0,
            "poster": "",
            "dropped": done.dropped if done else 0,
            "conditions": done.events if done else {},
            "bad": 0,
            "doubt": None,
            "seen": {},
            "over": {},
            "events": [],
            "event_count": 0,
        }
        for folder, done in ((folder, read_record(folder)) for folder in folders)
    ]
    for file, frames, seconds, bad, doubt, stem in connection.execute(_DRIVES).fetchall():
        drive = drives[file] | {"frames": frames, "seconds": round(seconds or 0, 2), "bad": bad}
        drive["doubt"] = None if doubt is None else round(doubt, 2)
        drive["poster"] = _picture(folders[file], stem, *_POSTER) if file < POSTERS else ""
        drives[file] = drive
    for file, name, frames, tracks in connection.execute(_SEEN).fetchall():
        drives[file]["seen"][name] = [frames, tracks]
        drives[file]["over"][name] = [0] * min(BINS, drives[file]["frames"])
    for file, name, place, tenths in connection.execute(_BINS).fetchall():
        drives[file]["over"][name][place] = tenths
    for file, start, end, frames, status, reasons, count in connection.execute(
        _EVENTS.format(most=EVENTS)
    ).fetchall():
        drives[file]["events"].append([round(start, 2), round(end, 2), frames, status, reasons])
        drives[file]["event_count"] = count
    return drives


def _classes(drives: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Those that were seen, those of `drive` first, with their colours."""
    seen = {name for drive in drives for name in drive["seen"]}
    own = {name: f"#{bytes(colour).hex()}" for name, colour in zip(DRIVE.names, DRIVE.colours, strict=True)}
    others = sorted(seen - own.keys())
    own |= {name: OTHER_COLOURS[i % len(OTHER_COLOURS)] for i, name in enumerate(others)}
    return [{"name": name, "colour": colour} for name, colour in own.items() if name in seen]


def _worst(connection: "duckdb.DuckDBPyConnection", folders: Sequence[Path]) -> list[dict[str, Any]]:
    return [
        {"drive": file, "sequence": sequence, "stem": stem, "t": round(t, 2), "doubt": round(doubt, 2)}
        | {"users": users, "picture": _picture(folders[file], stem, *_WORST)}
        for file, sequence, stem, t, doubt, users in connection.execute(_WORST_FRAMES).fetchall()
    ]


def _latent_map(connection: "duckdb.DuckDBPyConnection") -> dict[str, Any] | None:
    """Frames by their codes; None where there are none, or codes of several networks."""
    rows = connection.execute(_CODES, {"most": POINTS}).fetchall()
    if len(rows) < 2 or len({len(code) for *_, code in rows}) > 1:
        return None
    places, share = principal_components(np.array([code for *_, code in rows], np.float32))
    span = np.ptp(places, axis=0)
    unit = (places - places.min(0)) / np.where(span > 0, span, 1)
    points = [
        [round(x, 4), round(y, 4), row[0], round(row[1], 2)]
        for (x, y), row in zip(unit.tolist(), rows, strict=True)
    ]
    return {"share": round(share, 3), "points": points}


def _picture(folder: Path, stem: str, width: int, quality: int) -> str:
    """The overlay as a small JPEG in base64; empty where there is none."""
    path = folder / f"{stem}.overlay.jpg"
    image = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2) if path.exists() else None
    if image is None:
        return ""
    height = max(1, round(width * image.shape[0] / image.shape[1]))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return base64.b64encode(jpeg.tobytes()).decode("ascii")
