"""What every recording of messages is, whatever its container."""

import heapq
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import UndecodableError
from perception.types import NS_PER_S

METADATA = "metadata.yaml"  # in the folder of a bag of ROS 2
# The year 2000: what is earlier, such as the time of a simulator, counts from elsewhere.
LEAST_WALL_NS = 946_684_800 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Topic:
    """Messages of one name and type.

    Attributes:
        count: how many the recording says it has; None: it does not.
        zstd: each message is compressed by itself, as rosbag2 does.
        derived: what a run of ours made of a camera's pictures, such as maps; see `channels.ROLE`.
    """

    name: str
    schema: Schema
    count: int | None = None
    zstd: bool = False
    derived: bool = False


class Record(NamedTuple):
    """One message as it was recorded, and when, in ns since 1970."""

    log_ns: int
    topic: Topic
    data: bytes | memoryview

    def payload(self) -> bytes | memoryview:
        """Raises: UndecodableError: it is compressed, and damaged."""
        if not self.topic.zstd:
            return self.data
        import zstandard  # noqa: PLC0415 - of an extra

        try:
            return zstandard.decompress(self.data)
        except zstandard.ZstdError as error:
            raise UndecodableError(f"its compression is damaged ({error})") from error


class Log(Protocol):
    """A recording.

    Attributes:
        topics: two may have one name, where a type changed.
        start_ns, end_ns: of the first and the last message, as the recording says; 0: it has none.
        notes: what the user should know of it.
    """

    topics: list[Topic]
    start_ns: int
    end_ns: int
    notes: list[str]

    def records(self, names: Container[str], start_ns: int = 0) -> Iterator[Record]:
        """The messages of these topics from a time on, in the order of their times.

        Raises:
            SourceError: after the last one before a place that is damaged.
        """
        ...

    def close(self) -> None: ...


def united(topics: Iterable[Topic]) -> list[Topic]:
    """Those of one name and type as one, with all their messages: of several files, or several publishers."""
    counts: dict[Topic, int | None] = {}
    for topic in topics:
        key = replace(topic, count=None)
        before = counts.get(key, 0)
        counts[key] = None if before is None or topic.count is None else before + topic.count
    return [replace(topic, count=count) for topic, count in counts.items()]


class Part(NamedTuple):
    """Records in order, none before `start_ns`; nothing of it is read before the first one is asked for."""

    start_ns: int
    records: Iterator[Record]


def merged(parts: Iterable[Part]) -> Iterator[Record]:
    """All records in the order of their times; those of one time in the order of the parts.

    Only parts that overlap are held open, or in memory, at the same time.
    """
    waiting = sorted(enumerate(parts), key=lambda pair: (pair[1].start_ns, pair[0]), reverse=True)
    heads: list[tuple[int, int, Record, Iterator[Record]]] = []

    def push(number: int, records: Iterator[Record]) -> None:
        record = next(records, None)
        if record is not None:
            heapq.heappush(heads, (record.log_ns, number, record, records))

    while waiting or heads:
        if waiting and (not heads or waiting[-1][1].start_ns <= heads[0][0]):
            number, part = waiting.pop()
            push(number, part.records)
            continue
        _, number, record, records = heapq.heappop(heads)
        yield record
        push(number, records)
