"""Over RTSP each picture is there before the next one is sent, as its end is marked in what FFmpeg reads."""

import struct
import time
from itertools import pairwise

import pytest

from perception.frame import Frame
from perception.sources.picture_ends import PictureEnds, UnmarkableError, marked_time
from tests.servers.control import Server
from tests.servers.pictures import number_of
from tests.sources.live import Reading, live_source, until

HZ = 10
SDP = b"RTSP/1.0 200 OK\r\nContent-Length: 22\r\n\r\na=rtpmap:96 h264/90000"


def camera(*arguments: object) -> Server:
    return Server("rtsp", "--size", "320x192", "--rate", HZ, "--gop", 5, "--seconds", 2, *arguments)


def captured_s(server: Server, frame: Frame, about: float) -> float:
    """When the server sent it, by its number, nearest to a time."""
    info = server.info
    first, loop = info["start_ns"] / 1e9 + number_of(frame.image) / HZ, info["loop"] / HZ
    return float(first + round((about - first) / loop) * loop)


@pytest.mark.parametrize("codec", ["H264", "H265"])
def test_a_picture_is_there_before_the_next_one_is_sent(codec: str) -> None:
    with camera("--codec", codec, "--clock", 0) as server:
        source, delays_s = live_source(server.url), list[float]()
        for item in source:
            now = time.monotonic()
            assert isinstance(item, Frame)
            captured = captured_s(server, item, now)
            delays_s.append(now - captured)
            # Under its own time, not under that of the picture before it.
            wall_s = server.info["wall_ns"] / 1e9 + captured - server.info["start_ns"] / 1e9
            assert abs(item.wall_ns / 1e9 - wall_s) < 0.002
            if len(delays_s) == 12:
                source.stop()
        source.close()
    assert sorted(delays_s)[-3] < 0.8 / HZ  # with the next one it would come a whole period later


@pytest.mark.parametrize("marks", ["all", "none"])
def test_a_camera_that_marks_otherwise_is_read_without_it(marks: str) -> None:
    with camera("--marks", marks) as server, Reading(live_source(server.url)) as reading:
        until(lambda: reading.source.link.connections == 2)
        numbers = [number_of(frame.image) for frame in reading.more(10)]
        assert [(after - before) % 20 for before, after in pairwise(numbers)] == [1] * 9
        assert reading.source.link.connections == 2


def packet(number: int, stamp: int, marker: bool, body: bytes = b"\x65picture", kind: int = 96) -> bytes:
    rtp = struct.pack(">BBHII", 0x80, marker << 7 | kind, number & 0xFFFF, stamp, 7) + body
    return struct.pack(">cBH", b"$", 2, len(rtp)) + rtp


def packets(data: bytes) -> list[tuple[int, int, bool, bytes]]:
    """Number, time, marker and payload of each."""
    found = []
    while data:
        size = 4 + int.from_bytes(data[2:4])
        assert data[:2] == b"$\2"
        number, stamp, source = struct.unpack_from(">HII", data, 6)
        assert source == 7
        found.append((number, stamp, data[5] >= 0x80, data[16:size]))
        data = data[size:]
    return found


def mark(stamp: int) -> bytes:
    """A STAP-A of filler data, which holds the time, and a delimiter (RFC 6184, 5.7.1; H.264, 7.3.1)."""
    time = bytes(0x80 | stamp >> shift & 0x7F for shift in (28, 21, 14, 7, 0))
    return b"\x18\0\7\x0c" + time + b"\x80\0\2\x09\xf0"


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_a_mark_follows_the_last_packet_of_each_picture(chunk: int) -> None:
    ends = PictureEnds()
    sent = packet(65534, 5, False) + packet(65535, 5, True) + packet(0, 0xFFFFFFFF, True)
    data = SDP + sent
    given = b"".join(ends.feed(data[start : start + chunk]) for start in range(0, len(data), chunk))
    assert given.startswith(SDP)
    body = b"\x65picture"
    assert packets(given[len(SDP) :]) == [
        (65534, 5, False, body),
        (65535, 5, True, body),
        (0, 5, True, mark(5)),
        (1, 0xFFFFFFFF, True, body),
        (2, 0xFFFFFFFF, True, mark(0xFFFFFFFF)),
    ]
    assert ends.marks


def test_what_is_lost_stays_lost_but_for_the_end_of_its_picture() -> None:
    ends = PictureEnds()
    ends.feed(SDP)
    given = packets(ends.feed(packet(1, 5, False) + packet(4, 9, False) + packet(6, 9, True)))
    assert [one[:3] for one in given] == [
        (1, 5, False), (2, 5, True), (5, 9, False), (7, 9, True), (8, 9, True)
    ]  # fmt: skip
    assert given[1][3] == mark(5)


def test_what_is_no_picture_passes() -> None:
    ends = PictureEnds()
    others = packet(3, 5, True, kind=97) + b"$\3\0\4\x80\xc8\0\0" + b"$\2\0\0"
    assert ends.feed(others) == others
    assert not ends.marks
    assert ends.feed(SDP + others) == SDP + others


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packet(1, 5, True) + packet(2, 5, True), "other packets than the last"),
        (packet(1, 5, False) + packet(2, 9, False), "does not mark"),
        (b"RTSP/1.0 200 OK\r\n" + bytes(1 << 16), "no RTSP"),
    ],
)
def test_a_camera_that_cannot_be_marked_is_found_out(data: bytes, words: str) -> None:
    ends = PictureEnds()
    ends.feed(SDP)
    with pytest.raises(UnmarkableError, match=words):
        ends.feed(data)


@pytest.mark.parametrize(
    ("packet", "time"),
    [
        (b"picture\0\0\0\1" + mark(0x12345678)[3:10], 0x12345678),
        (b"picture\0\0\0\1\x4c\1" + mark(3)[4:10], 3),
        (b"picture\0\0\0\1" + mark(3)[3:9] + b"\0", None),
        (b"picture\0\0\0\1\x0d" + mark(3)[4:10], None),
        (b"", None),
    ],
)
def test_a_mark_is_read_back(packet: bytes, time: int | None) -> None:
    assert marked_time(memoryview(packet)) == time
