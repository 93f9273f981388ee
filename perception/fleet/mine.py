"""`perception mine`."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perception.app.output import AsJson, show
from perception.errors import ConfigError, DataError
from perception.fleet.columns import METRES
from perception.fleet.search import Found, search
from perception.fleet.table import run_folders
from perception.interchange.files.new_folder import new_folder
from perception.types import NS_PER_S

if TYPE_CHECKING:
    from rich.console import RenderableType

APART_S = 1.0  # frames that are found farther apart are two events
MINED = "mined.json"
VIDEOS = (".mp4", ".mkv", ".mov", ".avi", ".webm")  # what a folder is not called


@dataclass(frozen=True)
class Mined:
    """What was found, and what was written of it.

    `written` says that in words; empty: nothing was to be.
    """

    where: str
    found: Found
    written: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "where": self.where,
            "frames": self.found.frames,
            "events": self.found.total,
            "drives": self.found.drives,
            "never_known": self.found.unknown,
            "found": [one.as_json() for one in self.found.events],
        }

    def table(self) -> "RenderableType":
        from rich.console import Group  # noqa: PLC0415 - with --json it is not needed
        from rich.table import Column, Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(
            Column("drive", overflow="fold"),
            *(Column(name, justify="right") for name in ("from s", "to s", "frames", "sequences")),
        )
        for one in self.found.events:
            first, last = one.hits[0], one.hits[-1]
            times = (f"{hit.stamp_ns / NS_PER_S:.2f}" for hit in (first, last))
            sequences = f"{first.sequence}–{last.sequence}" if last is not first else str(first.sequence)
            table.add_row(Text(one.drive), *times, str(len(one.hits)), sequences)
        return Group(*([table] if self.found.events else []), Text("\n".join(self._words())))

    def _words(self) -> list[str]:
        found = self.found
        words = (
            f"{_count(found.frames, 'frame')} in {_count(found.total, 'event')} of "
            f"{_count(found.drives, 'drive')}"
        )
        shown = len(found.events)
        return [
            words if shown == found.total else f"{words}; these are the first {shown:,} (--limit)",
            *(_unknown(name) for name in self.found.unknown),
            *([self.written] if self.written else []),
        ]


def _unknown(name: str) -> str:
    remedy = "; perceive the drives with --calibration" if name in METRES else ""
    return f"no file knows {name}: nothing can match a comparison with it{remedy}"


def mine(
    out: Annotated[
        Path, typer.Argument(help="What perception fleet, or perception run labels/, wrote.", metavar="OUT/")
    ],
    where: Annotated[
        str,
        typer.Option(help="What holds for a road user and its frame; see below.", metavar="QUERY"),
    ],
    folder: Annotated[
        Path | None,
        typer.Argument(help="A new folder for the frames with their labels, or the clips.", metavar="FOLDER"),
    ] = None,
    clip: Annotated[
        str | None,
        typer.Option(
            help="Write a video of each event, with so many seconds before and after.", metavar="2s"
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            min=1, help="Write the N frames of most doubt of each event [default: all].", metavar="N"
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Take the first N events only.", metavar="N")] = 100,
    drive: Annotated[
        str | None,
        typer.Option(
            help="The recording that OUT/ was made of, where no done.json says so, or it was moved.",
            metavar="SOURCE",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """[fleet] Find frames in recorded scenes, as data sets or clips.

    A frame is found where QUERY holds for one of its road users. A class's name alone stands for one of that
    class. Frames that are found within a second are one event. FOLDER is a data set for perception train and
    perception evaluate (folder+instances:FOLDER), with labels that the model made: correct them first.

    \b
    QUERY:    == != < <= > >=, and, or, not, ( ), in (a, b), contains, known(COLUMN), count(QUERY)
    COLUMNS:  drive camera sequence time status reasons age lanes road_offset road_width curvature doubt
              class score track distance lateral ttc x0 y0 x1 y1 width height area

    \b
    Examples:
      perception mine fleet/ --where 'pedestrian and distance < 10 and status == ok'
      perception mine fleet/ to_label/ --where 'doubt > 3' --frames 2 --limit 100
      perception mine labels/ clips/ --where 'count(vehicle) > 8' --clip 2s --drive drive.mp4
    """
    around = None if clip is None else _seconds(clip)
    if folder is None and (around is not None or frames is not None):
        raise ConfigError("--clip and --frames say what is written: name a FOLDER for it, too")
    if around is not None and frames is not None:
        raise ConfigError("--clip writes videos, --frames says how many pictures to write: give one of them")
    if folder is not None and not folder.is_dir() and folder.suffix.lower() in VIDEOS:
        raise ConfigError(
            f"{folder}: is a video's name, but a folder is written, with a video of each event by --clip; "
            f"give such as {folder.with_suffix('')}/"
        )
    try:
        folders = run_folders(out)
    except DataError as error:
        raise ConfigError(str(error)) from error
    if drive is not None and len(folders) > 1:
        raise ConfigError(f"--drive {drive}: OUT/ has {len(folders)} drives; name the folder of one of them")
    mined = Mined(where, search(folders, where, max(APART_S, 2 * (around or 0)), limit))
    if folder is not None:
        mined = _written(mined, folder, around, frames, drive)
    show(mined, as_json)


def _written(
    mined: Mined, folder: Path, around: float | None, frames: int | None, drive: str | None
) -> Mined:
    from perception.fleet.cut import write_clips, write_labels  # noqa: PLC0415 - only where needed

    if not mined.found.events:
        raise DataError(f"{folder}: not written: nothing was found. {' '.join(mined._words()[1:])}".rstrip())
    with new_folder(folder) as draft:
        if around is not None:
            write_clips(mined.found.events, draft, drive, around)
            written = f"{_count(len(mined.found.events), 'clip')} in {folder}"
        else:
            count = write_labels(mined.found.events, draft, drive, frames)
            written = f"{_count(count, 'frame')} in the data set folder+instances:{folder}"
        (draft / MINED).write_text(json.dumps(mined.as_json(), indent=1), encoding="utf-8")
    return replace(mined, written=written)


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 3600:
        raise ConfigError(f"--clip {text}: give seconds, such as 2s, at most 3600")
    return seconds


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
