"""What goes over a ring's socket, byte for byte; docs/shm.md shows it as a table."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from perception.errors import DataError
from perception.interchange.shm.layout import Part

VERSION = 1
HELD = 2  # frames that a reader may hold at a time
_MESSAGE = struct.Struct("<II")
_FRAME = struct.Struct("<IIQQQQ")
_REQUEST = struct.Struct("<QII")
REQUEST_SIZE = _REQUEST.size


class Kind(IntEnum):
    """Of messages from the writer."""

    HELLO = 1
    FRAME = 2
    HEALTH = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class Place:
    """The message that a frame is there.

    Attributes:
        ticket: the number under which it is held and released, from 1.
        offset, size: in the memory whose descriptor came with this message, or with the last that had one.
        missed: frames since the reader's last one that it did not get.
    """

    ticket: int
    offset: int
    size: int
    missed: int

    def pack(self) -> bytes:
        return _FRAME.pack(Kind.FRAME, 0, self.ticket, self.offset, self.size, self.missed)


@dataclass(frozen=True, slots=True)
class Said:
    """A message in words: JSON of HELLO and HEALTH, text of REFUSED."""

    kind: Kind
    text: bytes

    def pack(self) -> bytes:
        return _MESSAGE.pack(self.kind, VERSION) + self.text


def read_message(data: bytes) -> Place | Said:
    """A message from a writer.

    Raises:
        DataError: it is none, or of another version.
    """
    if len(data) < _MESSAGE.size:
        raise DataError(
            f"shared memory: a message of {len(data)} bytes; at least {_MESSAGE.size} are allowed"
        )
    kind, version = _MESSAGE.unpack_from(data)
    if kind == Kind.FRAME and len(data) == _FRAME.size:
        return Place(*_FRAME.unpack(data)[2:])
    if kind not in (Kind.HELLO, Kind.HEALTH, Kind.REFUSED) or version != VERSION:
        raise DataError(
            f"shared memory: a message of kind {kind}, version {version}; known is version {VERSION}"
        )
    return Said(Kind(kind), data[_MESSAGE.size :])


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader sends.

    Attributes:
        release: the ticket of a frame that it lets go of; 0: none.
        wanted: asks for the next message that holds any of it; empty: it asks for nothing.
    """

    release: int
    wanted: Part

    def pack(self) -> bytes:
        return _REQUEST.pack(self.release, self.wanted, 0)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises: DataError: it is no request."""
        if len(data) != _REQUEST.size:
            raise DataError(f"a request of {len(data)} bytes; it has {_REQUEST.size}")
        release, wanted, _ = _REQUEST.unpack(data)
        if wanted >= 2 * Part.HEALTH:
            raise DataError(f"it asks for {wanted:#x}; known are the bits of {2 * Part.HEALTH - 1:#x}")
        return cls(release, Part(wanted))
