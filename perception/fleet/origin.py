"""What a drive's folder is of: the source that was perceived, and what its label maps mean."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from perception.classes import DRIVE
from perception.errors import ConfigError, DataError
from perception.fleet.record import DONE, read_record
from perception.fleet.table import TABLE, database, pattern

HIDDEN = "***"  # stands for secrets


def drive_of(folder: Path) -> str:
    """The source that was perceived.

    Raises:
        ConfigError: it is not known, or not without its secrets.
        DataError: done.json is broken.
    """
    done = read_record(folder)
    if done is None:
        raise ConfigError(f"{folder}: no {DONE} says which drive it is of; name it: --drive SOURCE")
    if HIDDEN in done.drive:
        raise ConfigError(f"{folder}: {done.drive} is without its secrets in {DONE}; name it: --drive SOURCE")
    return done.drive


def class_file(folders: Sequence[Path]) -> str:
    """What a class file for the drives' label maps says; empty where they mean the classes of `drive`.

    Raises:
        DataError: they mean different ones, or it is not known which.
    """
    records = {folder: read_record(folder) for folder in folders}
    classes = {folder: None if done is None else done.classes for folder, done in records.items()}
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
    if found is None or [one["name"] for one in found] == list(DRIVE.names):
        return ""
    rows = [
        {"name": one["name"], "colour": one["colour"], "labels": [one["id"]], "thing": one["thing"]}
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
