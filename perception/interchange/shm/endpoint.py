"""The Unix socket at which one process, and no other, serves a ring."""

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

from perception.errors import SinkError


class Endpoint:
    """Listens at a path, whose lock ends with the process, however that ends.

    Attributes:
        socket: takes in readers; who serves them closes it.

    Args:
        mode: of the socket's file.

    Raises:
        SinkError: the socket cannot be made, or another process serves it.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        try:
            self._lock = _locked(path)
            try:
                self.socket = _listening(path, mode)
            except OSError:
                self._lock.close()
                raise
        except OSError as error:
            raise SinkError(f"{path}: cannot be served ({error.strerror or error})") from error

    def remove(self) -> None:
        """Let others serve the path."""
        self._path.unlink(missing_ok=True)
        self._lock.close()


def _locked(path: Path) -> TextIO:
    """The file that says who serves the path, locked as long as it is open."""
    lock = path.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    file = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = file.read().strip()
        file.close()
        raise SinkError(
            f"{path}: process {owner or '?'} serves it already; end it, or choose another name"
        ) from None
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _listening(path: Path, mode: int) -> socket.socket:
    """A socket that is at its place once it has its mode, also of one that a dead process has left."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own = path.with_suffix(".new")
    own.unlink(missing_ok=True)
    try:
        listening.bind(str(own))
        own.chmod(mode)
        listening.listen(16)
        own.rename(path)
    except OSError:
        listening.close()
        own.unlink(missing_ok=True)
        raise
    return listening
