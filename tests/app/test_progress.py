"""What people see of a build: a bar where that can be, else two lines."""

import io
from contextlib import redirect_stderr

import numpy as np
import pytest

from perception.app.progress import show_builds, show_frames
from perception.frame import Frame
from perception.scene import Status, unknown_scene
from perception.sources.push import PushSource

WHAT = "building tensorrt for drive on NVIDIA H200"
START = f"perception: {WHAT}, kept for the next start; this takes minutes\n"
END = f"perception: {WHAT}, kept for the next start: done\n"


def test_without_a_terminal_there_is_a_line_at_the_start_and_one_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_builds() as on_build:
        on_build(WHAT, 0.0)
        assert capsys.readouterr() == ("", START)
        for share in (0.1, 0.5, 0.99):
            on_build(WHAT, share)
        assert capsys.readouterr() == ("", "")
        on_build(WHAT, 1.0)
    assert capsys.readouterr() == ("", END)


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with show_builds(hidden=True) as on_build:
        on_build(WHAT, 0.0)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in {"COLUMNS": "120", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    return Terminal()


def test_on_a_terminal_a_bar_says_what_is_built_and_that_it_is_kept(terminal: Terminal) -> None:
    with redirect_stderr(terminal), show_builds() as on_build:
        on_build(WHAT, 0.0)
        on_build(WHAT, 0.5)
    shown = terminal.getvalue()
    assert f"{WHAT}, kept for the next start" in shown and "50 %" in shown


def test_where_nothing_is_built_nothing_is_shown(terminal: Terminal) -> None:
    with redirect_stderr(terminal), show_builds():
        pass
    assert terminal.getvalue() == ""


def test_lines_can_be_asked_for_on_a_terminal_too(terminal: Terminal) -> None:
    with redirect_stderr(terminal), show_builds(as_lines=True) as on_build:
        on_build(WHAT, 0.0)
    assert terminal.getvalue() == START


def test_frames_move_a_bar_from_the_first_scene_on(terminal: Terminal) -> None:
    scenes = [unknown_scene(Frame(np.zeros((9, 16, 3), np.uint8), 0, sequence=i), Status.OK) for i in (0, 6)]
    with redirect_stderr(terminal), show_frames(PushSource(rate=30), 9, hidden=False) as move:
        assert terminal.getvalue() == ""
        for scene in scenes:
            move(scene)
    shown = terminal.getvalue()
    assert "7/9" in shown and "frames/s" in shown


def test_without_a_terminal_frames_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_frames(PushSource(rate=30), 9, hidden=False) as move:
        move(unknown_scene(Frame(np.zeros((9, 16, 3), np.uint8), 0), Status.OK))
    assert capsys.readouterr() == ("", "")
