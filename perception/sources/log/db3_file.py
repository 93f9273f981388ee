"""Files of rosbag2's SQLite storage."""

import sqlite3
from collections.abc import Container, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from perception.errors import SourceError
from perception.interchange.messages.channels import Schema
from perception.sources.log.base import Record, Topic


class Db3File:
    """A recording in one .db3 file; see `Log`.

    By SQLite itself: rosbags opens it as immutable, and so leaves out what a recorder that was killed has
    left in the write-ahead log beside it.

    Args:
        zstd: each message is compressed by itself, as metadata.yaml says.

    Raises:
        SourceError: it cannot be read.
    """

    def __init__(self, path: Path, zstd: bool = False) -> None:
        self.notes: list[str] = []
        self._name = path.name
        pending = path.with_name(f"{path.name}-wal").exists()
        how = "mode=ro" if pending else "immutable=1"  # which needs no right to write beside it
        try:
            self._database = sqlite3.connect(
                f"file:{quote(str(path))}?{how}", uri=True, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._error(error) from error
        try:
            self._topics = self._read_topics(zstd)
            first, last = self._all("SELECT min(timestamp), max(timestamp) FROM messages")[0]
        except SourceError:
            self.close()
            raise
        self.topics = list(self._topics.values())
        self.start_ns, self.end_ns = first or 0, last or 0

    def records(self, names: Container[str], start_ns: int = 0) -> Iterator[Record]:
        """See `Log`."""
        wanted = [number for number, topic in self._topics.items() if topic.name in names]
        # Their order first: SQLite would sort rows with all their data, where the index on times is missing.
        order = (
            "SELECT id, timestamp, topic_id FROM messages "
            f"WHERE topic_id IN ({', '.join('?' * len(wanted))}) AND timestamp >= ? ORDER BY timestamp, id"
        )
        for number, log_ns, topic in self._all(order, *wanted, start_ns):
            data = self._all("SELECT data FROM messages WHERE id = ?", number)[0][0]
            if not (isinstance(data, bytes) and isinstance(log_ns, int)):
                raise SourceError(f"{self._name} is damaged: message {number} is {type(data).__name__}")
            yield Record(log_ns, self._topics[topic], data)

    def close(self) -> None:
        self._database.close()

    def _read_topics(self, zstd: bool) -> dict[int, Topic]:
        counts = dict(self._all("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
        definitions: dict[str, tuple[str, str]] = {}
        if self._all("SELECT name FROM sqlite_master WHERE name = 'message_definitions'"):  # since Iron
            rows = self._texts("topic_type, encoding, encoded_message_definition FROM message_definitions")
            definitions = {kind: (encoding, text) for kind, encoding, text in rows}
        topics = {}
        numbers = self._all("SELECT id FROM topics ORDER BY id")
        rows = self._texts("name, type, serialization_format FROM topics")
        for (number,), (name, kind, serialised) in zip(numbers, rows, strict=True):
            encoding, text = definitions.get(kind, ("", ""))
            schema = Schema(kind, encoding, text.encode(), serialised)
            topics[number] = Topic(name, schema, counts.get(number, 0), zstd)
        return topics

    def _texts(self, query: str) -> list[tuple[str, str, str]]:
        rows = self._all(f"SELECT {query} ORDER BY id")
        if not all(isinstance(value, str) for row in rows for value in row):
            raise self._error(ValueError("names that are no text"))
        return rows

    def _all(self, query: str, *values: Any) -> list[Any]:
        try:
            with closing(self._database.execute(query, values)) as rows:
                return rows.fetchall()
        except (sqlite3.Error, OverflowError, ValueError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> SourceError:
        return SourceError(f"{self._name} cannot be read as a bag of ROS 2 ({error})")
