"""What the command says of itself: help, examples, options of sources and sinks, completion, a dry run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from perception.app.cli import app
from perception.app.plugins import late_commands
from perception.errors import ConfigError
from perception.extras import DISTRIBUTION
from perception.sinks.base import SinkKind
from perception.sinks.registry import SINKS
from perception.sources.base import SourceKind
from perception.sources.registry import SOURCES
from perception.uri import Kinds

RUNNER = CliRunner(env={"COLUMNS": "80"})
OWN = ("run", "doctor", "bench", "convert", "diff", "sources", "sinks", "classes", "topics", "fleet")
LATE = [name for name, one in late_commands().items() if one.dist and one.dist.name == DISTRIBUTION]
COMMANDS = (*OWN, *LATE)
EXTRAS = (
    *("torch", "onnx", "onnxscript", "onnxruntime", "pycocotools", "matplotlib", "PIL", "openvino"),
    *("mcap", "rosbags", "google", "zstandard", "lz4", "duckdb", "fsspec", "ray"),
)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_two_examples_that_it_takes(name: str) -> None:
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, name)
    shown = RUNNER.invoke(app, [name, "--help"]).output
    examples = re.findall(rf"^ +perception {name}(.*)$", shown, re.MULTILINE)
    assert len(examples) >= (1 if name in ("sources", "sinks") else 2), shown
    for example in examples:
        words = re.findall(r"'[^']*'|\S+", example.partition(" | ")[0])
        command.make_context(name, [word.strip("'") for word in words])


def test_help_needs_no_extra() -> None:
    """As after `pip install .`: nothing of an extra can be imported, and no command's help asks for one."""
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
from typer.testing import CliRunner
from perception.app.cli import app
for words in (["--help"], *([name, "--help"] for name in {COMMANDS})):
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0 and "not installed" not in shown.output, (words, shown.output)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_list_of_commands_marks_what_needs_an_extra() -> None:
    shown = RUNNER.invoke(app, ["--help"]).output
    rows = dict(re.findall(r"^  (\w+) +(\S.*)$", shown[shown.index("Commands:") :], re.MULTILINE))
    assert set(COMMANDS) <= set(rows)
    marked = {name for name in COMMANDS if rows[name].startswith("[train] ")}
    assert marked == set(COMMANDS) - {*OWN, "calibrate"}
    assert not [row for row in rows.values() if row.endswith("...")], "too long for 80 columns"


# Of the query, where others are the camera's.
BESIDES = {"rtsp://host/x#": {"tls", "ca"}}


@pytest.mark.parametrize(
    ("kinds", "uris"),
    [
        (
            SOURCES,
            [
                *("a.mp4?", "a.mcap?", ".?", "a.jpg", "sim:?", "camera:0?", "rtsp://host/x#", "gst:x"),
                *("shm:a", "ros2:/a", "zenoh:a?"),
            ],
        ),
        (
            SINKS,
            [
                *("out.mp4?", "out.mcap?", "labels/?", "out.jpg?", "window:?", "web://127.0.0.1:80?"),
                *("foxglove:", "shm:a?", "ros2:/a?", "zenoh:a?"),
            ],
        ),
    ],
)
def test_the_options_that_are_listed_are_those_that_are_read(
    kinds: Kinds[SourceKind] | Kinds[SinkKind], uris: list[str]
) -> None:
    """What a URI with an option that nobody knows says is known, by its own reader."""
    listed = {kind.grammar: {name.lstrip("#") for name in kind.options} for kind in kinds.listed()}
    read = {}
    for uri in uris:
        kind = kinds.parse(uri.rstrip("?#")).kind
        known: set[str] = set()
        if uri[-1] in "?#":
            with pytest.raises(ConfigError) as refused:
                kinds.parse(f"{uri}nobody=1")
            said = re.split(r"; known are |; use one of ", str(refused.value))[1]
            known = BESIDES.get(uri, set()) | set(said.split(", "))
        read[kind.grammar] = known
    assert {grammar: listed[grammar] for grammar in read} == read
    assert set(read) == set(listed)


@pytest.mark.parametrize("role", ["sources", "sinks"])
def test_sources_and_sinks_are_listed_with_their_options(role: str) -> None:
    shown = RUNNER.invoke(app, [role]).output
    for kind in (SOURCES if role == "sources" else SINKS).listed():
        for name in kind.options:
            assert f"{name}=" in shown
    assert "[default: tcp]" in shown or role == "sinks"
    assert max(map(len, shown.splitlines())) <= 80


def test_completion() -> None:
    environment = {"_PERCEPTION_COMPLETE": "complete_bash", "COMP_WORDS": "perception val", "COMP_CWORD": "1"}
    assert RUNNER.invoke(app, prog_name="perception", env=environment).output.split() == ["validate"]
    environment |= {"COMP_WORDS": "perception run --min-s", "COMP_CWORD": "2"}
    assert RUNNER.invoke(app, prog_name="perception", env=environment).output.split() == ["--min-score"]


def test_a_dry_run_says_what_it_would_open_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.mp4").write_bytes(b"")
    (tmp_path / "labels").mkdir()
    sinks = [f"{tmp_path}/{name}" for name in ("new.mp4", "old.mp4", "labels/")]
    how = ["--frames", "7", "--min-score", "vehicle=0.5", "--pixels", "92160"]
    shown = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["run", "sim:?rate=20", *sinks, "--dry-run", *how])
    lines = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert lines[0] == "source front sim:?rate=20: 20 frames/s, 7 frames, policy every-frame"
    assert any(re.match(r"model drive \d+ at 92160 pixels, ", line) for line in lines)
    assert re.search(
        r"by centres, from scores of vehicle 0.50, pedestrian 0\.\d\d, two_wheeler 0\.\d\d", shown.output
    )
    assert [line.rpartition(": ")[2] for line in lines[-3:]] == [
        "new", "overwritten", "what an earlier run wrote there is replaced",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "old.mp4"]


def test_a_dry_run_says_where_a_run_without_a_sink_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["run", "sim:", "--dry-run", "--ego-mask", "auto"])
    rows = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert "sink runs/sim/overlay.mp4: new" in rows
    assert "ego mask front looked for in the recording" in rows
    assert not list(tmp_path.iterdir())


def test_a_dry_run_refuses_what_the_run_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perception.uri.missing", lambda modules: [one for one in modules if one == "zenoh"])
    absent = RUNNER.invoke(app, ["run", "sim:", "zenoh:car/front", "--dry-run"])
    assert "sink zenoh:car/front needs zenoh, which is not installed" in str(absent.exception)
    missing = RUNNER.invoke(app, ["run", f"{tmp_path}/none.mp4", f"{tmp_path}/out.mp4", "--dry-run"])
    assert "no such file or folder" in str(missing.exception)
    several = RUNNER.invoke(app, ["run", "sim:", f"{tmp_path}/out.jpg", "--dry-run"])
    assert "holds one frame, and source sim: gives" in str(several.exception)
    mask = RUNNER.invoke(app, ["run", "sim:", f"{tmp_path}/out.mp4", "--ego-mask", "none.png", "--dry-run"])
    assert "ego mask none.png: no such file" in str(mask.exception)
    unknown = RUNNER.invoke(app, ["run", "sim:", f"{tmp_path}/out.mp4", "--dry-run", "--min-score", "road=1"])
    assert "'road' has no instances" in str(unknown.exception)
    for dry in ([], ["--dry-run"]):
        size = RUNNER.invoke(app, ["run", "sim:", f"{tmp_path}/out.mp4", "--pixels", "92", *dry])
        assert "pixels 92: drive takes 1024 to" in str(size.exception)
        assert not list(tmp_path.iterdir())
    number = RUNNER.invoke(app, ["run", "sim:", f"{tmp_path}/out.mp4", "--dry-run", "--min-score", "high"])
    assert "min_score.all = 'high' is refused" in str(number.exception)
