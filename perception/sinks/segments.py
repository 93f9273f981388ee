"""Names of the segments that a long recording is cut into, and the room that all of them may take."""

import os
import time
from itertools import chain, count
from pathlib import Path

from perception.interchange.files.dated import numbered

# Kept free on a disk by those who remove their own oldest files: a few seconds of video, but no large part of
# a small disk.
ROOM, ROOM_SHARE = 64_000_000, 4


def next_dated(path: Path) -> Path:
    """A new name such as out-20261121T203357Z-0001.mp4. Its number follows the greatest that is there:
    the order is right even where the clock was set back."""
    number = max(numbered(path), default=0) + 1
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return path.with_name(f"{path.stem}-{now}-{number:04d}{path.suffix}")


def next_free(path: Path) -> Path:
    """The path, or where that is taken, the first free one of out-2.mp4, out-3.mp4 and so on; one that a kill
    left empty is free."""
    names = chain([path], (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2)))
    return next(name for name in names if not name.exists() or not name.stat().st_size)


class Budget:
    """The files of one sink in groups that are of use only together, the oldest group first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._groups: dict[str, dict[Path, int]] = {}
        self._total = 0

    def note(self, group: str, path: Path, size: int) -> None:
        """The file has this many bytes now; that makes its group the newest."""
        files = self._groups.pop(group, {})
        self._groups[group] = files
        self._total += size - files.get(path, 0)
        files[path] = size

    def trim(self) -> None:
        """Remove the oldest groups until the rest fits; the newest group stays.

        Raises:
            OSError: a file cannot be removed.
        """
        while self._total > self._limit and self.drop_oldest():
            pass

    def make_room(self, folder: Path) -> None:
        """Remove the oldest groups until the disk has room to write on: it may be smaller than the limit.

        Raises:
            OSError: a file cannot be removed, or the disk not be asked.
        """
        while nearly_full(folder) and self.drop_oldest():
            pass

    def drop_oldest(self) -> bool:
        """Whether there was one besides the newest.

        Raises:
            OSError: a file cannot be removed.
        """
        if len(self._groups) < 2:
            return False
        files = self._groups.pop(next(iter(self._groups)))
        self._total -= sum(files.values())
        for path in files:
            path.unlink(missing_ok=True)
        return True


def nearly_full(folder: Path) -> bool:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < min(ROOM, disk.f_blocks * disk.f_frsize // ROOM_SHARE)
