"""A file of lines that are whole or not there."""

import errno
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from perception.sinks.segments import next_dated


class LineFile:
    """Its first line replaces what is there.

    Args:
        append: go on after what is there instead.
        piece: bytes at which it is laid aside under a dated name, as is what was there before; None: never.
    """

    def __init__(self, path: Path, *, append: bool = False, piece: int | None = None) -> None:
        self.path = path
        self._append, self._piece = append, piece
        self._file: FileIO | None = None

    @property
    def size(self) -> int:
        return self._file.tell() if self._file is not None else 0

    @property
    def empty(self) -> bool:
        return self._file is None

    def write(self, line: bytes) -> Path | None:
        """Add a line; where an earlier part was laid aside for it, the name of that.

        Raises:
            OSError: it cannot be written, and what was written of it is taken back.
        """
        aside = self._lay_aside()
        file = self._file = self._file or self.path.open("ab" if self._append else "wb", buffering=0)
        start = file.tell()
        try:
            if not os.fstat(file.fileno()).st_nlink:  # removed: what is written there, nobody sees
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))
            written = file.write(line)
            if written != len(line):  # a full disk takes a part first; the next write says why
                file.write(line[written:])
        except OSError:
            with suppress(OSError):  # where nothing can be taken back either, the first error says why
                file.truncate(start)
            raise
        return aside

    def _lay_aside(self) -> Path | None:
        if self._piece is None:
            return None
        if self._file is None:
            full = not self._append and self.path.exists() and self.path.stat().st_size > 0
        else:
            full = self._file.tell() >= self._piece
        if not full:
            return None
        self.close()
        return self.path.rename(next_dated(self.path))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
