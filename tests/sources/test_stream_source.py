"""Cameras on the network, read from real servers in processes of their own."""

import signal
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from perception.engines.background import LEFT_BEHIND
from perception.errors import ConfigError
from perception.frame import DropReason, Frame
from perception.health.types import LinkState
from perception.sources.connection import Connection
from perception.sources.live import LiveCamera
from perception.sources.registry import open_source
from perception.types import Policy
from tests.servers.control import Server
from tests.servers.pictures import number_of
from tests.sources.live import Reading, live_source, until

SMALL = ("--size", "160x96")
OPTIONS = {
    kind: (*SMALL, *(() if kind == "mjpeg" else ("--gop", "5"))) for kind in ("mjpeg", "rtsp", "mpegts")
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    with Server("mjpeg", *OPTIONS["mjpeg"]) as mjpeg, Server("rtsp", *OPTIONS["rtsp"]) as rtsp:
        yield {"mjpeg": mjpeg, "rtsp": rtsp}


@pytest.fixture
def mjpeg(servers: dict[str, Server]) -> Iterator[Server]:
    yield servers["mjpeg"]
    servers["mjpeg"].tell("go")


@pytest.fixture
def rtsp(servers: dict[str, Server]) -> Iterator[Server]:
    yield servers["rtsp"]
    servers["rtsp"].process.send_signal(signal.SIGCONT)
    servers["rtsp"].tell("go")


def age_ms(server: Server, frame: Frame) -> float:
    """By how much the stamp of a frame is off from when the server says that it captured it."""
    info: dict[str, float] = server.info
    period = info.get("loop", 65536) / info["rate"]
    captured = info["start_ns"] / 1e9 + number_of(frame.image) / info["rate"]
    off = (frame.stamp_ns / 1e9 - captured) % period
    return 1000 * (off - period if off > period / 2 else off)


@pytest.mark.parametrize(
    ("kind", "fragment"), [("mjpeg", ""), ("rtsp", ""), ("rtsp", "#transport=udp"), ("mpegts", "")]
)
def test_frames_come_in_order_stamped_when_they_were_captured(kind: str, fragment: str) -> None:
    with (
        Server(kind, *OPTIONS[kind]) as server,
        Reading(live_source(server.url + fragment, "left")) as reading,
    ):
        frames = reading.more(20)
        numbers = [number_of(frame.image) for frame in frames]
        modulus = server.info.get("loop", 65536)
        steps = [(after - before) % modulus for before, after in pairwise(numbers)]
        # What came while a busy machine was still connecting is passed over, to catch up.
        assert steps[5:] == [1] * 14 and all(1 <= step < 25 for step in steps)
        ages_ms = sorted(age_ms(server, frame) for frame in frames[5:])
        assert ages_ms[0] > -1 and ages_ms[-3] < 25  # a busy machine may hold one up
        newest = frames[-1]
        assert newest.image.shape == (96, 160, 3)
        assert newest.camera == "left"
        assert newest.host_ns == newest.stamp_ns < time.monotonic_ns()
        assert abs((time.time_ns() - newest.wall_ns) - (time.monotonic_ns() - newest.stamp_ns)) < 1e6
        assert reading.source.link.state is LinkState.STREAMING
        until(lambda: reading.source.link.lag_ms < 100)


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp", "mpegts"])
@pytest.mark.parametrize("silent", [False, True])
def test_nothing_of_a_source_runs_on_once_it_is_closed(kind: str, silent: bool) -> None:
    before = set(threading.enumerate())
    with Server(kind, *OPTIONS[kind]) as server:
        source = live_source(server.url)
        with Reading(source) as reading:
            reading.more(3)
            if silent:
                server.tell("stall")
                until(lambda: source.link.state is LinkState.LOST)
                server.tell("go")
                reading.more(3)
                server.tell("stall")
            source.close()
            left = {thread.name for thread in set(threading.enumerate()) - before}
            assert left <= {reading.name, *([LEFT_BEHIND] if silent else [])}  # FFmpeg waits for a silent one


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_a_silent_camera_is_lost_and_found_again(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    with Reading(live_source(server.url)) as reading:
        reading.more(3)
        server.tell("stall")
        link = reading.source.link
        until(lambda: reading.source.link.state is LinkState.LOST)
        assert reading.source.link.reason == "silent for 1 s"
        server.tell("go")
        reading.more(3)
        assert reading.source.link.state is LinkState.STREAMING
        assert reading.source.link.connections > link.connections


def test_a_stopped_process_is_lost_and_found_again(rtsp: Server) -> None:
    with Reading(live_source(rtsp.url)) as reading:
        reading.more(3)
        rtsp.process.send_signal(signal.SIGSTOP)
        until(lambda: reading.source.link.state is LinkState.LOST)
        rtsp.process.send_signal(signal.SIGCONT)
        before = reading.frames[-1].stamp_ns
        assert reading.more(3)[0].stamp_ns > before


def test_a_slow_drip_is_silence(mjpeg: Server) -> None:
    with Reading(live_source(mjpeg.url)) as reading:
        reading.more(3)
        mjpeg.tell("drip")
        until(lambda: reading.source.link.reason == "silent for 1 s")
        mjpeg.tell("go")
        reading.more(1)


def test_a_silence_that_ffmpeg_ends_is_one_too(mjpeg: Server) -> None:
    source = live_source(mjpeg.url)
    assert isinstance(source, LiveCamera)
    connection = Connection(source._connect, source._explain, wait=False, marked=lambda: False)
    assert connection.take(10)[1]
    mjpeg.tell("drip")
    until(lambda: connection.over)
    assert connection.ended == "silent for 1 s"


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_a_camera_that_closes_is_connected_to_again(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    with Reading(live_source(server.url)) as reading:
        reading.more(3)
        server.tell("close")
        until(lambda: reading.source.link.connections == 2)
        reading.more(3)


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_another_size_comes_as_it_is(kind: str) -> None:
    with Server(kind, *OPTIONS[kind]) as server, Reading(live_source(server.url)) as reading:
        reading.more(3)
        server.tell("size 320x192")
        until(lambda: reading.frames[-1].image.shape == (192, 320, 3))
        assert reading.source.link.connections == 1


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_damaged_frames_are_counted_and_not_handed_on(kind: str) -> None:
    with Server(kind, *OPTIONS[kind]) as server, Reading(live_source(server.url)) as reading:
        reading.more(3)
        server.tell("corrupt 5")
        until(lambda: len(reading.drops) >= 3)
        reading.more(20)
        assert {drop.reason for drop in reading.drops} == {DropReason.UNDECODABLE}
        # Pictures that are built upon damaged ones are damaged, up to the next key frame: every fifth is one.
        assert len(reading.drops) <= (5 if kind == "mjpeg" else 9)


def test_a_clock_that_jumps_moves_no_stamp(rtsp: Server) -> None:
    with Reading(live_source(rtsp.url)) as reading:
        reading.more(3)
        for seconds in (-60, 300):
            rtsp.tell(f"jump {seconds}")
            frames = reading.more(15)[5:]
            assert all(-1 < age_ms(rtsp, frame) < 60 for frame in frames)
        assert reading.source.link.connections == 1
        assert reading.source.notes == [f"{rtsp.url}: its clock jumped 2 times, and was set again"]


def test_lost_packets_cost_frames_but_not_the_stream(rtsp: Server) -> None:
    with Reading(live_source(rtsp.url + "#transport=udp")) as reading:
        reading.more(3)
        rtsp.tell("lose 0.1")
        until(lambda: len(reading.items) > 25)
        rtsp.tell("go")
        reading.more(10)
        assert reading.source.link.connections == 1


def test_what_a_camera_answers_is_told_in_words(mjpeg: Server) -> None:
    def reason(url: str) -> str:
        with Reading(live_source(url)) as reading:
            until(lambda: reading.source.link.state is LinkState.LOST)
            return reading.source.link.reason

    assert reason(mjpeg.url + "s") == "it knows no such path (404)"
    mjpeg.tell("refuse")
    assert reason(mjpeg.url) == "it is there, but does not serve now (5xx)"
    mjpeg.tell("go")
    with Server("rtsp", *OPTIONS["rtsp"], "--user", "me:secret") as server:
        assert "401" in reason(server.url.replace("secret", "wrong"))
        assert "404" in reason(server.url.replace("stream", "other"))
        with Reading(live_source(server.url)) as reading:
            reading.more(1)
            assert reading.source.uri == server.url.replace("secret", "***")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("rtsp:///stream", r"not a whole address; write it like rtsp://"),
        ("http://camera:port/", r"not a whole address; write it like http://"),
        ("udp://0.0.0.0", r"not a whole address; write it like udp://0.0.0.0:5000"),
        (
            "rtsp://me:secret@camera/#speed=9",
            r"rtsp://me:\*\*\*@camera/#speed=9: unknown option speed; known are hosts, transport",
        ),
        ("rtsp://camera/#udp", r"behind the # stands no option such as transport=udp"),
        ("http://camera/#transport=udp", r"unknown option transport; known are hosts"),
        ("rtsp://camera/#transport=sctp", r"transport = 'sctp' is refused; allowed are tcp, udp"),
        (
            "ftp://me:secret@camera/",
            r"ftp://me:\*\*\*@camera/: unknown kind ftp://; a source is a video file",
        ),
        ("push:", "its frames are handed in by the embedding program"),
    ],
)
def test_addresses_that_no_second_try_can_mend_are_refused(uri: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        open_source(uri)


def test_a_url_is_opened_with_its_policy_and_camera(mjpeg: Server) -> None:
    source = open_source(mjpeg.url, policy=Policy.EVERY_FRAME, camera="rear")
    assert source.live
    frame = next(item for item in source if isinstance(item, Frame))
    assert frame.camera == "rear"
    source.close()
