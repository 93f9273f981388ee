"""scenes.parquet says what scenes.jsonl says, and doubt is what its definition says."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from perception.errors import DataError
from perception.fleet.table import GAP, TABLE, database, pattern, run_folders, tables, write_table
from perception.interchange.files.records import SCENES
from tests.fleet.records import Scene, doubts_of, drives, rows_of, scene, user, write_drive


def read(folder: Path) -> list[dict[str, Any]]:
    query = "SELECT * FROM read_parquet($path, hive_partitioning = false)"
    with database() as connection:
        found = connection.execute(query, {"path": pattern(folder / TABLE)})
        names = [name for name, *_ in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@settings(max_examples=20)
@given(scenes=drives)
def test_the_table_holds_what_the_lines_hold(scenes: list[Scene], tmp_path_factory: Any) -> None:
    folder = write_drive(tmp_path_factory.mktemp("drive"), scenes)
    write_table(folder)
    rows = read(folder)
    doubts = doubts_of(scenes)
    expected = [row | {"doubt": doubts[row["frame"]], "latent": None} for row in rows_of(scenes)]
    assert rows == expected
    assert files(folder) == [SCENES, TABLE]


def tracked(frames: list[int], count: int, score: float = 1.0) -> list[Scene]:
    """A track that is in these frames."""
    return [scene(i, *([user(track=1, score=score)] if i in frames else [])) for i in range(count)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([0, 1, 3], [0, 0, 1, 0, 0, 0, 0]),
        ([1, 2 + GAP, 3 + GAP], [0, 0, 1, 1, 1, 0, 0]),
        ([0, 2 + GAP], [0, 0, 0, 0, 0, 0, 0]),  # hidden, and seen again: it is not alone
        ([3], [0, 0, 0, 1, 0, 0, 0]),
        ([0], [0, 0, 0, 0, 0, 0, 0]),  # it may have been there before
        ([6], [0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_doubt_counts_tracks_that_skip_a_frame_or_have_but_one(
    frames: list[int], expected: list[float], tmp_path: Path
) -> None:
    write_table(write_drive(tmp_path, tracked(frames, 7)))
    assert [row["doubt"] for row in read(tmp_path)] == expected


def test_an_autoencoders_codes_are_kept_once_a_frame(tmp_path: Path) -> None:
    write_table(
        write_drive(tmp_path, [scene(0, latent=[0.5, 2.0]), scene(1, user(), user(k=2), latent=[1, 2])])
    )
    assert [row["latent"] for row in read(tmp_path)] == [[0.5, 2.0], [1.0, 2.0], None]


def test_a_name_with_patterns_is_itself(tmp_path: Path) -> None:
    """In DuckDB's globs, a[1] is the folder a1."""
    names = ["a1", "a[1]", "b*", "b?", "bcd", "it's <script>", "x=1"]
    for i, name in enumerate(names):
        write_drive(tmp_path / name, [scene(i)])
    for table, name in zip(tables(run_folders(tmp_path)), sorted(names), strict=True):
        assert table.parent.name == name
        assert [row["sequence"] for row in read(table.parent)] == [names.index(name)]


def test_a_table_is_written_again_where_its_lines_are_newer(tmp_path: Path) -> None:
    folder = write_drive(tmp_path / "a", [scene(0)])
    (table,) = tables([folder])
    first = table.stat()
    assert first.st_mtime_ns == (folder / SCENES).stat().st_mtime_ns  # lines may come while it is written
    assert tables([folder])[0].stat().st_mtime_ns == first.st_mtime_ns
    write_drive(folder, [scene(0), scene(1)])
    os.utime(folder / SCENES, ns=(first.st_mtime_ns + 1, first.st_mtime_ns + 1))
    tables([folder])
    assert [row["sequence"] for row in read(folder)] == [0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"sequence": 0', "Malformed JSON"),
        ('{"sequence": 0}\n', "line 1 has no stem, or no instances"),
        ('{"stem": "a", "instances": []}\n{"instances": []}\n', "line 2 has no stem"),
        ('{"stem": "a", "instances": [], "sequence": "many"}\n', "many"),
    ],
)
def test_broken_lines_are_named_and_leave_nothing(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / SCENES).write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        write_table(tmp_path)
    assert str(tmp_path / SCENES) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == [SCENES]


def test_folders_are_a_run_or_drives_that_are_finished(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no scenes\.jsonl"):
        run_folders(tmp_path)
    b, a = (write_drive(tmp_path / name, [scene(0)]) for name in "ba")
    write_drive(tmp_path / ".partial", [scene(0)])
    (tmp_path / "empty").mkdir()
    assert run_folders(tmp_path) == [a, b]
    assert run_folders(a) == [a]
    with pytest.raises(DataError, match="cannot be made"):
        write_table(tmp_path / "empty")


def test_many_workers_have_room(tmp_path: Path) -> None:
    """By default the DuckDB of each would take most of the memory, and then all of /tmp."""
    with database(tmp_path / "spill") as connection:
        names = ("threads", "memory_limit", "temp_directory")
        query = f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}"
        found = connection.execute(query).fetchone()
    assert found == (1, "488.2 MiB", str(tmp_path / "spill"))
    folder = write_drive(tmp_path / "a", [scene(0, user())])
    write_table(folder)
    assert ".spill" not in files(folder)
