"""GStreamer's RTSP server as the camera, where it is installed."""

import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from perception.health.types import LinkState
from tests.servers.control import Server
from tests.sources.live import Reading, live_source, until

PYTHON = Path("/usr/bin/python3")
TYPELIB = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if (
        not PYTHON.exists()
        or subprocess.run([PYTHON, "-c", TYPELIB], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs gir1.2-gst-rtsp-server-1.0 and python3-gi")
    with Server("gst_rtsp", "--size", "320x192", python=PYTHON) as server:
        yield server


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_come_at_their_rate_and_fresh(server: Server, transport: str) -> None:
    with Reading(live_source(f"{server.url}#transport={transport}")) as reading:
        frames = reading.more(35)[15:]
        assert frames[0].image.shape == (192, 320, 3)
        intervals = [(after.stamp_ns - before.stamp_ns) / 1e6 for before, after in pairwise(frames)]
        assert 32 < sorted(intervals)[len(intervals) // 2] < 35
        assert any((before.image != after.image).any() for before, after in pairwise(frames))
        until(lambda: reading.source.link.lag_ms < 100)
        # That it parts its key frames is learnt from the first one, which that costs.
        assert all(drop.sequence < 15 for drop in reading.drops)


def test_it_is_lost_while_it_is_stopped_and_found_again(server: Server) -> None:
    with Reading(live_source(server.url)) as reading:
        reading.more(5)
        server.process.send_signal(signal.SIGSTOP)
        until(lambda: reading.source.link.state is LinkState.LOST)
        server.process.send_signal(signal.SIGCONT)
        reading.more(5)
        until(lambda: reading.source.link.lag_ms < 150)
