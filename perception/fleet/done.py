"""What a fleet says of its drives: done.json of each that is finished, and summary.json."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from perception.classes import DRIVE
from perception.errors import ConfigError, DataError
from perception.fleet.table import TABLE, database, pattern
from perception.parsing import Model, faults

DONE, SUMMARY = "done.json", "summary.json"


class _Class(BaseModel):
    """As `records.class_records` writes it."""

    id: int
    name: str
    colour: tuple[int, int, int]
    thing: bool


class Done(BaseModel):
    """What is read of it: without one, nothing is known.

    Attributes:
        drive: the source that was perceived.
        classes: of its maps; None: not known.
        dropped: frames that were not published.
        events: how often each condition of health began.
    """

    drive: str | None = None
    classes: list[_Class] | None = None
    dropped: int = 0
    events: dict[str, int] = {}


def read_done(folder: Path) -> Done:
    """Read a drive's done.json, where there is one.

    Raises:
        DataError: it is broken.
    """
    return _read(folder / DONE, Done)


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(path.read_bytes()) if path.exists() else model()
    except (OSError, ValidationError) as error:
        words = "; ".join(faults(error)) if isinstance(error, ValidationError) else error
        raise DataError(f"{path}: not what perception fleet writes: {words}") from error


class _Summary(BaseModel):
    failures: dict[str, str] = {}


def read_failures(out: Path) -> dict[str, str]:
    """Why drives failed, by their names, as the fleet's summary.json has them; none where there is none.

    Raises:
        DataError: it is broken.
    """
    return _read(out / SUMMARY, _Summary).failures


def drive_of(folder: Path) -> str:
    """The source that was perceived.

    Raises:
        ConfigError: it is not known.
        DataError: done.json is broken.
    """
    drive = read_done(folder).drive
    if drive is None:
        raise ConfigError(f"{folder}: no {DONE} says which drive it is of; name it: --drive SOURCE")
    return drive


def class_file(folders: Sequence[Path]) -> str:
    """What a class file for the drives' label maps says; empty where they mean the classes of `drive`.

    Raises:
        DataError: they mean different ones, or it is not known which.
    """
    classes = {folder: read_done(folder).classes for folder in folders}
    first = next(iter(classes))
    for folder, found in classes.items():
        if found != classes[first]:
            raise DataError(
                f"{first} and {folder}: of different classes; mine them into data sets of their own"
            )
    found = classes[first]
    if found is None:
        for folder in classes:
            _check_drive(folder)
    if found is None or [one.name for one in found] == list(DRIVE.names):
        return ""
    rows = [
        {"name": one.name, "colour": list(one.colour), "labels": [one.id], "thing": one.thing}
        for one in found
    ]
    return yaml.safe_dump({"name": "mined", "classes": rows}, sort_keys=False)


def _check_drive(folder: Path) -> None:
    """Check that the drive's road users are of `drive`: their ids say which class they are of."""
    query = "SELECT DISTINCT id // 1000, class FROM read_parquet($path) WHERE id IS NOT NULL"
    with database() as connection:
        found = connection.execute(query, {"path": pattern(folder / TABLE)}).fetchall()
    for number, name in found:
        if name not in DRIVE.things or DRIVE.id(name) != number:
            raise DataError(
                f"{folder}: its class {number} is {name}, which is not of the class set drive, and no {DONE} "
                "lists its classes; run it by perception fleet"
            )
