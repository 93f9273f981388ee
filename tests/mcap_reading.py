"""Logs as other readers see them: MCAP's own, and protobuf's by the definitions that stand in the file."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Channel, Message, Schema

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
