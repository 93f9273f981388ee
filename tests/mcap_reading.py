"""Logs as other readers see them: MCAP's own, and protobuf's by the definitions that stand in the file."""

import json
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import zstandard
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Channel, Chunk, ChunkIndex, Footer, Message, MessageIndex, Schema, SummaryOffset
from mcap.writer import MCAP0_MAGIC

_kinds: dict[tuple[str, bytes], Any] = {}


@dataclass(frozen=True)
class Logged:
    """A message with what stands next to it; `value` is decoded."""

    topic: str
    kind: str
    sequence: int
    log_ns: int
    publish_ns: int
    data: bytes
    value: Any


def read_log(path: Path) -> list[Logged]:
    """All messages of a log that was finished, in the order of the file; its sums and counts are right."""
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        found = [_decoded(*one) for one in reader.iter_messages(log_time_order=False)]
        summary = reader.get_summary()
        for one in summary.chunk_indexes if summary else ():
            check_index(file, one)
        check_footer(file)
    assert summary is not None and summary.statistics is not None
    statistics = summary.statistics
    assert statistics.message_count == len(found)
    assert statistics.chunk_count == len(summary.chunk_indexes)
    assert (statistics.channel_count, statistics.schema_count) == (
        len(summary.channels),
        len(summary.schemas),
    )
    counts = {summary.channels[one].topic: n for one, n in statistics.channel_message_counts.items()}
    assert counts == {topic: sum(one.topic == topic for one in found) for topic in counts}
    times = [one.log_ns for one in found]
    assert (statistics.message_start_time, statistics.message_end_time) == (min(times), max(times))
    return found


def check_index(file: BinaryIO, chunk: ChunkIndex) -> None:
    """Each channel's index of a chunk points to its messages there, with their times."""
    file.seek(chunk.chunk_start_offset + 9)
    packed = Chunk.read(ReadDataStream(file)).data
    assert file.tell() == chunk.chunk_start_offset + chunk.chunk_length
    assert len(packed) == chunk.compressed_size
    plain = zstandard.ZstdDecompressor().decompress(packed, chunk.uncompressed_size)
    assert len(plain) == chunk.uncompressed_size
    times = []
    for channel, place in chunk.message_index_offsets.items():
        file.seek(place)
        assert file.read(1)[0] == Opcode.MESSAGE_INDEX
        file.seek(place + 9)
        index = MessageIndex.read(ReadDataStream(file))
        assert index.channel_id == channel and index.records
        for stamp, offset in index.records:
            opcode, _, of, _, logged, _ = struct.unpack_from("<BQHIQQ", plain, offset)
            assert (opcode, of, logged) == (Opcode.MESSAGE, channel, stamp)
            times.append(stamp)
    end = chunk.chunk_start_offset + chunk.chunk_length + chunk.message_index_length
    assert file.tell() <= end
    assert (chunk.message_start_time, chunk.message_end_time) == (min(times), max(times))


def check_footer(file: BinaryIO) -> None:
    """Its sum, over the summary and the footer up to it, which MCAP's reader for Python does not look at."""
    file.seek(-8 - 20, os.SEEK_END)
    footer = Footer.read(ReadDataStream(file))
    file.seek(footer.summary_start)
    rest = file.read()
    assert rest.endswith(MCAP0_MAGIC)
    assert zlib.crc32(rest[: -len(MCAP0_MAGIC) - 4]) == footer.summary_crc
    file.seek(footer.summary_offset_start)
    groups = set()
    while file.read(1)[0] == Opcode.SUMMARY_OFFSET:
        file.seek(8, os.SEEK_CUR)
        offset, back = SummaryOffset.read(ReadDataStream(file)), file.tell()
        file.seek(offset.group_start)
        assert file.read(1)[0] == offset.group_opcode
        groups.add(offset.group_opcode)
        file.seek(back)
    assert groups == {Opcode.SCHEMA, Opcode.CHANNEL, Opcode.STATISTICS, Opcode.CHUNK_INDEX}


def read_what_is_whole(path: Path) -> list[Logged]:
    """The messages of a log whose writer was killed."""
    found = []
    # What is raised at the end differs with the place of the cut.
    with path.open("rb") as file, suppress(Exception):
        for one in NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False):
            found.append(_decoded(*one))
    return found


def decode(name: str, definition: bytes, data: bytes) -> Any:
    """A protobuf message by its definition alone, in a pool of its own."""
    kind = _kinds.get((name, definition))
    if kind is None:
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(definition).file:
            pool.Add(file)  # which wants those that it uses first
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        _kinds[name, definition] = kind
    return kind.FromString(data)


def pixels(image: Any) -> npt.NDArray[np.generic]:
    """Of a RawImage: uint8 or uint16 (h, w)."""
    dtype = {"mono8": "<u1", "mono16": "<u2"}[image.encoding]
    assert image.step == image.width * np.dtype(dtype).itemsize
    return np.frombuffer(image.data, dtype).reshape(image.height, image.width)


def nanoseconds(timestamp: Any) -> int:
    return int(timestamp.seconds) * 10**9 + int(timestamp.nanos)


def _decoded(schema: Schema | None, channel: Channel, message: Message) -> Logged:
    assert schema is not None
    if channel.message_encoding == "json":
        assert schema.encoding == "jsonschema"
        value = json.loads(message.data)
    else:
        assert (channel.message_encoding, schema.encoding) == ("protobuf", "protobuf")
        value = decode(schema.name, schema.data, message.data)
    stamps = message.log_time, message.publish_time
    return Logged(channel.topic, schema.name, message.sequence, *stamps, message.data, value)
