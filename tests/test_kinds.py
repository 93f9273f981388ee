"""What holds for every kind of source and sink: a row in the docs, a word in the help, one reader."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from perception.app import cli
from perception.errors import ConfigError
from perception.sinks.registry import SINKS
from perception.sources.registry import SOURCES
from perception.uri import Kinds

PAGE = (Path(__file__).parents[1] / "docs/sources-and-sinks.md").read_text(encoding="utf-8")
EXAMPLES = {
    "source": [
        "drive.mp4",
        "frames/",
        "photo.jpg",
        "sim:",
        "camera:0",
        "rtsp://h/1",
        "gst:videotestsrc",
        "push:",
        "shm:front",
    ],
    "sink": ["out.mp4", "labels/", "out.jpg", "window:", "web://127.0.0.1:8080", "shm:front"],
}
ALL: list[tuple[str, Kinds[Any], str]] = [
    (role, kinds, uri) for role, kinds in (("source", SOURCES), ("sink", SINKS)) for uri in EXAMPLES[role]
]


@pytest.fixture(autouse=True)
def _frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frames").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("role", "kinds", "uri"), ALL)
def test_each_kind_has_a_row_in_the_docs(role: str, kinds: Kinds[Any], uri: str) -> None:
    table = PAGE.split(f"| {role} | what it is |\n")[1].split("\n\n")[0]
    beginning = re.match(r"[a-z]+(://|:|\.mp4|\.jpg|/)", uri)
    assert beginning and f"`{beginning[0]}" in table
    kind = kinds.parse(uri).kind
    assert not kind.grammar or kind.grammar in kinds.grammar()


def test_each_kind_has_an_example() -> None:
    for role, kinds in (("source", SOURCES), ("sink", SINKS)):
        found = {kinds.parse(uri).kind for uri in EXAMPLES[role]}
        assert len(found) == len({entry.value for entry in kinds._own.values()})


def test_the_help_names_each_kind() -> None:
    text = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, ["run", "--help"]).output
    for word in (
        "camera:0",
        "rtsp://",
        "gst:",
        "sim:",
        "video",
        "folder of images",
        "out.mp4",
        "folder/",
        "out.jpg",
        "web://",
    ):
        assert word in text


@pytest.mark.parametrize(
    ("role", "uri", "words"),
    [
        ("source", "none.mp4?pace=3", "source none.mp4?pace=3: unknown option pace; known are rate, track"),
        ("source", "none/?pace=3", "unknown option pace; known are rate, track"),
        ("source", "push:?rate=3", "unknown option rate; it takes none"),
        ("source", "sim:?sede=3", "unknown option 'sede'; use one of"),
        ("source", "camera:0?size=1x1&size=1x1", "size is given twice; give it once"),
        ("sink", "out.mp4?secret=hidden", "sink out.mp4?secret=***: unknown option secret"),
        ("sink", "web://127.0.0.1?pace=2", "unknown option pace; known are token"),
        ("sink", "shm:front?mode=777", "mode = '777' is refused; allowed are 600, 660"),
        ("sink", "shm:front?readers=65", "readers = '65' is refused; allowed are 1 to 64"),
        ("sink", "shm:../front", "'../front' is no name; it has 1 to 40 letters"),
        ("source", "shm:", "'' is no name; it has 1 to 40 letters"),
        ("source", "shm:front?mode=600", "unknown option mode; it takes none"),
    ],
)
def test_unknown_options_are_refused_with_those_that_are_known(role: str, uri: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        (SOURCES if role == "source" else SINKS).parse(uri)
    assert words in str(error.value)
    assert "hidden" not in str(error.value)


def test_a_file_that_is_read_may_have_a_question_mark_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "which?rate=3.mp4"
    path.write_bytes(b"")
    assert SOURCES.parse(str(path)).path == path


@pytest.mark.parametrize(
    ("uri", "scheme", "path"),
    [
        ("out.MP4?minutes=1", "", "out.MP4"),
        ("a/b?keep=1GB", "", "a/b"),
        ("12:30/", "", "12:30"),
        ("web://[::1]:80", "web", None),
    ],
)
def test_the_place_of_a_sink(uri: str, scheme: str, path: str | None) -> None:
    sink = SINKS.parse(uri)
    assert (sink.uri.scheme, sink.path) == (scheme, None if path is None else Path(path))


def test_no_form_of_a_uri_shows_its_secrets() -> None:
    for one in (
        SOURCES.parse("rtsp://me:hunter2@h/1?token=hunter2"),
        SINKS.parse("web://0.0.0.0?token=hunter2"),
    ):
        assert "hunter2" not in f"{one} {one!r} {one.uri} {one.uri!r} {one.options!r}"
        assert "hunter2" in one.uri.text
