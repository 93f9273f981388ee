"""Bags of ROS 2: a folder with metadata.yaml and one or more files."""

from collections.abc import Container, Iterator
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import zstandard

from perception.errors import ConfigError, SourceError
from perception.parsing import read_yaml
from perception.sources.log.base import METADATA, Log, Part, Record, merged, united
from perception.sources.log.db3_file import Db3File
from perception.sources.log.mcap_file import McapFile


class Ros2Bag:
    """A recording in a folder; see `Log`. Its files are read as one, by time, also where they overlap.

    Raises:
        SourceError: its metadata cannot be read, or a file is missing or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        about = _metadata(folder)
        storage, mode = about.get("storage_identifier"), str(about.get("compression_mode") or "none").lower()
        if storage not in ("sqlite3", "mcap"):
            raise SourceError(f"{METADATA}: storage {storage!r} is not known; sqlite3 and mcap are")
        if mode not in ("none", "storage", "file", "message"):
            raise SourceError(f"{METADATA}: compression mode {mode!r} is not known; file and message are")
        if mode in ("file", "message") and about.get("compression_format") != "zstd":
            raise SourceError(
                f"{METADATA}: compression {about.get('compression_format')!r} is not known; zstd is"
            )
        # Old ones have the bag's own folder before the names.
        paths = [folder / PurePath(str(name)).name for name in about.get("relative_file_paths") or ()]
        missing = [path.name for path in paths if not path.is_file()]
        if missing or not paths:
            raise SourceError(
                f"{METADATA} names files that are missing: {', '.join(missing) or 'none at all'}"
            )
        self._unpacked = TemporaryDirectory() if mode == "file" else None
        self._logs: list[Log] = []
        try:
            for path in paths:
                file = _unpack(path, Path(self._unpacked.name)) if self._unpacked else path
                zstd = mode == "message"
                self._logs.append(McapFile(file, zstd) if storage == "mcap" else Db3File(file, zstd))
        except BaseException:
            self.close()
            raise
        self.topics = united(topic for log in self._logs for topic in log.topics)
        used = [log for log in self._logs if log.end_ns]
        self.start_ns = min((log.start_ns for log in used), default=0)
        self.end_ns = max((log.end_ns for log in used), default=0)
        self.notes = [note for log in self._logs for note in log.notes]
        said, found = about.get("message_count"), sum(topic.count or 0 for topic in self.topics)
        if said != found and all(topic.count is not None for topic in self.topics):
            self.notes.append(f"{METADATA} says {said} messages, its files {found}")

    def records(self, names: Container[str], start_ns: int = 0) -> Iterator[Record]:
        """See `Log`."""
        parts = [Part(log.start_ns, log.records(names, start_ns)) for log in self._logs]
        return merged(parts)

    def close(self) -> None:
        for log in self._logs:
            log.close()
        if self._unpacked:
            self._unpacked.cleanup()


_MOST_KB = 16 << 10  # each file of a bag has its lines: a day in minutes has 325 kB


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        about = read_yaml(folder / METADATA, most_kb=_MOST_KB).get("rosbag2_bagfile_information")
    except ConfigError as error:
        raise SourceError(str(error)) from error
    if not isinstance(about, dict):
        raise SourceError(f"{METADATA} says nothing of a bag (rosbag2_bagfile_information)")
    return about


def _unpack(path: Path, folder: Path) -> Path:
    file = folder / path.stem
    try:
        with path.open("rb") as packed, file.open("wb") as out:
            zstandard.ZstdDecompressor().copy_stream(packed, out)
    except (OSError, zstandard.ZstdError) as error:
        raise SourceError(f"{path.name} cannot be decompressed to {folder} ({error})") from error
    return file
