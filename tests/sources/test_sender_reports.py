"""Network cameras that report their wall clock, read over RTSP from real servers."""

import struct
import subprocess
import time
from collections.abc import Iterator
from fractions import Fraction

import av
import pytest

from perception.frame import Frame
from perception.sources.sender_reports import SenderReports, WallClock, camera_ns
from perception.sources.stream_clock import StreamClock
from perception.types import Policy
from tests.servers.control import Server
from tests.servers.pictures import number_of
from tests.sources.live import Reading, live_source, until
from tests.sources.test_gst_rtsp_server import PYTHON, TYPELIB
from tests.sources.test_stream_source import age_ms

YEARS = -10 * 365 * 86_400.0


def camera(*arguments: object) -> Server:
    return Server("rtsp", "--size", "160x96", "--gop", "15", "--seconds", "20", *arguments)


def captured_ns(server: Server, frame: Frame, ahead_s: float) -> int:
    """When the server says that it was captured, by its own wall clock; the loop is longer than the test."""
    wall_ns: int = server.info["wall_ns"]
    return round(wall_ns + (number_of(frame.image) / float(server.info["rate"]) + ahead_s) * 1e9)


@pytest.mark.parametrize("ahead_s", [0.0, 7.3, -0.4, YEARS])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_wall_times_are_the_cameras_and_ages_are_not(ahead_s: float, transport: str) -> None:
    with (
        camera("--clock", ahead_s) as server,
        Reading(live_source(f"{server.url}#transport={transport}")) as reading,
    ):
        reading.at_least(25)
        frames = reading.frames
        known = frames[5:] if transport == "udp" else frames  # over UDP the report may come after a picture
        assert all(abs(frame.wall_ns - captured_ns(server, frame, ahead_s)) < 1e6 for frame in known)
        assert all(-1 < age_ms(server, frame) < 60 for frame in frames[5:])
        [note] = reading.source.notes
        apart = {0.0: "0.0 s ", 7.3: "7.3 s ahead of", -0.4: "0.4 s behind", YEARS: "3650 days behind"}[
            ahead_s
        ]
        assert note.startswith(f"{server.url}") and f"wall times are the camera's own, {apart}" in note


def test_without_reports_wall_times_are_this_computers() -> None:
    with camera() as server, Reading(live_source(server.url)) as reading:
        frames = reading.more(10)
        assert all(abs(frame.wall_ns - captured_ns(server, frame, 0)) < 60e6 for frame in frames[5:])
        assert reading.source.notes == []


@pytest.mark.parametrize("seconds", [3600.0, -0.5])
def test_a_camera_clock_that_is_set_moves_wall_times_alone(seconds: float) -> None:
    with camera("--clock", 0) as server, Reading(live_source(server.url)) as reading:
        reading.more(10)
        server.tell(f"clock {seconds}")
        frames = reading.more(30)[5:]
        assert all(abs(frame.wall_ns - captured_ns(server, frame, seconds)) < 1e6 for frame in frames)
        assert all(-1 < age_ms(server, frame) < 60 for frame in frames)
        stamps = [frame.stamp_ns for frame in reading.frames]
        assert stamps == sorted(set(stamps))
        [note] = reading.source.notes
        assert note.endswith("; they jumped apart 1 times")
        assert reading.source.link.connections == 1


def test_the_first_frames_of_a_relay_are_as_old_as_they_are() -> None:
    """It begins with the pictures since the last key frame but one, all at once."""
    with camera("--clock", 7.3, "--cached") as server:
        until(lambda: time.monotonic() - server.info["start_ns"] / 1e9 > 1.25)
        opened = time.monotonic_ns()
        with Reading(live_source(server.url, policy=Policy.EVERY_FRAME)) as reading:
            reading.at_least(30)
            frames = reading.frames
            assert number_of(frames[0].image) % 15 == 0
            assert frames[0].host_ns < opened - 0.1e9  # it was captured before anybody asked
            assert all(-1 < age_ms(server, frame) < 60 for frame in frames)
            assert all(abs(frame.wall_ns - captured_ns(server, frame, 7.3)) < 1e6 for frame in frames)


@pytest.fixture(scope="module")
def gstreamer() -> Iterator[Server]:
    if (
        not PYTHON.exists()
        or subprocess.run([PYTHON, "-c", TYPELIB], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs gir1.2-gst-rtsp-server-1.0 and python3-gi")
    with Server("gst_rtsp", "--size", "320x192", python=PYTHON) as server:
        yield server


def test_gstreamers_reports_are_understood(gstreamer: Server) -> None:
    """Its clock is this computer's; the first report comes after a second."""
    with Reading(live_source(gstreamer.url)) as reading:
        until(lambda: reading.source.notes)
        frames = reading.more(10)
        assert "wall times are the camera's own, 0." in reading.source.notes[0]
        apart = [frame.wall_ns - frame.stamp_ns for frame in frames]
        assert max(apart) - min(apart) < 50e6  # both clocks run alike
        assert abs(apart[0] - (time.time_ns() - time.monotonic_ns())) < 300e6


def test_a_packet_without_reports_says_nothing() -> None:
    packet = av.Packet(b"1")
    packet.time_base = Fraction(1, 90_000)
    assert camera_ns(packet) == 0
    assert not SenderReports().jumped(packet)


class Reported:
    """A packet as FFmpeg gives it after a report."""

    time_base = Fraction(1, 90_000)

    def __init__(self, wall_s: float, rtp: int) -> None:
        self._data = {
            "rtcp_sr": struct.pack("<I4xQIII", 7, int((wall_s + 2_208_988_800) * 2**32), rtp % 2**32, 0, 0),
            "prft": struct.pack("<qi4x", round(wall_s * 1e6), 24),
        }

    def has_sidedata(self, name: str) -> bool:
        return name in self._data

    def get_sidedata(self, name: str) -> bytes:
        return self._data[name]


def test_a_clock_that_is_set_between_two_reports_is_seen() -> None:
    reports = SenderReports()
    walls = [1000.0, 1005.0, 1010.6, 1015.6, 1020.57, 1019.0]
    ticks = [2**32 - 90_000, 4 * 90_000, 9 * 90_000, 14 * 90_000, 19 * 90_000, 24 * 90_000]
    jumped = [reports.jumped(Reported(wall, tick)) for wall, tick in zip(walls, ticks, strict=True)]  # type: ignore[arg-type]
    assert jumped == [False, False, True, False, False, True]
    assert camera_ns(Reported(1_700_000_000.123456, 0)) == 1_700_000_000_123_456_000  # type: ignore[arg-type]


def test_the_note_of_the_wall_clock_follows_it() -> None:
    clock = WallClock()
    now = 1_700_000_000 * 10**9
    assert clock.wall_ns(0, now) == now and clock.note == ""
    assert clock.wall_ns(now - 2 * 10**9, now) == now - 2 * 10**9
    assert clock.note == "wall times are the camera's own, 2.0 s behind this computer's"
    for drift in range(50):  # quartz: slower than what is taken for a setting
        clock.wall_ns(now - 2 * 10**9 + drift * 10**7, now)
    assert clock.note.endswith("2.0 s behind this computer's")
    clock.wall_ns(now + 10**9, now)
    assert (
        clock.note
        == "wall times are the camera's own, 1.0 s ahead of this computer's; they jumped apart 1 times"
    )


def test_of_frames_that_come_at_once_the_quickest_counts() -> None:
    clock = StreamClock()
    burst = [(k * 33_000_000, 5_000_000_000 + k * 1_000_000) for k in range(15)]
    clock.expect(burst)
    stamps = [clock.stamp(pts, arrival) for pts, arrival in burst]
    newest = burst[-1][1] - burst[-1][0]
    assert stamps == pytest.approx([pts + newest for pts, _ in burst], abs=1e6)
    assert clock.jumps == 0


def test_a_jump_among_the_first_frames_is_one() -> None:
    clock = StreamClock()
    burst = [(0, 10**9), (33_000_000, 10**9 + 10), (300 * 10**9, 10**9 + 20)]
    clock.expect(burst)
    assert [clock.stamp(*one) for one in burst] == [967_000_010, 1_000_000_010, 1_000_000_020]
    assert clock.jumps == 1
