"""Which drives are meant, and what their folders are called."""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perception.errors import ConfigError
from perception.fleet.command import fleet
from perception.fleet.drives import LONGEST, Drive, _json_lines, _text_lines, find_drives, named

fsspec = pytest.importorskip("fsspec", reason="the extra fleet is not installed")
memory: Any = pytest.importorskip("fsspec.implementations.memory")


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of these names; what is in them is not read."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4", "sub/a.mp4", "log.mcap", "frames/1.png", "x[1].mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def names(*places: str) -> dict[str, str]:
    return {one.uri: one.name for one in find_drives(places)}


def test_files_folders_globs_and_uris_are_drives(day: Path) -> None:
    found = names("[ab].mp4", f"file://{day}/log.mcap", "frames", "x[1].mp4", "a.mp4", "sim:?seed=3")
    assert found == {
        f"{day}/a.mp4": "a",
        f"{day}/b.mp4": "b",
        f"{day}/log.mcap": "log",
        f"{day}/frames": "frames",
        f"{day}/x[1].mp4": "x-1",
        "sim:?seed=3": "sim-seed-3",
    }
    assert set(names("**/*.mp4")) == {f"{day}/{name}" for name in ("a.mp4", "b.mp4", "sub/a.mp4", "x[1].mp4")}
    assert names("*.mcap?topic=/x") == {f"{day}/log.mcap?topic=/x": "log"}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("none.mp4", "no such file or folder"),
        ("*.mkv", r"drives \*.mkv: no recording has such a name"),
        ("camera:0", "a camera has no end"),
        ("rtsp://u:secret@host/1", r"rtsp://u:\*\*\*@host/1: a camera has no end"),
        ("no-such-protocol://x/y", "no-such-protocol"),
        ("zip://*.mp4::none.zip", "none.zip"),
        ("list.txt", r"manifest list.txt: cannot be read"),
    ],
)
@pytest.mark.usefixtures("day")
def test_what_is_no_drive_is_refused(place: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        find_drives([place])
    assert "secret" not in str(raised.value)


def test_globs_leave_out_what_lies_next_to_recordings(day: Path) -> None:
    for name in ("a.txt", "a.csv", "README.MD", "meta.json"):
        (day / name).write_text("")
    found = {f"{day}/{name}" for name in ("a.mp4", "b.mp4", "x[1].mp4", "log.mcap", "frames", "sub")}
    assert set(names("*")) == found
    with pytest.raises(ConfigError, match="no recording has such a name"):
        find_drives(["a.c*"])


def test_a_link_is_called_as_it_is_and_not_as_what_it_leads_to(day: Path) -> None:
    """In stores of data files have no names of their own."""
    (day / "blobs").mkdir()
    (day / "blobs" / "77aa01").write_bytes(b"")
    (day / "tuesday.mcap").symlink_to("blobs/77aa01")
    (day / "week").symlink_to("sub")
    assert names("tuesday.mcap", "week/../a.mp4", "week/a.mp4") == {
        f"{day}/tuesday.mcap": "tuesday",
        f"{day}/a.mp4": names("a.mp4", "sub/a.mp4")[f"{day}/a.mp4"],
        f"{day}/sub/a.mp4": names("a.mp4", "sub/a.mp4")[f"{day}/sub/a.mp4"],
    }


def test_drives_of_the_same_name_are_kept_apart(day: Path) -> None:
    a, other, b = (Drive(f"{day}/{name}") for name in ("a.mp4", "sub/a.mp4", "b.mp4"))
    first = [one.name for one in named([a, other, b])]
    assert re.fullmatch(r"a-[0-9a-f]{8}", first[0]) and first[0] != first[1] and first[2] == "b"
    assert [one.name for one in named([b, other, a])] == first[::-1]
    # One that was alone keeps its folder when the other comes, and gets no folder of another.
    holder = {"a": a.shown}.get
    assert [one.name for one in named([other, a], holder)] == [first[1], "a"]
    assert [one.name for one in named([other], holder)] == [first[1]]
    # The folder of its own that it has stays its own when the other one is not given.
    assert [one.name for one in named([other], {first[1]: other.shown}.get)] == [first[1]]
    # Two that differ in their secrets alone: it is not known which of them holds the folder.
    one, two = (Drive(f"ftp://user:{word}@host/a.mp4", remote=True) for word in ("one", "two"))
    assert len({drive.name for drive in named([one, two], {"a": one.shown}.get)} | {"a"}) == 3


def test_without_duckdb_no_drive_begins(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perception.fleet.command.missing", list)
    with pytest.raises(ConfigError, match=r"needs duckdb, .* extra \[fleet\]"):
        fleet(["a.mp4", "out"])
    assert not (day / "out").exists()


TEXT = st.text(min_size=1, max_size=200).filter(lambda text: "\0" not in text)


@given(st.lists(TEXT, min_size=1, max_size=6, unique=True))
@example(["summary.json", "Failed"])
@example(["漢" * 200, "x" + "漢" * 200])
def test_names_are_safe_unique_and_without_order(stems: list[str]) -> None:
    drives = [Drive(f"s3://bucket/{stem}.mp4") for stem in stems]
    found = [one.name for one in named(drives)]
    assert len({one.casefold() for one in found}) == len(found)
    for name in found:
        assert re.fullmatch(r"\w[\w.-]*", name) and len(name.encode()) <= LONGEST + 9 and name[-1] != "."
        assert name.casefold() not in {"failed", "summary.json", "report.html"}
    assert [one.name for one in named(drives[::-1])] == found[::-1]


def test_a_manifest_lists_drives_from_where_it_lies(day: Path) -> None:
    (day / "sub" / "list.txt").write_text("# the day\n\n  a.mp4\n../log.mcap?topic=/front\n")
    assert set(names("sub/list.txt")) == {f"{day}/sub/a.mp4", f"{day}/log.mcap?topic=/front"}
    lines = ["a.mp4", {"drive": "b.mp4", "name": "tuesday.2"}, {"drive": "sub/*.mp4"}]
    (day / "list.json").write_text(json.dumps(lines))
    found = names("list.json")
    assert found[f"{day}/b.mp4"] == "tuesday.2" and len(found) == 3
    assert names(f"file://{day}/sub/list.txt") == names("sub/list.txt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "no JSON"),
        ("{}", r"manifest list.json: is no list; write \[\"a.mp4\""),
        ("[1]", "entry 1: is no drive; write"),
        ('["a.mp4", {"drve": "a.mp4"}]', "entry 2: the key drive is missing; unknown key drve; write"),
        ("[]", "lists no drive"),
        ('[{"drive": "a.mp4", "nam": "x"}]', "unknown key"),
        ('[{"drive": ""}]', "at least 1 character"),
        ('[{"drive": "a.mp4", "name": "../x"}]', r"'\.\./x' is refused"),
        ('[{"drive": "a.mp4", "name": "Summary.json"}]', "is refused"),
        ('[{"drive": "*.mp4", "name": "x"}]', "is given to"),
        ('[{"drive": "a.mp4", "name": "x"}, {"drive": "b.mp4", "name": "X"}]', "another one is called"),
        ('[{"drive": "a.mp4", "name": "x"}, {"drive": "a.mp4", "name": "y"}]', "is called 'x' and 'y'"),
        ('["other.json"]', "lists the manifest"),
        ("[" * 100_000, "no JSON"),
        ('["\\ud800.mp4"]', "refused: input should be a valid string"),
        (json.dumps([5000 * "a" + ".txt"]), "lists the manifest aaa"),
        (json.dumps([5000 * "a"]), "no such file or folder"),
        ('["a\\u0000.txt"]', "NUL|lists the manifest"),
    ],
)
def test_a_wrong_manifest_is_refused(day: Path, text: str, words: str) -> None:
    (day / "list.json").write_text(text)
    with pytest.raises(ConfigError, match=words):
        find_drives(["list.json"])


@given(st.text())
def test_any_text_is_a_manifest_or_refused(text: str) -> None:
    for line in _text_lines(text):
        assert line.drive == line.drive.strip() and line.drive[0] != "#"
    try:
        lines = _json_lines(text, "m.json")
    except ConfigError as error:
        assert str(error).startswith("manifest m.json: ")
    else:
        assert len(lines) == len(json.loads(text))


def test_a_name_that_is_not_utf8_is_refused(day: Path) -> None:
    (day / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"")
    with pytest.raises(ConfigError, match=r"caf\\udce9.mp4: its name is not UTF-8; rename it"):
        find_drives(["caf*.mp4"])


def test_what_changes_in_a_folder_changes_the_drive(day: Path) -> None:
    (day / "frames" / "2.png").write_bytes(b"one")
    [before] = find_drives(["frames"])
    assert find_drives(["frames"]) == [before]
    os.utime(day / "frames" / "2.png", ns=(1, 1))
    [after] = find_drives(["frames"])
    assert after.uri == before.uri and after.state != before.state
    (day / "frames" / "2.png").rename(day / "frames" / "3.png")
    assert find_drives(["frames"])[0].state not in {before.state, after.state}


def test_a_pipe_is_no_recording(day: Path) -> None:
    os.mkfifo(day / "pipe.mp4")
    with pytest.raises(ConfigError, match=r"pipe.mp4: is no file and no folder"):
        find_drives(["*.mp4"])


def test_a_manifest_may_begin_with_a_mark_of_its_encoding(day: Path) -> None:
    (day / "list.txt").write_text("a.mp4\n", encoding="utf-8-sig")
    (day / "list.json").write_text('["b.mp4"]', encoding="utf-8-sig")
    assert set(names("list.txt", "list.json")) == {f"{day}/a.mp4", f"{day}/b.mp4"}


class Host(memory.MemoryFileSystem):  # type: ignore[misc]
    """One whose paths are without the host, as those of ftp:// and sftp:// are."""

    protocol = "host"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fails = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path.rstrip("/")

    def cat_file(self, path: str, *arguments: Any, **options: Any) -> Any:
        if self.fails:
            raise RuntimeError("no credentials for host://user:secret@host")
        return super().cat_file(path, *arguments, **options)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> type[Host]:
    fsspec.register_implementation("host", Host, clobber=True)
    monkeypatch.setattr(Host, "store", {})
    fs = Host()
    for name in ("a", "b"):
        fs.pipe_file(f"/day/{name}.mp4", name.encode())
    fs.pipe_file("/day/list.txt", b"a.mp4\n")
    return Host


@pytest.mark.usefixtures("host")
def test_a_host_and_its_user_stay_in_the_uri() -> None:
    found = find_drives(["host://user:secret@host/day/*", "host://user:secret@host/day/a.mp4"])
    assert [one.uri for one in found] == [f"host://user:secret@host/day/{name}.mp4" for name in "ab"]
    assert [one.name for one in found] == ["a", "b"] and "secret" not in found[0].shown
    assert names("host://host/day/list.txt") == {"host://host/day/a.mp4": "a"}


def test_a_manifest_that_cannot_be_fetched_is_named(
    host: type[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "fails", True)
    with pytest.raises(ConfigError, match=r"manifest host://host/day/list.txt: cannot be read"):
        find_drives(["host://host/day/list.txt"])


def test_options_of_a_uri_are_in_no_name() -> None:
    assert [one.name for one in named([Drive("s3://b/a.mp4?X-Amz-Signature=secret.x", remote=True)])] == ["a"]


def test_files_in_an_archive_are_fetched_ones(day: Path) -> None:
    with zipfile.ZipFile(day / "day.zip", "w") as archive:
        for name in ("one.mp4", "two.mp4", "list"):
            archive.writestr(name, name)
    found = find_drives([f"zip://*.mp4::{day}/day.zip"])
    assert [(one.uri, one.name, one.remote) for one in found] == [
        (f"zip://{name}.mp4::{day}/day.zip", name, True) for name in ("one", "two")
    ]
    assert len({one.state for one in found}) == 2
