"""The writer's side: frames in sealed memory, handed to readers over a Unix socket, slots held by them."""

import errno
import logging
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread

from perception.errors import DataError, SinkError
from perception.interchange.shm.endpoint import Endpoint
from perception.interchange.shm.layout import Part, SharedFrame
from perception.interchange.shm.memory import Memory
from perception.interchange.shm.messages import HELD, REQUEST_SIZE, Kind, Place, Request, Said

_NOTHING = Part(0)
_FULL_S = 0.2
_log = logging.getLogger("perception.shm")


@dataclass(slots=True)
class _Newest:
    """`asked` is what it was written for: a part that is not in it then was withheld."""

    place: Place
    memory: Memory
    slot: int
    asked: Part
    fresh: Callable[[], bool]


@dataclass(slots=True, eq=False)
class _Reader:
    """One that is connected; `wanted` is of its last request, `waits` until that is answered."""

    socket: socket.socket
    pid: int
    wanted: Part = _NOTHING
    waits: bool = False
    last: int = 0
    health: int = 0
    got: int = 0
    missed: int = 0
    memory: Memory | None = None
    held: dict[int, tuple[Memory, int]] = field(default_factory=dict)


class Ring:
    """Serves the newest frame to readers at a Unix socket.

    A reader asks for each frame, holds up to `HELD` of them, and releases each by its ticket. What is held
    is never overwritten: there are slots for all that readers may hold, so one that is slow, or hangs, gets
    no further frame, and costs nobody else one. The slots of one that is gone are free at once. A frame that
    does not fit makes new memory; what is held in the old one stays.

    Args:
        hello: JSON for each reader, once it has connected.
        mode: of the socket's file: 0o600 or 0o660.
        readers: how many are served at a time; others are refused in words.

    Raises:
        SinkError: the socket cannot be made, or another process serves it.
    """

    def __init__(self, path: Path, hello: bytes, mode: int = 0o600, readers: int = 8) -> None:
        self._path, self._hello, self._most = path, Said(Kind.HELLO, hello).pack(), readers
        self._lock = Lock()  # protects all below
        self._readers: list[_Reader] = []
        self._memory: Memory | None = None
        self._newest: _Newest | None = None
        self._tickets = self._reports = 0
        self._health = b""
        if not hasattr(os, "memfd_create"):
            raise SinkError(f"{path}: shared memory that is sealed is made by Linux only")
        self._endpoint = Endpoint(path, mode)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._endpoint.socket, selectors.EVENT_READ)
        self._ended, self._end = socket.socketpair()
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._thread = Thread(target=self._serve, name=f"readers of {path.name}", daemon=True)
        self._thread.start()

    @property
    def wanted(self) -> Part:
        """What any reader has asked for."""
        with self._lock:
            return self._wanted()

    def publish(self, frame: SharedFrame, asked: Part, fresh: Callable[[], bool] = lambda: True) -> None:
        """Hand a frame to all who wait, and to others once they ask; from one thread.

        Args:
            asked: the `wanted` that it was made for.
            fresh: whether it may still be handed out as it is; called when a reader asks later.

        Raises:
            DataError: the frame cannot be written, see `SharedFrame.write`.
        """
        with self._lock:
            memory, slot = self._free_slot(frame.size)
        start = slot * memory.size
        frame.write(memory.bytes[start : start + memory.size])
        with self._lock:
            self._tickets += 1
            place = Place(self._tickets, start, frame.size, 0)
            self._newest = _Newest(place, memory, slot, asked, fresh)
            self._answer_all()

    def report(self, health: bytes) -> None:
        """Hand the state, JSON, to all who wait, and to others once they ask."""
        with self._lock:
            self._health, self._reports = health, self._reports + 1
            self._answer_all()

    def close(self) -> None:
        """Let go of all readers; what they hold stays theirs. Calling it again does nothing."""
        if not self._thread.is_alive():
            return
        self._end.close()
        self._thread.join()
        self._endpoint.remove()

    def _wanted(self) -> Part:
        wanted = _NOTHING
        for reader in self._readers:
            wanted |= reader.wanted
        return wanted

    def _free_slot(self, size: int) -> tuple[Memory, int]:
        if self._memory is None or self._memory.size < size:
            # All that is held, the newest one, and the one that is written. A page is taken once it is used.
            self._memory = Memory(HELD * self._most + 2, size + size // 4)
        newest = self._newest
        held = newest.slot if newest is not None and newest.memory is self._memory else -1
        free = (slot for slot, count in enumerate(self._memory.holders) if not count and slot != held)
        return self._memory, next(free)

    def _answer_all(self) -> None:
        for reader in list(self._readers):
            self._answer(reader)

    def _answer(self, reader: _Reader) -> None:
        """Send what the reader waits for, if there is any news: the state comes first."""
        if not reader.waits:
            return
        newest = self._newest
        if Part.HEALTH in reader.wanted and reader.health < self._reports:
            reader.health = self._reports
            self._send(reader, Said(Kind.HEALTH, self._health).pack())
        elif (
            newest is not None
            and newest.place.ticket > reader.last
            and reader.wanted & ~Part.HEALTH
            and reader.wanted & ~Part.HEALTH in newest.asked
            and len(reader.held) < HELD
            and newest.fresh()
        ):
            place, memory = newest.place, newest.memory
            missed = place.ticket - reader.last - 1
            reader.held[place.ticket] = memory, newest.slot
            memory.holders[newest.slot] += 1
            reader.last, reader.got, reader.missed = place.ticket, reader.got + 1, reader.missed + missed
            message = Place(place.ticket, place.offset, place.size, missed).pack()
            descriptors = [] if reader.memory is memory else [memory.descriptor]
            reader.memory = memory
            self._send(reader, message, descriptors)

    def _send(self, reader: _Reader, message: bytes, descriptors: list[int] | None = None) -> None:
        reader.waits = False
        try:
            if descriptors:
                socket.send_fds(reader.socket, [message], descriptors)
            else:
                reader.socket.send(message)
        except OSError as error:  # it is gone, or sends requests without reading what they bring
            self._leave(reader, error.strerror or str(error))

    def _serve(self) -> None:
        """In the thread: take in readers and what they ask for."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ended:
                    with self._lock:
                        for reader in list(self._readers):
                            self._leave(reader, "the ring is closed")
                    self._endpoint.socket.close()
                    self._ended.close()
                    self._selector.close()
                    return
                if key.fileobj is self._endpoint.socket:
                    try:
                        self._welcome(self._endpoint.socket.accept()[0])
                    except OSError as error:  # it has left again; or the process has no descriptors left
                        self._full(error)
                else:
                    self._hear(key.data)

    def _full(self, error: OSError) -> None:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
            words = "%s: no reader can be taken in now (%s)"
            _log.warning(words, self._path.name, error.strerror, extra={"event": "shm_full"})
            time.sleep(_FULL_S)  # it stays readable meanwhile

    def _welcome(self, client: socket.socket) -> None:
        client.setblocking(False)
        pid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        with self._lock:
            if len(self._readers) == self._most:
                words = f"it has {self._most} readers, as many as it may; give the sink more by ?readers="
                with client:
                    client.send(Said(Kind.REFUSED, words.encode()).pack())
                return
            client.send(self._hello)
            reader = _Reader(client, pid)
            self._readers.append(reader)
            self._selector.register(client, selectors.EVENT_READ, reader)

    def _hear(self, reader: _Reader) -> None:
        with self._lock:
            if reader not in self._readers:  # since a message to it failed
                return
            try:
                data = reader.socket.recv(REQUEST_SIZE + 1)
                if not data:
                    self._leave(reader, "")
                    return
                self._take(reader, Request.read(data))
            except BlockingIOError:
                return
            except (OSError, DataError) as error:
                self._leave(reader, str(error))

    def _take(self, reader: _Reader, request: Request) -> None:
        if request.release:
            if request.release not in reader.held:
                raise DataError(f"it releases frame {request.release}, which it does not hold")
            memory, slot = reader.held.pop(request.release)
            memory.holders[slot] -= 1
        if request.wanted:
            if not reader.wanted:
                reader.last = self._tickets  # how old the earlier ones are by now, nobody says
            reader.wanted, reader.waits = request.wanted, True
        self._answer(reader)

    def _leave(self, reader: _Reader, why: str) -> None:
        """Forget a reader; `why` it was sent away, empty where it left by itself."""
        for memory, slot in reader.held.values():
            memory.holders[slot] -= 1
        if why and reader.held:  # it may still look at what it holds: that memory is written no more
            self._memory = None
        reader.held.clear()
        self._readers.remove(reader)
        self._selector.unregister(reader.socket)
        reader.socket.close()
        words = "%s: the reader of process %d is gone%s: it got %d frames, and missed %d"
        extra = {"event": "reader_gone", "got": reader.got, "missed": reader.missed}
        why = f" ({why})" if why else ""
        _log.info(words, self._path.name, reader.pid, why, reader.got, reader.missed, extra=extra)
