"""An MCAP file, in chunks that are whole on their own.

The library's own writer copies each message four times and compresses at a fixed level: 4.1 ms for a frame of
1280×720 with its two maps. Here messages go straight into the compressor: 1.1 ms, and no larger.
"""

import errno
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import zstandard
from isal import isal_zlib
from mcap import records
from mcap.data_stream import RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import NonSeekingReader
from mcap.writer import MCAP0_MAGIC

from perception.interchange.messages.channels import ROLE, Channel, Message
from perception.sinks.own_files import LIBRARY

_CHUNK = 256 * 1024  # bytes before compression: a reader that wants few topics unpacks little else
_LEVEL = 1  # of zstd: level 3, the usual one, takes 1.4 times as long for the same size
_MESSAGE = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, times of logging and publishing
_HEAD = _MESSAGE.size - 9  # of it, what the length counts
_CRC = struct.Struct("<I")


class McapFile:
    """Messages, in the order in which they are added. What is there before is replaced.

    Args:
        profile: of MCAP: empty, or ros2.

    Raises:
        OSError: from every method: the file cannot be written. It ends with the last whole chunk then, and
            `close` may still be called.
    """

    def __init__(self, path: Path, profile: str) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._end = 0
        self._schemas: dict[tuple[str, str], records.Schema] = {}
        self._channels: dict[str, records.Channel] = {}
        self._counts: dict[int, int] = {}  # of messages by channel
        self._written: dict[int, int] = {}  # of them in the chunks that are in the file
        self._first, self._last = 2**64 - 1, 0
        self._chunks = 0
        self._index = RecordBuilder()  # of the chunks, as it will be written: a day has a million of them
        self._begin_chunk()
        start = RecordBuilder()
        start.write(MCAP0_MAGIC)
        records.Header(profile, LIBRARY).write(start)
        self._append(_taken(start))

    @property
    def size(self) -> int:
        """Bytes that are in the file by now."""
        return self._end

    @property
    def empty(self) -> bool:
        """No message has got as far as the file."""
        return not self._chunks

    def add(self, message: Message) -> None:
        channel, data, stamp_ns = self._channel(message.channel), message.data, message.stamp_ns
        sequence = self._counts.get(channel, 0)
        self._indexes.setdefault(channel, []).append((stamp_ns, self._size))
        self._put(_MESSAGE.pack(Opcode.MESSAGE, _HEAD + len(data), channel, sequence, stamp_ns, stamp_ns))
        self._put(data)
        self._counts[channel] = sequence + 1
        if self._size >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """End the chunk, so that a kill does not cost what is in it."""
        if not self._indexes:
            return
        stamps = [stamp for index in self._indexes.values() for stamp, _ in index]
        first, last = min(stamps), max(stamps)
        packed = b"".join((*self._packed, self._packer.flush()))
        record = RecordBuilder()
        records.Chunk("zstd", packed, last, first, self._crc, self._size).write(record)
        length, offsets = record.count, {}
        for channel, index in self._indexes.items():
            offsets[channel] = self._end + record.count
            records.MessageIndex(channel, index).write(record)
        indexes = record.count - length
        entry = records.ChunkIndex(
            length, self._end, "zstd", len(packed), last, indexes, offsets, first, self._size
        )
        self._begin_chunk()
        self._append(_taken(record))
        entry.write(self._index)
        self._chunks += 1
        self._written = dict(self._counts)
        self._first, self._last = min(first, self._first), max(last, self._last)

    def close(self) -> None:
        """Write what is left, and the summary by which readers find their way. Again it does nothing."""
        if self._file.closed:
            return
        try:
            self.flush()
            self._append(self._summary())
        finally:
            self._file.close()

    def _channel(self, channel: Channel) -> int:
        """Its number; on its first message it is written down."""
        if channel.topic not in self._channels:
            of, new = channel.schema, RecordBuilder()
            schema = self._schemas.get((of.name, of.encoding))
            if schema is None:
                schema = records.Schema(len(self._schemas) + 1, of.definition, of.encoding, of.name)
                self._schemas[of.name, of.encoding] = schema
                schema.write(new)
            number = len(self._channels) + 1
            known = records.Channel(
                number, channel.topic, of.message_encoding, {ROLE: channel.name}, schema.id
            )
            self._channels[channel.topic] = known
            known.write(new)
            self._put(_taken(new))
        return self._channels[channel.topic].id

    def _begin_chunk(self) -> None:
        self._packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._packed: list[bytes] = []
        self._size = self._crc = 0
        self._indexes: dict[int, list[tuple[int, int]]] = {}

    def _put(self, data: bytes) -> None:
        self._packed.append(self._packer.compress(data))
        self._crc = isal_zlib.crc32(data, self._crc)
        self._size += len(data)

    def _append(self, data: bytes) -> None:
        try:
            if not os.fstat(self._file.fileno()).st_nlink:  # what is written to a removed file, nobody sees
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._path))
            written = self._file.write(data)
            while written < len(data):  # a full disk takes a part first; the next write raises why
                written += self._file.write(data[written:])
        except OSError:
            with suppress(OSError):  # where truncation fails too, the first error says why
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise
        self._end += len(data)

    def _summary(self) -> bytes:
        summary, offsets = RecordBuilder(), RecordBuilder()
        records.DataEnd(0).write(summary)
        start = summary.count
        statistics = records.Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=self._written,
            chunk_count=self._chunks,
            message_count=sum(self._written.values()),
            message_end_time=self._last,
            message_start_time=min(self._first, self._last),
            metadata_count=0,
            schema_count=len(self._schemas),
        )
        groups: dict[Opcode, Iterable[records.McapRecord]] = {
            Opcode.SCHEMA: self._schemas.values(),
            Opcode.CHANNEL: self._channels.values(),
            Opcode.STATISTICS: [statistics],
            Opcode.CHUNK_INDEX: [],
        }
        for opcode, group in groups.items():
            begin = summary.count
            for record in group:
                record.write(summary)
            if opcode is Opcode.CHUNK_INDEX:
                summary.write(_taken(self._index))
            if summary.count > begin:
                records.SummaryOffset(opcode, self._end + begin, summary.count - begin).write(offsets)
        footer = RecordBuilder()
        records.Footer(self._end + start, self._end + summary.count, 0).write(footer)
        data = _taken(summary) + _taken(offsets)
        beginning = _taken(footer)[: -_CRC.size]
        crc = isal_zlib.crc32(beginning, isal_zlib.crc32(data[start:]))
        return b"".join((data, beginning, _CRC.pack(crc), MCAP0_MAGIC))


def holds_message(path: Path) -> bool:
    """Whether a message can be read from a log, be it broken off."""
    with path.open("rb") as file, suppress(McapError, struct.error, EOFError):
        return any(True for _ in NonSeekingReader(file).iter_messages(log_time_order=False))
    return False


def _taken(builder: RecordBuilder) -> bytes:
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data
