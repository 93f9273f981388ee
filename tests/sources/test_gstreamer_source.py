"""Pipelines of GStreamer, run by gst-launch-1.0 where it is installed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from perception.errors import ConfigError
from perception.health.types import LinkState
from perception.sources.registry import open_source
from tests.sources.live import Reading, live_source, until

LIVE = "gst:videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=30/1"
needs_gst = pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs gst-launch-1.0")


def pipelines(pid: int | None = None) -> list[psutil.Process]:
    """Those that this process, or another one, has started."""
    return [child for child in psutil.Process(pid).children() if child.name().startswith("gst-launch")]


@needs_gst
def test_pictures_of_a_pipeline_come_fresh_and_its_process_ends_with_it() -> None:
    with Reading(live_source(LIVE, "rear")) as reading:
        frames = reading.more(10)
        assert frames[0].image.shape == (48, 64, 3)
        assert frames[0].camera == "rear"
        assert 0 <= time.monotonic_ns() - frames[-1].stamp_ns < 0.2e9
        # The first bar of the test picture is white, the last one blue.
        assert (frames[-1].image[4, 2] > 150).all()
        assert frames[-1].image[4, -3].argmax() == 0
    until(lambda: not pipelines())


@needs_gst
def test_a_pipeline_that_dies_or_stalls_is_started_again() -> None:
    with Reading(live_source(LIVE)) as reading:
        reading.more(2)
        pipelines()[0].kill()
        until(lambda: reading.source.link.state is LinkState.LOST)
        reading.more(2)
        pipelines()[0].send_signal(signal.SIGSTOP)
        until(lambda: reading.source.link.reason == "silent for 1 s")
        reading.more(2)
        assert reading.source.link.connections == 3
        assert len(pipelines()) == 1


@needs_gst
def test_why_a_pipeline_does_not_run_is_told_in_its_words() -> None:
    with Reading(live_source("gst:nosuchelement")) as reading:
        until(lambda: reading.source.link.state is LinkState.LOST)
        assert 'no element "nosuchelement"' in reading.source.link.reason


@needs_gst
def test_a_pipeline_does_not_outlive_a_process_that_is_killed(tmp_path: Path) -> None:
    stalls = "gst:videotestsrc is-live=true ! valve drop=true"  # would never notice that nobody reads
    program = f"from perception.sources.registry import open_source\nfor _ in open_source({stalls!r}): pass"
    with subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2]) as node:
        until(lambda: pipelines(node.pid))
        pipeline = pipelines(node.pid)[0]
        os.kill(node.pid, signal.SIGKILL)
    until(lambda: not pipeline.is_running() or pipeline.status() == psutil.STATUS_ZOMBIE)


def test_what_cannot_be_a_pipeline_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="needs a pipeline, such as gst:videotestsrc"):
        open_source("gst:")
    with pytest.raises(ConfigError, match="No closing quotation"):
        open_source("gst:filesrc location='a")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"needs gst-launch-1.0; install GStreamer .*gstreamer1.0-tools"):
        open_source(LIVE)
