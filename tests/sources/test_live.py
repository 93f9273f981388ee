"""What all cameras share: waiting, backlogs, stopping, and many connections without a trace."""

import gc
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, active_count

import cv2
import pytest

from perception.frame import Drop, DropReason, Frame
from perception.health.types import LinkState
from perception.sources import live
from perception.sources.base import LiveSource
from perception.types import Policy
from tests.servers.control import Server
from tests.servers.pictures import number_of, numbered
from tests.sources.live import Reading, live_source, until


@pytest.fixture(scope="module")
def mjpeg() -> Iterator[Server]:
    with Server("mjpeg", "--size", "160x96") as server:
        yield server


@pytest.fixture(scope="module")
def rtsp() -> Iterator[Server]:
    with Server("rtsp", "--size", "160x96", "--gop", "5", "--seconds", "10") as server:
        yield server


def after_a_pause(source: LiveSource, seconds: float) -> tuple[Frame, list[Drop], Frame, float]:
    """The frames before and after a pause of the reader, the drops between them, the latter's age."""
    frames, drops = list[Frame](), list[Drop]()
    for item in source:
        if isinstance(item, Drop):
            drops.append(item)
            continue
        frames.append(item)
        if len(frames) == 10:
            drops.clear()
            time.sleep(seconds)
        if len(frames) == 12:
            break
    source.stop()
    return frames[9], drops, frames[10], (time.monotonic_ns() - frames[10].stamp_ns) / 1e6


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_after_a_pause_of_the_reader_frames_are_fresh(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    before, drops, after, age_ms = after_a_pause(live_source(server.url), 0.6)
    assert age_ms < 350  # of the 600 that the oldest ones waited; a busy machine takes a part
    assert len(drops) > 10
    assert {drop.reason for drop in drops} == {DropReason.BACKLOG}
    modulus = server.info.get("loop", 65536)
    assert (number_of(after.image) - number_of(before.image)) % modulus == len(drops) + 1
    assert after.sequence == before.sequence + len(drops) + 1


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_every_frame_comes_to_who_wants_every_frame(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    before, drops, after, _ = after_a_pause(live_source(server.url, policy=Policy.EVERY_FRAME), 0.5)
    assert not drops
    assert (number_of(after.image) - number_of(before.image)) % server.info.get("loop", 65536) == 1


def test_frames_that_were_held_up_on_the_way_are_passed_over(rtsp: Server) -> None:
    with Reading(live_source(rtsp.url)) as reading:
        reading.more(5)
        rtsp.tell("hold")
        time.sleep(0.6)
        with reading.gate:  # else it may keep up with all that comes at once
            rtsp.tell("go")
            time.sleep(0.1)
        until(lambda: len(reading.drops) > 8)
        newest = reading.more(3)[-1]
        assert {drop.reason for drop in reading.drops} == {DropReason.BACKLOG}
        until(lambda: reading.source.link.lag_ms < 100)
        assert reading.source.link.connections == 1
        assert (time.monotonic_ns() - newest.stamp_ns) / 1e6 < 350


def test_the_lag_of_a_stream_is_told(rtsp: Server) -> None:
    """Under every-frame, nothing is passed over: what comes after half a second is half a second old."""
    with Reading(live_source(rtsp.url, policy=Policy.EVERY_FRAME)) as reading:
        reading.more(5)
        rtsp.tell("hold")
        time.sleep(0.5)
        rtsp.tell("go")
        reading.more(20)
        assert 350 < max(reading.lags_ms) < 650
        until(lambda: reading.source.link.lag_ms < 100)


def test_given_up_packets_are_counted_and_frames_go_on(rtsp: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perception.sources.connection.MOST", 10)
    _, drops, after, age_ms = after_a_pause(live_source(rtsp.url), 0.8)
    assert len(drops) > 15
    assert age_ms < 400  # a key frame comes every sixth of a second
    assert number_of(after.image) < rtsp.info["loop"]


def test_a_camera_that_answers_nothing_does_not_keep_the_end_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = live_source(f"rtsp://127.0.0.1:{server.getsockname()[1]}/stream")
        reading = Reading(source)
        with reading:
            time.sleep(0.2)
            start = time.monotonic()
        assert time.monotonic() - start < 0.7  # of 5 s to answer in, and 1 s of silence
        assert source.link.state is LinkState.ENDED


def test_stopping_is_quick_while_frames_come_and_while_they_do_not(mjpeg: Server) -> None:
    for told in ("go", "stall"):
        mjpeg.tell("go")
        with Reading(live_source(mjpeg.url)) as reading:
            reading.more(2)
            mjpeg.tell(told)
            start = time.monotonic()
        assert time.monotonic() - start < 0.7  # of 5 s to answer in, and 1 s of silence
    mjpeg.tell("go")


def test_a_loss_is_told_once_for_each_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "PAUSES_S", (0.01, 0.01))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Reading(live_source(f"http://user:secret@127.0.0.1:{port}/stream")) as reading:
        until(lambda: reading.source.link.state is LinkState.LOST)
        time.sleep(0.2)
        assert reading.source.link.reason == "nothing answers at its port (connection refused)"
        with Server("mjpeg", "--size", "64x48", "--port", port):
            reading.more(2)
    lost = [record for record in caplog.records if "refused" in record.getMessage()]
    assert len(lost) == 1
    assert lost[0].event == "stream_lost"  # type: ignore[attr-defined]
    assert "secret" not in caplog.text


class Fleeting:
    """A camera that closes each connection after three frames."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}/stream"
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        jpeg = cv2.imencode(".jpg", numbered(1, 48, 64))[1].tobytes()
        part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:  # closed: the test is over
                return
            with client:
                client.recv(4096)
                client.sendall(head + 3 * part)


def traces() -> tuple[int, int, int]:
    """Open descriptors, threads, and resident memory in kB."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
    return len(list(Path("/proc/self/fd").iterdir())), active_count(), resident


def test_fifty_connections_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSES_S", (0.001, 0.001))
    camera = Fleeting()
    with camera.server:
        source = live_source(camera.url)
        for item in source:
            if source.link.connections == 10 and item.sequence % 3 == 0:
                files, threads, memory = traces()
            if source.link.connections > 60:
                source.stop()
    until(
        lambda: traces()[0] <= files and traces()[1] <= threads, 5
    )  # the last one is let go of, not waited for
    assert traces()[2] - memory < 4096
