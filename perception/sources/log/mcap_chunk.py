"""The messages in a chunk of an MCAP file.

The mcap library makes an object of every message of every topic, and copies its bytes three times: for a
camera's pictures that is 4 % of their rate.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import lz4.frame
import zstandard
from isal.isal_zlib import crc32
from mcap.opcode import Opcode

HEAD = struct.Struct("<BQ")  # of each record: what it is, and how many bytes follow
MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, time of logging, of publishing; then its data
_CHUNK = struct.Struct("<QQQII")  # times of the first and last message, size, checksum, length of a name


class Message(NamedTuple):
    """A message."""

    log_ns: int
    channel: int
    data: memoryview


def chunk_records(body: bytes, start_ns: int | None = None) -> memoryview:
    """The records in a chunk, of right size and checksum, from what follows its head.

    Args:
        start_ns: when its messages begin, if that is known.

    Raises:
        ValueError: it is damaged, another chunk, or compressed in an unknown way.
        struct.error, zstandard.ZstdError, RuntimeError, MemoryError: it is damaged.
    """
    begin_ns, _, size, checksum, length = _CHUNK.unpack_from(body)
    if start_ns not in (None, begin_ns):
        raise ValueError("its index is wrong")
    at = _CHUNK.size + length
    name = body[_CHUNK.size : at].decode()
    packed = memoryview(body)[at + 8 :]
    if int.from_bytes(body[at : at + 8], "little") != len(packed):
        raise ValueError("its size is wrong")
    data: bytes | memoryview
    match name:
        case "zstd":
            data = zstandard.decompress(packed, size)
        case "lz4":
            data = lz4.frame.decompress(packed)
        case "":
            data = packed
        case _:
            raise ValueError(f"its compression is {name!r}; zstd and lz4 are known")
    if len(data) != size or (checksum and crc32(data) != checksum):
        raise ValueError("its checksum is wrong")
    return memoryview(data)


def records(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """What each record is, and what follows its head.

    Raises:
        ValueError, struct.error: one is not whole.
    """
    at = 0
    while at < len(data):
        opcode, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        body = data[at : at + length]
        if len(body) != length:
            raise ValueError("a record in it is cut short")
        yield opcode, body
        at += length


def messages(data: memoryview, wanted: set[int]) -> list[Message]:
    """Those of some channels, in the order of their times."""
    found = []
    for opcode, body in records(data):
        if opcode == Opcode.MESSAGE:
            channel, _, log_ns, _ = MESSAGE.unpack_from(body)
            if channel in wanted:
                found.append(Message(log_ns, channel, body[MESSAGE.size :]))
    found.sort(key=lambda message: message.log_ns)
    return found
