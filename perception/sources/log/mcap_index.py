"""Where the messages of an MCAP file are, by its summary."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

from isal.isal_zlib import crc32
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Metadata, MetadataIndex, Schema, Statistics
from zstandard import ZstdError

from perception.sources.log.mcap_chunk import HEAD
from perception.yaml_file import parse_yaml

MAGIC = b"\x89MCAP0\r\n"
_FOOTER = struct.Struct("<BQQQI")  # with its head: where the summary and its offsets begin, and its checksum
# What reading damaged bytes raises: the library's parsers check nothing, and decompressors have their own.
DAMAGE = (
    McapError, ZstdError, struct.error, ValueError, RuntimeError, EOFError, LookupError,
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


class MessageAt(NamedTuple):
    """The place of a message that stands outside of chunks: of what follows its record's head."""

    log_ns: int
    offset: int
    size: int
    channel: int


@dataclass(slots=True)
class Index:
    """What is in a file.

    Attributes:
        counts: messages of each channel, as the file says; where it says nothing, as were found.
        zstd: each message is compressed by itself.
        cut_at: where what can be read ends, if that is not its end.
        damage: why; empty: the file ends there.
        scanned: it was read whole, because it has no summary that can be used.
    """

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkAt] = field(default_factory=list)
    loose: list[MessageAt] = field(default_factory=list)
    counts: dict[int, int] | None = None
    start_ns: int = 0
    end_ns: int = 0
    zstd: bool = False
    cut_at: int | None = None
    damage: str = ""
    scanned: bool = False

    def take(self, opcode: int, body: bytes | memoryview) -> None:
        """A record of the data or the summary: schemas and channels are kept."""
        if opcode == Opcode.SCHEMA:
            schema = parsed(Schema, body)
            self.schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            channel = parsed(Channel, body)
            self.channels[channel.id] = channel

    def take_metadata(self, record: Metadata) -> None:
        """rosbag2 says nowhere else that messages are compressed."""
        if record.name == "rosbag2":
            said = parse_yaml(record.metadata.get("serialized_metadata", ""))
            mode = said.get("compression_mode", "") if isinstance(said, dict) else ""
            self.zstd = str(mode).lower() == "message"


def parsed(kind: Any, body: bytes | memoryview) -> Any:
    """A record from what follows its head; raises some of `DAMAGE`."""
    return kind.read(ReadDataStream(BytesIO(body)))


def read_records(file: BinaryIO, offset: int, size: int) -> Iterator[tuple[int, int, bytes]]:
    """What each is, where, and what follows its head; up to one that is not whole, or the footer."""
    while True:
        file.seek(offset)
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        opcode, length = HEAD.unpack(head)
        if opcode == Opcode.FOOTER or offset + HEAD.size + length > size:
            return
        yield opcode, offset, file.read(length)
        offset += HEAD.size + length


def index_by_summary(file: BinaryIO, size: int) -> Index | None:
    """None: there is no summary, or it is damaged, or leaves out what is needed."""
    try:
        return _by_summary(file, size)
    except DAMAGE:
        return None


def _by_summary(file: BinaryIO, size: int) -> Index | None:
    file.seek(max(size - len(MAGIC) - _FOOTER.size, 0))
    footer = file.read(_FOOTER.size)
    if len(footer) < _FOOTER.size or file.read() != MAGIC:
        return None
    opcode, length, start, _, checksum = _FOOTER.unpack(footer)
    if (opcode, length) != (Opcode.FOOTER, _FOOTER.size - HEAD.size) or not 0 < start < size:
        return None
    file.seek(start)
    summary = file.read(size - len(MAGIC) - _FOOTER.size - start)
    if checksum and crc32(footer[:-4], crc32(summary)) != checksum:
        return None
    index, held = Index(), []
    statistics: Statistics | None = None
    for opcode, _, body in read_records(BytesIO(summary), 0, len(summary)):
        if opcode == Opcode.STATISTICS:
            statistics = parsed(Statistics, body)
        elif opcode == Opcode.CHUNK_INDEX:
            held.append(_chunk_at(parsed(ChunkIndex, body)))
        elif opcode == Opcode.METADATA_INDEX:
            at: MetadataIndex = parsed(MetadataIndex, body)
            file.seek(at.offset + HEAD.size)
            index.take_metadata(parsed(Metadata, file.read(at.length - HEAD.size)))
        else:
            index.take(opcode, body)
    index.chunks = held
    return index if statistics is not None and _is_whole(index, statistics) else None


def _chunk_at(said: ChunkIndex) -> ChunkAt:
    channels = frozenset(said.message_index_offsets) or None
    start_ns, end_ns = said.message_start_time, said.message_end_time
    return ChunkAt(said.chunk_start_offset, said.chunk_length, start_ns, end_ns, channels)


def _is_whole(index: Index, statistics: Statistics) -> bool:
    """Whether all messages can be found by it; takes the numbers of messages."""
    index.counts = statistics.channel_message_counts
    index.start_ns, index.end_ns = statistics.message_start_time, statistics.message_end_time
    used = set(index.counts).union(*(one.channels or () for one in index.chunks))
    return (
        len(index.chunks) == statistics.chunk_count
        and sum(index.counts.values()) == statistics.message_count
        and (not statistics.message_count or bool(index.chunks))
        and len(index.channels) == statistics.channel_count
        and used <= index.channels.keys()
        and {one.schema_id for one in index.channels.values()} <= {0, *index.schemas}
    )
