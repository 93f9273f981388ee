"""MCAP files: with or without chunks, compression, and a summary, and what is left of cut ones."""

from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

from mcap.opcode import Opcode
from mcap.records import Message

from perception.errors import SourceError
from perception.interchange.channels import Schema
from perception.sources.log.base import Part, Record, Topic, merged
from perception.sources.log.mcap_index import DAMAGE, ChunkAt, inside_chunk, parsed, read_index

_CHUNK = bytes([Opcode.CHUNK])


class McapFile:
    """A recording in one MCAP file; see `Log`.

    Args:
        zstd: each message is compressed by itself, also where the file does not say so.

    Raises:
        SourceError: it cannot be read, or holds no message.
    """

    def __init__(self, path: Path, zstd: bool = False) -> None:
        self._name = path.name
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise SourceError(f"{path.name} cannot be read ({error.strerror})") from error
        try:
            size = path.stat().st_size
            self._index = read_index(self._file, size)
        except SourceError as error:
            self._file.close()
            raise SourceError(f"{path.name}: {error}") from error
        index = self._index
        self.start_ns, self.end_ns = index.start_ns, index.end_ns
        self._zstd = zstd or index.zstd
        self._by_channel = {number: self._topic(number) for number in index.channels}
        self.topics = list(self._by_channel.values())
        self.notes = []
        if index.cut_at is not None and not index.damage:
            self.notes.append(
                f"{path.name} breaks off at byte {index.cut_at:,} of {size:,}; read up to there"
            )
        elif index.scanned:
            self.notes.append(f"{path.name} has no summary that can be used; all of it was searched")

    def _topic(self, number: int) -> Topic:
        index = self._index
        channel = index.channels[number]
        schema = index.schemas.get(channel.schema_id)
        name, encoding, data = (schema.name, schema.encoding, schema.data) if schema else ("", "", b"")
        count = None if index.counts is None else index.counts.get(number, 0)
        of = Schema(name, encoding, data, channel.message_encoding)
        return Topic(channel.topic, of, count, self._zstd)

    def records(self, names: Container[str], start_ns: int = 0) -> Iterator[Record]:
        """See `Log`; also raises SourceError in the end where the file says that it has other messages."""
        wanted = {number for number, topic in self._by_channel.items() if topic.name in names}
        seen: Counter[int] = Counter()
        parts = [
            Part(chunk.start_ns, self._of_chunk(chunk, wanted, start_ns, seen))
            for chunk in self._index.chunks
            if chunk.end_ns >= start_ns and not (chunk.channels and wanted.isdisjoint(chunk.channels))
        ]
        loose = sorted(one for one in self._index.loose if one[0] >= start_ns and one[3] in wanted)
        if loose:
            parts.append(Part(loose[0][0], self._of_file(loose, seen)))
        yield from merged(parts)
        if self._index.cut_at is not None and self._index.damage:
            raise self._damaged(self._index.cut_at, self._index.damage)
        for number in wanted if start_ns <= self.start_ns else ():
            topic = self._by_channel[number]
            if topic.count is not None and topic.count != seen[number]:
                raise SourceError(
                    f"{self._name} says {topic.count} messages of {topic.name}, but holds {seen[number]}"
                )

    def _damaged(self, offset: int, why: object) -> SourceError:
        words = " ".join(str(why).split())
        return SourceError(
            f"{self._name} is damaged at byte {offset:,} ({words}); ?start= may read on behind it"
        )

    def close(self) -> None:
        self._file.close()

    def _of_chunk(self, at: ChunkAt, wanted: set[int], start_ns: int, seen: Counter[int]) -> Iterator[Record]:
        try:
            self._file.seek(at.offset)
            opcode, body = self._file.read(1), self._file.read(at.size - 1)[8:]
            if opcode != _CHUNK or len(body) != at.size - 9:
                raise ValueError("there is no chunk")
            records = inside_chunk(body, None if self._index.scanned else at.start_ns)
        except DAMAGE as error:
            raise self._damaged(at.offset, error) from error
        messages = [one for one in records if isinstance(one, Message) and one.channel_id in wanted]
        seen.update(one.channel_id for one in messages)
        messages.sort(key=lambda one: one.log_time)
        for one in messages:
            if one.log_time >= start_ns:
                yield Record(one.log_time, self._by_channel[one.channel_id], one.data)

    def _of_file(self, loose: list[tuple[int, int, int, int]], seen: Counter[int]) -> Iterator[Record]:
        for log_ns, offset, size, number in loose:
            self._file.seek(offset + 9)
            message = parsed(Message, self._file.read(size))
            seen[number] += 1
            yield Record(log_ns, self._by_channel[number], message.data)
