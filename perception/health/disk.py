"""How much room there is on the disks that are written to."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from perception.types import NS_PER_S

ASKED_EVERY_NS = 5 * NS_PER_S  # a video of 100 Mbit/s fills 60 MB in that time
ANSWERS_S = 0.05  # in which disks answer, but for those that have gone


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on the disk of one folder; `error` says why they are not known."""

    folder: str
    free: int = 0
    total: int = 0
    error: str = ""


class Disks:
    """The disks of these folders; a folder that is not there yet is known by the one above it."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._disks = [_Disk(folder) for folder in folders]

    def rooms(self, now_ns: int) -> tuple[Room, ...]:
        """What each has said last; nothing of one that was never heard."""
        rooms = [disk.room(now_ns) for disk in self._disks]
        return tuple(room for room in rooms if room is not None)


class _Disk:
    """Asked now and then, in a thread: a server that is gone may give no answer for minutes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._room: Room | None = None
        self._asking = Thread()
        self._asked_ns: int | None = None

    def room(self, now_ns: int) -> Room | None:
        due = self._asked_ns is None or now_ns - self._asked_ns >= ASKED_EVERY_NS
        if due and self._asking.is_alive():
            return Room(str(self._folder), error="it does not answer")
        if due:
            self._asked_ns = now_ns
            self._asking = Thread(target=self._ask, name="disk", daemon=True)
            self._asking.start()
            self._asking.join(ANSWERS_S)
        return self._room

    def _ask(self) -> None:
        self._room = _room(self._folder)


def _room(folder: Path) -> Room:
    place = folder.absolute()
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        usage = shutil.disk_usage(place)
    except OSError as error:
        return Room(str(folder), error=error.strerror or str(error))
    return Room(str(folder), usage.free, usage.total)
