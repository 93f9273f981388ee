"""One writer for each output: two nodes would remove and overwrite each other's files."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from perception.errors import SinkError

T = TypeVar("T")


class OutputLock:
    """Holds an output until it is released or the process ends, however it ends.

    It is a lock (flock) on a hidden file in the folder, or next to the file, which names the process.

    Raises:
        SinkError: another process, or another sink of this one, writes there.
        OSError: the file cannot be made.
    """

    def __init__(self, output: Path, *, folder: bool = False) -> None:
        self._path = output / ".lock" if folder else output.with_name(f".{output.name}.lock")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = -1
        while self._file < 0:  # once more where its holder has just removed it
            self._file = self._hold(output)

    def release(self) -> None:
        """Let others write there. Calling it again does nothing."""
        if self._file >= 0:
            with suppress(OSError):  # gone, or not ours to remove any more: it is free without its file
                self._path.unlink()
            os.close(self._file)
            self._file = -1

    def _hold(self, output: Path) -> int:
        """The descriptor that holds the lock; -1 where its file is gone."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = self._path.exists() and os.path.samestat(os.fstat(file), self._path.stat())
            if there:
                with suppress(OSError):  # on a full disk it holds all the same, without a name
                    os.truncate(file, 0)
                    os.write(file, str(os.getpid()).encode())
                return file
        except BlockingIOError:
            holder = os.read(file, 20).decode(errors="replace").strip() or "unknown"
            who = "another sink of this run" if holder == str(os.getpid()) else f"the process {holder}"
            os.close(file)
            raise SinkError(
                f"sink {output}: {who} writes there already; choose another name for one of them, or end it"
            ) from None
        except OSError:
            os.close(file)
            raise
        os.close(file)
        return -1


def open_locked(path: Path, opener: Callable[[OutputLock], T]) -> T:
    """What `opener` makes of a file; it holds the lock, and releases it with its end.

    Raises:
        SinkError: the file cannot be locked, or whatever `opener` raises.
    """
    try:
        lock = OutputLock(path)
    except OSError as error:
        raise SinkError(f"sink {path}: cannot be written ({error.strerror})") from error
    try:
        return opener(lock)
    except SinkError:
        lock.release()
        raise
