"""Whether all of a video came that its file declares: by its own track, never by what else the file holds."""

from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

# Declare no length: FFmpeg works one out from the stamps at both ends, which a splice falsifies.
_UNDECLARED = ("mpegts", "mpeg", "ogg")
_SLACK_S = 0.25  # a file ends with the longest packet of any track, and some do not say how long it is
_RIFF_HEAD = 8  # bytes: a name and the size of what follows


class Extent:
    """Counts the packets of a file as they come.

    Sound and subtitles may outlast the video, an edit list may hide its end, and an AVI counts pictures that
    it left out (chunks of no bytes): none of these is a cut.

    Args:
        period: seconds from frame to frame.
        from_first: the first packet that comes is the file's first.
    """

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        period: float,
        from_first: bool = True,
    ) -> None:
        self._path, self._container, self._stream, self._period = path, container, stream, period
        self._packets, self._from_first, self._begun = 0, from_first, False
        self._end = self._latest = 0.0  # seconds: of the video, and of any track
        self.broken = False  # the last packet of the video is not whole

    def take(self, packet: "av.Packet[Any]") -> None:
        """For each packet of any track, in order."""
        ours = packet.stream is self._stream
        if not packet.size:
            return
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._latest = max(self._latest, end)
            if ours:
                self._end = max(self._end, end)
        if ours:
            if not self._begun and not self._from_first:
                self._packets = self._before(packet)
            self._begun = True
            self._packets += 1
            self.broken = packet.is_corrupt

    def cut_off(self) -> bool:
        """Once no packet comes any more."""
        if self.broken:
            return True
        container = self._container.format.name
        counted = self._stream.frames if self._from_first else 0  # others come than those from the first on
        if container.startswith("mov"):
            # Its index lists what is to be shown, after its edit lists.
            if self._packets < sum(entry.size > 0 for entry in self._stream.index_entries):
                return True
            return not self._stream.frames and self._too_short()
        if container == "avi" and counted:
            if _riff_is_open(self._path):
                return False
            whole = self._packets >= counted or self._end > (counted - 0.5) * self._period
            return not whole and not _riff_is_whole(self._path)
        return self._packets < counted or (container not in _UNDECLARED and self._too_short())

    def _before(self, packet: "av.Packet[Any]") -> int:
        """How many of the video lie before it in an MP4, the index of which lists them all."""
        entries = takewhile(lambda entry: entry.pos != packet.pos, self._stream.index_entries)
        return (
            sum(entry.size > 0 for entry in entries) if self._container.format.name.startswith("mov") else 0
        )

    def _too_short(self) -> bool:
        stream, whole, slack = self._stream, _seconds_of_all(self._container), 2 * self._period
        alone = len(self._container.streams) == 1
        own = declared_seconds(self._container, stream)
        if not alone and own > whole - _SLACK_S:  # that of all tracks, which some formats give to each
            return self._latest + _SLACK_S < whole
        start = float((stream.start_time or 0) * (stream.time_base or 0)) if stream.duration else 0.0
        return self._end + slack < start + own


def declared_seconds(container: InputContainer, stream: VideoStream) -> float:
    """How long the video plays; where its track does not say so, how long all does; 0: neither is said."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return _tagged_end(container, stream) or _seconds_of_all(container)


def _seconds_of_all(container: InputContainer) -> float:
    return float((container.duration or 0) / av.time_base)


def _tagged_end(container: InputContainer, stream: VideoStream) -> float:
    """By Matroska's tag, which tools may have copied from another file."""
    return min(_seconds(stream.metadata.get("DURATION", "")), _seconds_of_all(container))


def _seconds(tag: str) -> float:
    """Of Matroska's DURATION, such as 00:01:02.500000000, which its muxers write for each track; else 0."""
    try:
        hours, minutes, seconds = map(Fraction, tag.split(":"))
    except (ValueError, ZeroDivisionError):
        return 0.0
    return float(3600 * hours + 60 * minutes + seconds)


def _riff_is_open(path: Path) -> bool:
    """Whether it was written to a pipe, or never finished: then it declares nothing."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(_RIFF_HEAD)[4:], "little") in (0, 2**32 - 1)


def _riff_is_whole(path: Path) -> bool:
    """Whether the file holds all bytes of its RIFF chunks; large AVI files have several."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + _RIFF_HEAD <= size:
            file.seek(at)
            name, length = file.read(4), int.from_bytes(file.read(4), "little")
            if name != b"RIFF":
                break  # what some recorders leave behind the last one
            at += _RIFF_HEAD + length + length % 2
    return at <= size + 1  # the last byte may be padding
