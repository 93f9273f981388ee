"""A file of JSON lines, each of which is whole or absent."""

import errno
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from perception.sinks.segments import next_dated


class LineFile:
    """The first line written replaces what is there.

    Args:
        append: add to what is there instead.
        segment: bytes at which it is renamed to a dated name, as is what was there before; None: never.
    """

    def __init__(self, path: Path, *, append: bool = False, segment: int | None = None) -> None:
        self.path = path
        self._append, self._segment = append, segment
        self._file: FileIO | None = None

    @property
    def size(self) -> int:
        """Bytes under the path, also those of an earlier run."""
        if self._file is not None:
            return self._file.tell()
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def empty(self) -> bool:
        return self._file is None

    def write(self, line: bytes) -> Path | None:
        """Add a line; returns the dated name of what was renamed before it, if anything was.

        Raises:
            OSError: it cannot be written; a part that was written is truncated.
        """
        aside = self._rotate()
        file = self._file = self._file or self.path.open("ab" if self._append else "wb", buffering=0)
        start = file.tell()
        try:
            if not os.fstat(file.fileno()).st_nlink:  # removed: nobody would see what is written there
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))
            written = file.write(line)
            if written != len(line):  # a full disk takes a part first; the next write raises why
                file.write(line[written:])
        except OSError:
            with suppress(OSError):  # where truncation fails too, the first error says why
                file.truncate(start)
            raise
        return aside

    def _rotate(self) -> Path | None:
        if self._segment is None:
            return None
        if self._file is None:
            full = not self._append and self.path.exists() and self.path.stat().st_size > 0
        else:
            full = self._file.tell() >= self._segment
        if not full:
            return None
        self.close()
        return self.path.rename(next_dated(self.path))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
