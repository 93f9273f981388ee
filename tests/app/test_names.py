"""Names of files are names, whatever stands in them, and lead no terminal."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.progress import track
from rich.table import Table

from perception.app.config import RunConfig
from perception.console import Console, heading
from perception.errors import ConfigError
from perception.sources.registry import open_source
from tests.media import picture, write_video

NAMES = (
    "2026-11-28T10:30:00.mp4",
    "drive:1.mp4",
    "100%.mp4",
    "a%03d.mp4",
    "#1.mp4",
    "concat:a|b.mp4",
    " -.mp4",
    "é\u202e日.mp4",
    "esc\x1b[31m\n.mp4",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "plain.mp4", [picture(number) for number in range(3)])
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    for uri in (name, str(tmp_path / name)):
        source = open_source(uri)
        assert len(list(source)) == 3
        source.close()


def perception(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perception", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_file_of_any_name_is_written(tmp_path: Path, colour_bundle: object) -> None:
    model = str(getattr(colour_bundle, "folder"))  # noqa: B009
    sinks = [name for name in NAMES if name.endswith((":00.mp4", ":1.mp4", "03d.mp4", "\n.mp4"))]
    done = perception(tmp_path, "run", "sim:?size=160x96", *sinks, "--frames", "3", "--model", model)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == set(sinks)
    for name in sinks:
        assert len(list(open_source(str(tmp_path / name)))) == 3
    assert "\x1b" not in done.stdout + done.stderr and r"esc\x1b[31m\n.mp4" in done.stdout


EVIL = "\x1b]0;owned\x07\n12:00:00 ERROR forged\u202e"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", f"{EVIL}.mp4", "out.mp4"),
        ("run", f"{EVIL}.xyz"),
        ("run", "sim:", f"/proc/{EVIL}/x.mp4"),
        ("run", "sim:", "out.mp4", f"--{EVIL}"),
        ("run", "sim:", "out.mp4", "--engine", EVIL),
        ("run", f"rtsp://h:{EVIL}/x", "out.mp4"),
        ("run", f"sim:?{EVIL}=1", "out.mp4"),
        ("run", "--config", f"{EVIL}.yaml"),
        ("run", "sim:", "out.mp4", "--model", EVIL),
        (EVIL,),
    ],
)
def test_no_error_leads_a_terminal(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = perception(tmp_path, *arguments)
    assert done.returncode in {1, 2}
    said = done.stdout + done.stderr
    assert "owned" in said and "Traceback" not in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert not any(line.startswith("12:00:00") for line in said.splitlines())


def test_what_a_variable_holds_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_URI", "rtsp://car:hunter2@10.0.0.7/1")
    monkeypatch.setenv("CAMERA_PASSWORD", "correct-horse")
    profile = tmp_path / "live.yaml"
    for line in (
        "engine: ${CAMERA_PASSWORD}",
        "max_age: x${CAMERA_PASSWORD}",
        "max_age: ${CAMERA_URI}",
        "source: ${CAMERA_PASSWORD}://10.0.0.7",
        "source: sim:?${CAMERA_PASSWORD}=1",
        "sinks: [{a: '${CAMERA_PASSWORD}'}]",
        "min_score: {'${CAMERA_PASSWORD}': '${CAMERA_PASSWORD}'}",
    ):
        profile.write_text(f"{line}\n")
        with pytest.raises(ConfigError) as refused:
            RunConfig.read(profile)
        assert "horse" not in str(refused.value) and "hunter2" not in str(refused.value)


def test_tables_show_names_as_they_are() -> None:
    file = io.StringIO()
    table = Table("[red]head", title="a\x1b[2J")
    table.add_row("[/x] \x9b1m\u202e")
    Console(file=file, width=80).print(table)
    Console(file=file, force_terminal=True, width=80, color_system=None).print("[bold]", "\x07")
    shown = file.getvalue()
    assert "[red]head" in shown and r"[/x] \x9b1m\u202e" in shown and r"a\x1b[2J" in shown
    assert "[bold]" in shown and not {"\x1b", "\x9b", "\x07"} & set(shown)
    file = io.StringIO()
    list(track([1], heading("[/x] a\x1b[2J"), console=Console(file=file, width=80)))
    assert r"[/x] a\x1b[2J" in file.getvalue() and "\x1b" not in file.getvalue()


def test_figures_are_whole_where_the_table_is_wider_than_the_terminal() -> None:
    table = Table(*(f"set {k}" for k in range(20)))
    table.add_row(*(f"0.{k:03d}" for k in range(20)))
    shown = Console(width=40, file=io.StringIO(), record=True)
    shown.print_whole(table)
    text = shown.export_text()
    assert all(f"0.{k:03d}" in text for k in range(20)) and "…" not in text
    assert shown.width == 40
