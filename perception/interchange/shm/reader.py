"""The reader's side: frames of a ring, looked at in place."""

import fcntl
import json
import mmap
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from perception.errors import DataError
from perception.interchange.shm.layout import Bytes, Part, SharedFrame
from perception.interchange.shm.messages import Kind, Place, Request, Said, read_message
from perception.interchange.shm.place import check_owner, sockets

_MOST = 1 << 18  # bytes of a message: more than a socket's buffer takes


@dataclass(frozen=True, slots=True)
class Held:
    """A frame that lies in shared memory until it is released.

    Attributes:
        frame: its maps and pictures are views: they are valid until then.
        missed: frames before it, since the reader's last one, that it did not get.
    """

    ticket: int
    frame: SharedFrame
    missed: int


class Reader:
    """Asks a ring for its newest frames, and for the node's state.

    Attributes:
        hello: what the writer said of itself: `classes` and so on, see docs/shm.md.

    Raises:
        OSError: nobody serves the ring, or it may not be read.
        DataError: what serves there speaks otherwise, or refuses, and why.
    """

    def __init__(self, path: Path, wanted: Part, timeout_s: float = 5.0) -> None:
        check_owner(path)
        self._wanted = wanted
        self._waits = False
        self._map: Bytes | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(path))
            self.hello = _greeting(path, self._receive(timeout_s))
        except BaseException:
            self._socket.close()
            raise

    @classmethod
    def open(cls, name: str, wanted: Part) -> Self:
        """The first ring of that name that is served.

        Raises:
            OSError, DataError: as above; FileNotFoundError where there is none.
        """
        first: Exception | None = None
        for path in sockets(name):
            try:
                return cls(path, wanted)
            except (OSError, DataError) as error:
                first = first or error
        raise first or FileNotFoundError(f"nobody serves the ring {name}")

    def next(self, timeout_s: float) -> Held | dict[str, Any] | None:
        """The next frame, or the node's state where that is wanted; None: there was none in that time.

        Raises:
            OSError: the writer is gone.
            DataError: what it sent is not of this layout.
        """
        if not self._waits:
            self._socket.send(Request(0, self._wanted).pack())
            self._waits = True
        try:
            said = self._receive(timeout_s)
        except TimeoutError:
            return None
        self._waits = False
        if isinstance(said, Said):
            return _values(said.text)
        if self._map is None or said.offset + said.size > len(self._map):
            raise DataError(
                f"shared memory: a frame at {said.offset} of {said.size} bytes lies outside of it"
            )
        return Held(
            said.ticket, SharedFrame.read(self._map[said.offset : said.offset + said.size]), said.missed
        )

    def release(self, held: Held) -> None:
        """Let go of a frame; its views must not be used any more. Asks for nothing."""
        with suppress(ConnectionError):  # then there is nobody who waits for that
            self._socket.send(Request(held.ticket, Part(0)).pack())

    def close(self) -> None:
        """Let go of all frames. Calling it again does nothing."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self, timeout_s: float) -> Place | Said:
        self._socket.settimeout(timeout_s)
        data, descriptors, flags, _ = socket.recv_fds(self._socket, _MOST, 1)
        for descriptor in descriptors:
            try:
                size = os.fstat(descriptor).st_size
                if not size or not fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
                    # Memory that is cut off under a reader ends its process.
                    raise DataError("shared memory: it is empty, or not sealed against shrinking")
                self._map = np.frombuffer(mmap.mmap(descriptor, size, prot=mmap.PROT_READ), np.uint8)
            finally:
                os.close(descriptor)
        if not data:
            raise ConnectionResetError("its writer is gone")
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise DataError("shared memory: a message is longer than any of this layout")
        return read_message(data)


def _greeting(path: Path, said: Place | Said) -> dict[str, Any]:
    if isinstance(said, Said) and said.kind is Kind.HELLO:
        return _values(said.text)
    words = said.text.decode(errors="replace") if isinstance(said, Said) else "it says no hello"
    raise DataError(f"{path}: {words}")


def _values(text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise DataError(f"shared memory: a message that is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"shared memory: a message of {type(values).__name__}, expected an object")
    return values
