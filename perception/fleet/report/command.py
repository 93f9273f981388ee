"""`perception fleet report`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from perception.console import Console
from perception.errors import ConfigError, DataError

REPORT = "report.html"


def report(
    out: Annotated[
        Path, typer.Argument(help="What perception fleet, or perception run labels/, wrote.", metavar="OUT/")
    ],
) -> None:
    """[fleet] Write a page about many drives: OUT/report.html.

    Drives, what was seen in them, health, and frames to label next. It is opened from disk, without network.
    """
    from perception.fleet.report.data import collect  # noqa: PLC0415 - the command's help does without it
    from perception.fleet.report.html import page  # noqa: PLC0415
    from perception.fleet.table import run_folders  # noqa: PLC0415

    try:
        folders = run_folders(out)
    except DataError as error:
        raise ConfigError(str(error)) from error
    path = out / REPORT
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(page(collect(out, folders)), encoding="utf-8", errors="replace")
        draft.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    Console().print(
        f"{len(folders):,} drive{'' if len(folders) == 1 else 's'} in {path}", soft_wrap=True, highlight=False
    )
