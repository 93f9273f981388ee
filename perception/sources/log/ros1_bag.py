"""Bags of ROS 1."""

import struct
from collections.abc import Container, Iterator
from pathlib import Path

from rosbags.rosbag1 import Reader, ReaderError

from perception.errors import SourceError
from perception.interchange.messages.channels import Schema
from perception.sources.log.base import Record, Topic, united

# What rosbags raises on damaged bytes, other than its own error.
_DAMAGE = (
    ReaderError, struct.error, AssertionError, ValueError, LookupError, RuntimeError, OSError, EOFError,
    MemoryError, OverflowError,
)  # fmt: skip


class Ros1Bag:
    """A recording in one .bag file; see `Log`.

    Raises:
        SourceError: it cannot be read, as one whose recorder was killed, which has no index.
    """

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self._name = path.name
        try:
            self._reader = Reader(path)
            self._reader.open()
        except _DAMAGE as error:
            raise self._error(error, "; `rosbag reindex` may help") from error
        reader = self._reader
        self._topics = {
            one.id: Topic(
                one.topic, Schema(one.msgtype, "ros1msg", one.msgdef.data.encode(), "ros1"), one.msgcount
            )
            for one in reader.connections
        }
        self.topics = united(self._topics.values())
        used = any(topic.count for topic in self.topics)
        self.start_ns, self.end_ns = (reader.start_time, reader.end_time) if used else (0, 0)

    def records(self, names: Container[str], start_ns: int = 0) -> Iterator[Record]:
        """See `Log`."""
        wanted = [one for one in self._reader.connections if one.topic in names]
        if not wanted:  # which rosbags takes for all
            return
        try:
            for connection, log_ns, data in self._reader.messages(wanted, start=start_ns):
                yield Record(log_ns, self._topics[connection.id], bytes(data))
        except _DAMAGE as error:
            raise self._error(error, "; ?start= may read on behind it") from error

    def close(self) -> None:
        self._reader.close()

    def _error(self, error: Exception, remedy: str) -> SourceError:
        words = " ".join(str(error).split()) or type(error).__name__
        return SourceError(f"{self._name} cannot be read as a bag of ROS 1 ({words}){remedy}")
