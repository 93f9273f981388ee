"""How much room there is on the disks that are written to."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perception.types import NS_PER_S

ASKED_EVERY_NS = 5 * NS_PER_S  # a video of 100 Mbit/s fills 60 MB in that time


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on the disk of one folder; `error` says why they are not known."""

    folder: str
    free: int = 0
    total: int = 0
    error: str = ""


class Disks:
    """Asks the disks of these folders, now and then; a folder that is not there yet by the one above it."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._asked_ns: int | None = None
        self._rooms: tuple[Room, ...] = ()

    def rooms(self, now_ns: int) -> tuple[Room, ...]:
        if self._asked_ns is None or now_ns - self._asked_ns >= ASKED_EVERY_NS:
            self._asked_ns, self._rooms = now_ns, tuple(_room(folder) for folder in self._folders)
        return self._rooms


def _room(folder: Path) -> Room:
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        usage = shutil.disk_usage(place)
    except OSError as error:
        return Room(str(folder), error=error.strerror or str(error))
    return Room(str(folder), usage.free, usage.total)
