"""Where the messages of an MCAP file are: by its summary, or by reading all of it."""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import yaml
from isal.isal_zlib import crc32
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Message,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
)
from mcap.stream_reader import breakup_chunk
from zstandard import ZstdError

from perception.errors import SourceError

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")  # of each record: what it is, and how many bytes follow
_FOOTER = struct.Struct("<BQQQI")  # with its head: where the summary and its offsets begin, and its checksum
# What reading damaged bytes raises: the library's parsers check nothing, and decompressors have their own.
DAMAGE = (
    McapError, ZstdError, yaml.YAMLError, struct.error, ValueError, RuntimeError, EOFError, LookupError,
    MemoryError, OverflowError,
)  # fmt: skip


class ChunkAt(NamedTuple):
    """A chunk's place in the file, and the times between which its messages are.

    Attributes:
        channels: that it has messages of; None: unknown.
    """

    offset: int
    size: int
    start_ns: int
    end_ns: int
    channels: frozenset[int] | None


@dataclass(slots=True)
class Index:
    """What is in a file.

    Attributes:
        loose: times and places of messages outside of chunks.
        counts: messages of each channel, as the file says; where it says nothing, as were found.
        cut_at: where what can be read ends, if that is not its end.
        damage: why; empty: the file ends there.
        scanned: it was read whole, because it has no summary that can be used.
    """

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkAt] = field(default_factory=list)
    loose: list[tuple[int, int, int, int]] = field(default_factory=list)
    counts: dict[int, int] | None = None
    start_ns: int = 0
    end_ns: int = 0
    zstd: bool = False
    cut_at: int | None = None
    damage: str = ""
    scanned: bool = False


def read_index(file: BinaryIO, size: int) -> Index:
    """Raises: SourceError: it is no MCAP file, or one that is damaged before its first message."""
    if file.read(len(MAGIC)) != MAGIC:
        raise SourceError("it is no MCAP file")
    try:
        index = _by_summary(file, size)
    except DAMAGE:  # the messages may be whole
        index = None
    return index or _by_scan(file, size)


def inside_chunk(body: bytes, start_ns: int | None = None) -> list[Any]:
    """The records in a chunk, from what follows its head; its checksum is right where it has one.

    Args:
        start_ns: when its messages begin, if that is known.

    Raises:
        ValueError: it is another chunk, or compressed in an unknown way; and all other `DAMAGE`.
    """
    chunk = parsed(Chunk, body)
    if chunk.compression not in ("", "zstd", "lz4"):  # which the library would take for none
        raise ValueError(f"its compression is {chunk.compression!r}; zstd and lz4 are known")
    if start_ns not in (None, chunk.message_start_time):
        raise ValueError("its index is wrong")
    records: list[Any] = breakup_chunk(chunk, validate_crc=True)
    return records


def parsed(kind: Any, body: bytes) -> Any:
    """A record from what follows its head."""
    if kind is Message:
        return Message.read(ReadDataStream(BytesIO(body)), len(body))
    return kind.read(ReadDataStream(BytesIO(body)))


def _by_summary(file: BinaryIO, size: int) -> Index | None:
    """None: there is no summary, or it leaves out what is needed."""
    file.seek(max(size - len(MAGIC) - _FOOTER.size, 0))
    footer = file.read(_FOOTER.size)
    if len(footer) < _FOOTER.size or file.read() != MAGIC:
        return None
    opcode, length, start, _, checksum = _FOOTER.unpack(footer)
    if (opcode, length) != (Opcode.FOOTER, _FOOTER.size - _HEAD.size) or not 0 < start < size:
        return None
    file.seek(start)
    summary = file.read(size - len(MAGIC) - _FOOTER.size - start)
    if checksum and crc32(footer[:-4], crc32(summary)) != checksum:
        return None
    index, statistics, held = Index(), None, []
    for opcode, _, body in _records(BytesIO(summary), 0, len(summary)):
        if opcode == Opcode.STATISTICS:
            statistics = parsed(Statistics, body)
        elif opcode == Opcode.CHUNK_INDEX:
            held.append(parsed(ChunkIndex, body))
        elif opcode == Opcode.METADATA_INDEX:
            _note_compression(index, file, parsed(MetadataIndex, body))
        else:
            _take(index, opcode, body)
    if statistics is None or len(held) != statistics.chunk_count or (statistics.message_count and not held):
        return None
    index.chunks = [
        ChunkAt(
            one.chunk_start_offset,
            one.chunk_length,
            one.message_start_time,
            one.message_end_time,
            frozenset(one.message_index_offsets) or None,
        )
        for one in held
    ]
    used = set().union(*(one.channels or () for one in index.chunks), statistics.channel_message_counts)
    known = len(index.channels) == statistics.channel_count and used <= index.channels.keys()
    if not known or any(one.schema_id not in {0, *index.schemas} for one in index.channels.values()):
        return None
    counts = statistics.channel_message_counts
    index.counts = counts if counts or not statistics.message_count else None
    index.start_ns, index.end_ns = statistics.message_start_time, statistics.message_end_time
    return index


def _by_scan(file: BinaryIO, size: int) -> Index:
    """What can be read, up to the first record that is not whole.

    Raises:
        SourceError: the checksum of messages that stand outside of chunks is wrong.
    """
    file.seek(0)
    index, checksum, offset = Index(scanned=True), crc32(MAGIC), len(MAGIC)
    times: list[int] = []
    found: Counter[int] = Counter()
    whole = False
    try:
        for opcode, at, body in _records(file, len(MAGIC), size):
            if opcode == Opcode.CHUNK:
                inside = inside_chunk(body)
                for record in inside:
                    _put(index, record)
                messages = [record for record in inside if isinstance(record, Message)]
                if messages:
                    within = [record.log_time for record in messages]
                    times += (min(within), max(within))
                    ids = frozenset(record.channel_id for record in messages)
                    found.update(record.channel_id for record in messages)
                    size_of = _HEAD.size + len(body)
                    index.chunks.append(ChunkAt(at, size_of, min(within), max(within), ids))
            elif opcode == Opcode.MESSAGE:
                message = parsed(Message, body)
                times.append(message.log_time)
                found[message.channel_id] += 1
                index.loose.append((message.log_time, at, len(body), message.channel_id))
            elif opcode == Opcode.DATA_END:
                said = parsed(DataEnd, body).data_section_crc
                if said and said != checksum and index.loose:
                    raise SourceError("its checksum is wrong: a message in it is damaged")
                whole = True
            elif opcode == Opcode.STATISTICS:
                index.counts = parsed(Statistics, body).channel_message_counts or None
            elif opcode == Opcode.METADATA:
                _read_compression(index, parsed(Metadata, body))
            elif not whole:
                _take(index, opcode, body)
            checksum = crc32(body, crc32(_HEAD.pack(opcode, len(body)), checksum))
            offset = at + _HEAD.size + len(body)
    except DAMAGE as error:
        index.damage, whole = " ".join(str(error).split()) or type(error).__name__, False
    if not whole:
        index.cut_at = offset
    if index.counts is None:
        index.counts = found
    index.start_ns, index.end_ns = min(times, default=0), max(times, default=0)
    return index


def _records(file: BinaryIO, offset: int, size: int) -> Iterator[tuple[int, int, bytes]]:
    """What each is, where, and what follows its head; up to one that is not whole, or the footer."""
    while True:
        file.seek(offset)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        opcode, length = _HEAD.unpack(head)
        if opcode == Opcode.FOOTER or offset + _HEAD.size + length > size:
            return
        yield opcode, offset, file.read(length)
        offset += _HEAD.size + length


def _take(index: Index, opcode: int, body: bytes) -> None:
    if opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
        _put(index, parsed(Schema if opcode == Opcode.SCHEMA else Channel, body))


def _put(index: Index, record: Any) -> None:
    if isinstance(record, Schema):
        index.schemas[record.id] = record
    elif isinstance(record, Channel):
        index.channels[record.id] = record


def _note_compression(index: Index, file: BinaryIO, at: MetadataIndex) -> None:
    if at.name == "rosbag2":
        file.seek(at.offset + _HEAD.size)
        _read_compression(index, parsed(Metadata, file.read(at.length - _HEAD.size)))


def _read_compression(index: Index, record: Metadata) -> None:
    """rosbag2 tells it nowhere else."""
    if record.name == "rosbag2":
        said = yaml.safe_load(record.metadata.get("serialized_metadata", ""))
        mode = said.get("compression_mode", "") if isinstance(said, dict) else ""
        index.zstd = str(mode).lower() == "message"
