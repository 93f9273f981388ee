"""What people see of a build: a bar where that can be, else two lines."""

import sys

import pytest
from rich.console import Console

from perception.app import progress as building
from perception.app.progress import show_builds

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


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def console(stderr: bool) -> Console:
        assert stderr
        return Console(file=sys.stderr, force_terminal=True, width=120)

    monkeypatch.setattr(building, "Console", console)


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_bar_says_what_is_built_and_that_it_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_builds() as on_build:
        on_build(WHAT, 0.0)
        on_build(WHAT, 0.5)
    shown = capsys.readouterr().err
    assert f"{WHAT}, kept for the next start" in shown and "50 %" in shown


@pytest.mark.usefixtures("terminal")
def test_where_nothing_is_built_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with show_builds():
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("terminal")
def test_lines_can_be_asked_for_on_a_terminal_too(capsys: pytest.CaptureFixture[str]) -> None:
    with show_builds(as_lines=True) as on_build:
        pass
    on_build(WHAT, 0.0)  # a live run's build goes on
    assert capsys.readouterr().err == START
