"""RTSP without FFmpeg's one picture of delay: the end of each picture, which RTP marks, put into the stream.

FFmpeg's depacketiser drops RTP's marker bit, and its parser sees that a picture is whole by the next one's
first bytes, 33 ms later at 30 Hz. So a packet of two NAL units is added after each picture: filler data,
which ends up in the packet that FFmpeg makes of the picture and holds its RTP time, and the next picture's
access unit delimiter, at which the parser ends this one.
"""

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

CLOCK = 90_000  # Hz, of the RTP times of H.264 and H.265
_LONGEST_HEADER = 1 << 16  # bytes; what has no end by then is no RTSP
_RTPMAP = re.compile(rb"a=rtpmap:(\d+) (H264|H265)/90000", re.IGNORECASE)
_LONGEST_BODY = 1 << 20
_LENGTH = re.compile(rb"content-length: *(\d{1,18})", re.IGNORECASE)
_MOVED = re.compile(rb"RTSP/1\.\d 3\d\d[^\r\n]{0,200}")
_LOCATION = re.compile(rb"\r\nlocation: *([^\r\n]{0,2000})", re.IGNORECASE)
_LEAST = 12  # bytes of an RTP packet
_MARKER, _KIND = 0x80, 0x7F


class _Units(NamedTuple):
    """Headers of the payload that aggregates units (RFC 6184, 7798) and of filler data; a whole delimiter."""

    aggregate: bytes
    filler: bytes
    delimiter: bytes


_CODECS = {
    b"H264": _Units(b"\x18", b"\x0c", b"\x09\xf0"),
    b"H265": _Units(b"\x60\x01", b"\x4c\x01", b"\x46\x01\x50"),
}
_STARTS = tuple(b"\0\0\0\1" + units.filler for units in _CODECS.values())
_TIME = struct.Struct("5BB")  # seven bits in each byte, under one that is set; and the last one of any unit
_LAST = 0x80


def marked_time(packet: memoryview) -> int | None:
    """The RTP time of the picture that FFmpeg's packet ends with; None: its end is not in it."""
    end = bytes(packet[-16:])
    if not end[: -_TIME.size].endswith(_STARTS) or end[-1] != _LAST:
        return None
    time = 0
    for byte in end[-_TIME.size : -1]:
        time = time << 7 | byte & 0x7F
    return time


class UnmarkableError(Exception):
    """The camera does not mark the last packet of each picture; says what it does instead."""


class MovedError(Exception):
    """The camera redirects to the place that this says."""


@dataclass(slots=True)
class _Stream:
    """The pictures of one channel.

    Attributes:
        added: packets, which moves the numbers of those that follow.
        sequence, time, ended: of the last packet: its number, its picture's time, whether that ended with it.
    """

    added: int = 0
    sequence: int = 0
    time: int | None = None
    ended: bool = True

    def mark(self, channel: int, packet: bytes, units: _Units) -> bytes:
        """The packet as it is handed on, with those that are added before or after it."""
        sequence, time = struct.unpack_from(">HI", packet, 2)
        out = b""
        if self.time == time and self.ended:
            raise UnmarkableError("it marks other packets than the last one of a picture")
        if self.time != time and not self.ended:
            if sequence == (self.sequence + 1) & 0xFFFF:
                raise UnmarkableError("it does not mark the last packet of a picture")
            out += self._end(channel, packet, units)  # in place of the last packet, which it left out
        self.sequence, self.time, self.ended = sequence, time, bool(packet[1] & _MARKER)
        number = (sequence + self.added) & 0xFFFF
        out += _framed(channel, packet[:2] + number.to_bytes(2) + packet[4:])
        return out + self._end(channel, packet, units) if self.ended else out

    def _end(self, channel: int, like: bytes, units: _Units) -> bytes:
        self.added += 1
        number, time = (self.sequence + self.added) & 0xFFFF, self.time or 0
        header = struct.pack(">BBHI", 0x80, like[1] | _MARKER, number, time) + like[8:_LEAST]
        filler = units.filler + _TIME.pack(*(0x80 | time >> 7 * i & 0x7F for i in (4, 3, 2, 1, 0)), _LAST)
        body = b"".join(len(unit).to_bytes(2) + unit for unit in (filler, units.delimiter))
        return _framed(channel, header + units.aggregate + body)


class PictureEnds:
    """Marks the pictures in what a camera sends over one RTSP connection.

    That is messages, and packets of RTP between them (RFC 2326, 10.12).

    Args:
        mark: false: all is handed on as it comes.
    """

    def __init__(self, mark: bool = True) -> None:
        self._mark = mark
        self._data = bytearray()  # a message or packet that is not whole yet
        self._units: dict[int, _Units] = {}  # by the payload types of RTP
        self._streams: dict[int, _Stream] = {}

    @property
    def marks(self) -> bool:
        """Whether the camera has described pictures that can be marked."""
        return bool(self._units) and self._mark

    def feed(self, data: bytes) -> bytes:
        """What is to be handed on after all that has come.

        Raises:
            UnmarkableError: no picture of this camera can be marked.
            MovedError: it redirects.
        """
        self._data += data
        out = bytearray()
        while self._data:
            packet = self._data[0] == ord("$")
            size = self._packet_size() if packet else self._message_size()
            if size is None or size > len(self._data):
                break
            out += self._packet(bytes(self._data[:size])) if packet else self._message(self._data[:size])
            del self._data[:size]
        return bytes(out)

    def _packet_size(self) -> int | None:
        return 4 + int.from_bytes(self._data[2:4]) if len(self._data) >= 4 else None

    def _message_size(self) -> int | None:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > _LONGEST_HEADER:
                raise UnmarkableError("what it sends is no RTSP")
            return None
        length = _LENGTH.search(self._data, 0, end)
        if length and int(length[1]) > _LONGEST_BODY:
            raise UnmarkableError("what it sends is no RTSP")
        return end + 4 + (int(length[1]) if length else 0)

    def _message(self, message: bytearray) -> bytes:
        if moved := _MOVED.match(message):
            place = _LOCATION.search(message, 0, message.find(b"\r\n\r\n"))
            raise MovedError(place[1].decode(errors="replace") if place else moved[0].decode())
        self._units |= {int(kind): _CODECS[codec.upper()] for kind, codec in _RTPMAP.findall(message)}
        return bytes(message)

    def _packet(self, framed: bytes) -> bytes:
        channel, packet = framed[1], framed[4:]
        units = self._units.get(packet[1] & _KIND) if len(packet) >= _LEAST else None
        if units is None or not self._mark:  # sound, or a report
            return framed
        return self._streams.setdefault(channel, _Stream()).mark(channel, packet, units)


def _framed(channel: int, packet: bytes) -> bytes:
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet
