"""The window: what its process gets, and what it shows on a display."""

import importlib.util
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from perception.errors import SinkError
from perception.scene import Signal
from perception.sinks import window
from perception.sinks.window import WindowSink
from tests.media import picture
from tests.sinks.conftest import MakeScene
from tests.sinks.web import HEALTH

RECORDER = """
import sys
print("open", flush=True)
open({path!r}, "wb").write(sys.stdin.buffer.read())
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process in the viewer's place that keeps all that it gets in this file."""
    script, path = tmp_path / "viewer.py", tmp_path / "got"
    script.write_text(RECORDER.format(path=str(path)))
    monkeypatch.setattr(window, "_VIEWER", script)
    return path


def messages(data: bytes) -> list[tuple[str, npt.NDArray[np.uint8]]]:
    found = []
    while data:
        line, _, data = data.partition(b"\n")
        header = json.loads(line)
        size = header["height"] * header["width"] * 3
        pixels = np.frombuffer(data[:size], np.uint8).reshape(header["height"], header["width"], 3)
        found.append((header["title"], pixels))
        data = data[size:]
    return found


def test_pictures_go_out_and_none_while_the_camera_is_silent(make_scene: MakeScene, record: Path) -> None:
    sink = WindowSink()
    sink.write(*make_scene(3), picture(3, 96, 160))
    sink.write_health(HEALTH)  # says nothing new
    sink.write_health(replace(HEALTH, signal=Signal.NO_SIGNAL))
    sink.write(*make_scene(4), np.full((1440, 1920, 3), (10, 20, 30), np.uint8))
    sink.close()
    sink._viewer.wait(10)
    first, silent, large = messages(record.read_bytes())
    assert first[0] == "front, frame 3: ok"
    assert (first[1][..., ::-1] == picture(3, 96, 160)).all()
    assert silent[0] == "front: no signal" and silent[1].size == 0
    assert large[1].shape == (720, 960, 3) and (large[1] == (30, 20, 10)).all()


def test_a_window_that_is_closed_ends_the_run_as_ctrl_c_does(
    make_scene: MakeScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "viewer.py"
    script.write_text("print('open', flush=True)")
    monkeypatch.setattr(window, "_VIEWER", script)
    sink = WindowSink()
    sink._viewer.wait(10)
    with pytest.raises(KeyboardInterrupt):
        sink.write(*make_scene(0), picture(0))
    sink.write(*make_scene(1), picture(1))  # what is in flight is no error
    sink.close()


def test_without_a_display_the_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SinkError, match=r"cannot be opened \(.*\).*web://127"):
        WindowSink()


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if shutil.which("Xvfb") is None or importlib.util.find_spec("tkinter") is None:
        pytest.skip("needs Xvfb and tkinter")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[writer], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as numbers:
        monkeypatch.setenv("DISPLAY", f":{numbers.readline().strip()}")
    yield
    server.terminate()
    server.wait()


def screen() -> npt.NDArray[np.uint8]:
    from PIL import ImageGrab  # noqa: PLC0415 - comes with an extra

    return np.asarray(ImageGrab.grab(xdisplay=""))[..., :3]


@pytest.mark.usefixtures("display")
def test_the_newest_picture_is_on_the_display_and_a_single_one_stays(make_scene: MakeScene) -> None:
    sink = WindowSink()
    colour = np.full((100, 200, 3), (10, 120, 230), np.uint8)  # BGR
    sink.write(*make_scene(0), colour)
    sink.close()
    deadline = time.monotonic() + 10
    while (screen() == (230, 120, 10)).all(axis=2).sum() != colour.size // 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert sink._viewer.poll() is None
    sink._viewer.kill()
    two = WindowSink()
    for index in range(2):
        two.write(*make_scene(index), colour)
    two.close()
    assert two._viewer.wait(10) == 0
