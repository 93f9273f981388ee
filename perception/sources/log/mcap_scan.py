"""Where the messages of an MCAP file are, by reading all of it, up to the first record that is not whole."""

from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from isal.isal_zlib import crc32
from mcap.opcode import Opcode
from mcap.records import DataEnd, Metadata, Statistics

from perception.errors import SourceError
from perception.sources.log.mcap_chunk import HEAD, MESSAGE, chunk_records, records
from perception.sources.log.mcap_index import DAMAGE, MAGIC, ChunkAt, Index, MessageAt, parsed, read_records


@dataclass(slots=True)
class _Span:
    """The channels and times of some messages."""

    counts: Counter[int] = field(default_factory=Counter)
    start_ns: int = 2**64
    end_ns: int = 0

    def take(self, message: bytes | memoryview) -> None:
        channel, _, log_ns, _ = MESSAGE.unpack_from(message)
        self.counts[channel] += 1
        self.start_ns, self.end_ns = min(self.start_ns, log_ns), max(self.end_ns, log_ns)


class _Scan:
    """What was found so far."""

    def __init__(self) -> None:
        self.index = Index(scanned=True)
        self.spans: list[_Span] = []
        self.whole = False  # all of the data was read
        self._checksum = crc32(MAGIC)

    def take(self, opcode: int, at: int, body: bytes) -> None:
        """For each record, in order.

        Raises:
            SourceError: the checksum of messages that stand outside of chunks is wrong.
            All of `DAMAGE`.
        """
        index = self.index
        if opcode == Opcode.CHUNK:
            self._take_chunk(at, body)
        elif opcode == Opcode.MESSAGE:
            span = _Span()
            span.take(body)
            self.spans.append(span)
            index.loose.append(MessageAt(span.start_ns, at + HEAD.size, len(body), *span.counts))
        elif opcode == Opcode.DATA_END:
            said = parsed(DataEnd, body).data_section_crc
            if said and said != self._checksum and index.loose:
                raise SourceError("its checksum is wrong: a message in it is damaged")
            self.whole = True
        elif opcode == Opcode.STATISTICS:
            index.counts = parsed(Statistics, body).channel_message_counts or None
        elif opcode == Opcode.METADATA:
            index.take_metadata(parsed(Metadata, body))
        elif not self.whole:
            index.take(opcode, body)
        self._checksum = crc32(body, crc32(HEAD.pack(opcode, len(body)), self._checksum))

    def _take_chunk(self, at: int, body: bytes) -> None:
        span = _Span()
        for opcode, inside in records(chunk_records(body)):
            if opcode == Opcode.MESSAGE:
                span.take(inside)
            else:
                self.index.take(opcode, inside)
        if span.counts:
            self.spans.append(span)
            size, channels = HEAD.size + len(body), frozenset(span.counts)
            self.index.chunks.append(ChunkAt(at, size, span.start_ns, span.end_ns, channels))


def index_by_scan(file: BinaryIO, size: int) -> Index:
    """Raises: SourceError: the checksum of messages that stand outside of chunks is wrong."""
    scan, end = _Scan(), len(MAGIC)
    index, spans = scan.index, scan.spans
    try:
        for opcode, at, body in read_records(file, end, size):
            scan.take(opcode, at, body)
            end = at + HEAD.size + len(body)
    except DAMAGE as error:
        index.damage = " ".join(str(error).split()) or type(error).__name__
    if index.damage or not scan.whole:
        index.cut_at = end
    if index.counts is None:
        index.counts = sum((span.counts for span in spans), Counter())
    index.start_ns = min((span.start_ns for span in spans), default=0)
    index.end_ns = max((span.end_ns for span in spans), default=0)
    return index
