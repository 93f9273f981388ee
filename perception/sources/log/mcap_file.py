"""MCAP files: with or without chunks, compression, and a summary, and what is left of cut ones."""

from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from typing import BinaryIO

from mcap.opcode import Opcode

from perception.errors import SourceError
from perception.interchange.messages.channels import PICTURE, ROLE, Schema
from perception.sources.log.base import Part, Record, Topic, merged, united
from perception.sources.log.mcap_chunk import HEAD, MESSAGE, chunk_records, messages
from perception.sources.log.mcap_index import DAMAGE, MAGIC, ChunkAt, Index, MessageAt, index_by_summary
from perception.sources.log.mcap_scan import index_by_scan

_CHUNK = bytes([Opcode.CHUNK])


class McapFile:
    """A recording in one MCAP file; see `Log`.

    Args:
        zstd: each message is compressed by itself, also where the file does not say so.

    Raises:
        SourceError: it cannot be read, or a message in it that is not in a chunk is damaged.
    """

    def __init__(self, path: Path, zstd: bool = False) -> None:
        self._name = path.name
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise SourceError(f"{path.name} cannot be read ({error.strerror})") from error
        size = path.stat().st_size
        try:
            index = self._index = _read_index(self._file, size)
        except SourceError as error:
            self.close()
            raise SourceError(f"{path.name}: {error}") from error
        self._zstd = zstd or index.zstd
        self.start_ns, self.end_ns = index.start_ns, index.end_ns
        self._by_channel = {number: self._topic(number) for number in index.channels}
        self.topics = united(self._by_channel.values())
        self.notes = []
        if index.cut_at is not None and not index.damage:
            self.notes.append(
                f"{path.name} breaks off at byte {index.cut_at:,} of {size:,}; read up to there"
            )
        elif index.scanned:
            self.notes.append(f"{path.name} has no summary that can be used; all of it was searched")

    def records(self, names: Container[str], start_ns: int = 0) -> Iterator[Record]:
        """See `Log`; also raises SourceError in the end where the file says that it has other messages."""
        wanted = {number for number, topic in self._by_channel.items() if topic.name in names}
        seen: Counter[int] = Counter()
        parts = [
            Part(chunk.start_ns, self._of_chunk(chunk, wanted, start_ns, seen))
            for chunk in self._index.chunks
            if chunk.end_ns >= start_ns and not (chunk.channels and wanted.isdisjoint(chunk.channels))
        ]
        loose = sorted(one for one in self._index.loose if one.log_ns >= start_ns and one.channel in wanted)
        if loose:
            parts.append(Part(loose[0].log_ns, self._of_file(loose, seen)))
        yield from merged(parts)
        if self._index.cut_at is not None and self._index.damage:
            raise self._damaged(self._index.cut_at, self._index.damage)
        for number in wanted if start_ns <= self.start_ns else ():
            topic = self._by_channel[number]
            if topic.count is not None and topic.count != seen[number]:
                raise SourceError(
                    f"{self._name} says {topic.count} messages of {topic.name}, but holds {seen[number]}"
                )

    def close(self) -> None:
        self._file.close()

    def _topic(self, number: int) -> Topic:
        index = self._index
        channel = index.channels[number]
        schema = index.schemas.get(channel.schema_id)
        name, encoding, data = (schema.name, schema.encoding, schema.data) if schema else ("", "", b"")
        count = None if index.counts is None else index.counts.get(number, 0)
        of = Schema(name, encoding, data, channel.message_encoding)
        role = channel.metadata.get(ROLE, PICTURE)
        return Topic(channel.topic, of, count, self._zstd, derived=role != PICTURE)

    def _of_chunk(self, at: ChunkAt, wanted: set[int], start_ns: int, seen: Counter[int]) -> Iterator[Record]:
        try:
            self._file.seek(at.offset)
            head, body = self._file.read(HEAD.size), self._file.read(at.size - HEAD.size)
            if head[:1] != _CHUNK or len(body) != at.size - HEAD.size:
                raise ValueError("there is no chunk")
            found = messages(chunk_records(body, None if self._index.scanned else at.start_ns), wanted)
        except DAMAGE as error:
            raise self._damaged(at.offset, error) from error
        for message in found:
            seen[message.channel] += 1
            if message.log_ns >= start_ns:
                yield Record(message.log_ns, self._by_channel[message.channel], message.data)

    def _of_file(self, loose: list[MessageAt], seen: Counter[int]) -> Iterator[Record]:
        for log_ns, offset, size, channel in loose:
            self._file.seek(offset + MESSAGE.size)
            seen[channel] += 1
            yield Record(log_ns, self._by_channel[channel], self._file.read(size - MESSAGE.size))

    def _damaged(self, offset: int, why: object) -> SourceError:
        words = " ".join(str(why).split())
        return SourceError(
            f"{self._name} is damaged at byte {offset:,} ({words}); ?start= may read on behind it"
        )


def _read_index(file: BinaryIO, size: int) -> Index:
    if file.read(len(MAGIC)) != MAGIC:
        raise SourceError("it is no MCAP file")
    return index_by_summary(file, size) or index_by_scan(file, size)
