"""The files of a folder's frames within a number of bytes, the oldest removed first, for years of frames.

Which frame is the oldest is read from the lines of scenes.jsonl, which are in the order of the frames. So
nothing is kept in memory for a frame.
"""

import heapq
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from perception.interchange.files.dated import numbered
from perception.sinks.jsonl import LineFile
from perception.sinks.segments import nearly_full

_AT_ONCE = 1000  # files that no line lists, removed for one look through the folder


@dataclass(frozen=True, slots=True)
class _Listed:
    """A frame's stem by its line, and when the last line of its segment was written: its files are as old."""

    stem: str
    until_ns: int


class KeptFrames:
    """One thread uses it.

    Args:
        scenes, healths: the files of lines, which are renamed to dated segments.
        files_of: those of a frame, by its stem.
        is_frames: whether a file of that name is a frame's.

    Raises:
        OSError: the folder cannot be read, or an empty file not be removed.
    """

    def __init__(
        self,
        folder: Path,
        limit: int,
        scenes: LineFile,
        healths: LineFile,
        files_of: Callable[[str], list[Path]],
        is_frames: Callable[[str], bool],
    ) -> None:
        self._folder, self._limit, self._scenes, self._healths = folder, limit, scenes, healths
        self._files_of, self._is_frames = files_of, is_frames
        self._newest = ""  # stem of the frame that is being written
        self._reading: BufferedReader | None = None
        self._oldest: _Listed | None = None
        self._unlisted: deque[Path] = deque()  # older than what is listed: they go first
        self._look = True  # whether there may be such files
        self._begun_ns = time.time_ns()
        self._total = 0  # bytes, but for the two files that are being written
        for path in self._frames():
            size = path.stat().st_size
            self._total += size
            if not size:
                path.unlink()  # a kill left it
        self._aside = deque(numbered(healths.path).values())  # segments of health, the oldest first
        for segment in (*self._aside, *numbered(scenes.path).values()):
            self._total += segment.stat().st_size

    def begin(self, stem: str) -> None:
        """A frame is written now, and stays until the next one is. Makes room on the disk.

        Raises:
            OSError: a file cannot be removed, or the disk not be asked.
        """
        self._newest = stem
        while nearly_full(self._folder) and self._drop_oldest():
            pass

    def replaces(self, path: Path, size: int) -> None:
        """A file of the frame is written, with so many bytes."""
        self._total += size - (path.stat().st_size if path.exists() else 0)

    def renamed(self, segment: Path) -> None:
        """Lines are in a segment of their own now."""
        self._total += segment.stat().st_size
        if segment.name.startswith(self._healths.path.stem):
            self._aside.append(segment)

    def trim(self) -> None:
        """Remove the oldest until all fits.

        Raises:
            OSError: a file cannot be removed.
        """
        while self._total + self._scenes.size + self._healths.size > self._limit and self._drop_oldest():
            pass

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _drop_oldest(self) -> bool:
        """Whether there was anything besides the newest frame."""
        files = self._oldest_files()
        until_ns = max((path.stat().st_mtime_ns for path in files), default=None)
        if unlisted := self._next_unlisted(until_ns):
            self._remove(unlisted)
        elif self._aside and (until_ns is None or self._aside[0].stat().st_mtime_ns <= until_ns):
            self._remove(self._aside.popleft())
        elif files:
            for path in files:
                self._remove(path)
        else:
            return False
        return True

    def _oldest_files(self) -> list[Path]:
        """Of the oldest frame that is listed and there, less what another one of its name has written."""
        while True:
            self._oldest = self._oldest or self._next_listed()
            if self._oldest is None:
                return []
            there = [path for path in self._files_of(self._oldest.stem) if path.exists()]
            there = [path for path in there if path.stat().st_mtime_ns <= self._oldest.until_ns]
            if there:
                return there
            self._oldest = None

    def _next_listed(self) -> _Listed | None:
        """By the next line of the oldest segment; None: only the newest frame is left."""
        while True:
            if self._reading is None:
                path = next(iter(numbered(self._scenes.path).values()), self._scenes.path)
                if not path.exists():
                    return None
                self._reading = path.open("rb")
            place = self._reading.tell()
            line = self._reading.readline()
            state, stem = os.fstat(self._reading.fileno()), _stem(line)
            if line.endswith(b"\n") and stem != self._newest:
                if Path(stem).name == stem:  # a name, that leads nowhere else
                    return _Listed(stem, state.st_mtime_ns)
                continue
            current = self._scenes.path
            if current.exists() and os.path.samestat(state, current.stat()):
                self._reading.seek(place)  # more is written there
                return None
            self.close()
            for path in numbered(current).values():
                if os.path.samestat(path.stat(), state):
                    self._remove(path)

    def _next_unlisted(self, until_ns: int | None) -> Path | None:
        """A file older than all that are listed, of before this run."""
        if not self._unlisted and self._look:
            before_ns = min(self._begun_ns, until_ns or self._begun_ns)
            newest = set(self._files_of(self._newest))
            times = ((path.stat().st_mtime_ns, path) for path in self._frames() if path not in newest)
            found = heapq.nsmallest(_AT_ONCE, (one for one in times if one[0] < before_ns))
            self._unlisted.extend(path for _, path in found)
            self._look = len(found) == _AT_ONCE
        return self._unlisted.popleft() if self._unlisted else None

    def _frames(self) -> Iterator[Path]:
        with os.scandir(self._folder) as entries:
            yield from (self._folder / entry.name for entry in entries if self._is_frames(entry.name))

    def _remove(self, path: Path) -> None:
        if path.exists():
            self._total -= path.stat().st_size
            path.unlink()


def _stem(line: bytes) -> str:
    """Of a scene's line; empty where it has none."""
    try:
        return str(json.loads(line)["stem"])
    except (ValueError, KeyError, TypeError):
        return ""
