"""Frames of many drives, and the events that they make."""

from pathlib import Path

import pytest

from perception.errors import ConfigError, DataError
from perception.fleet.search import search
from perception.fleet.table import TABLE, database, pattern, run_folders, tables
from tests.fleet.records import scene, user, write_drive

SECOND = 25  # frames


def drive(folder: Path, frames: list[int]) -> Path:
    """A pedestrian in these frames of 8 s."""
    return write_drive(
        folder, [scene(i, *([user("pedestrian")] if i in frames else [])) for i in range(8 * SECOND)]
    )


def test_frames_close_to_one_another_are_one_event(tmp_path: Path) -> None:
    drive(tmp_path / "b", [0, 3, 3 + SECOND, 4 + 2 * SECOND + 1, 199])
    drive(tmp_path / "a", [0])
    found = search(run_folders(tmp_path), "pedestrian", 1.0, 100)
    assert [(one.drive, [hit.sequence for hit in one.hits]) for one in found.events] == [
        ("a", [0]),  # drives are apart, however close their times
        ("b", [0, 3, 28]),
        ("b", [55]),  # 27 frames later
        ("b", [199]),
    ]
    assert (found.frames, found.total, found.drives) == (6, 4, 2)
    assert found.events[1].hits[2].stem == "000028"
    assert found.events[1].hits[2].stamp_ns == 28 * 40_000_000
    assert found.events[1].name == "b-000000"


def test_the_first_events_are_given_and_all_are_counted(tmp_path: Path) -> None:
    drive(tmp_path / "a", [0, 1, 100, 199])
    found = search(run_folders(tmp_path), "pedestrian", 1.0, 2)
    assert [[hit.stem for hit in one.hits] for one in found.events] == [["000000", "000001"], ["000100"]]
    assert (found.frames, found.total, found.drives) == (4, 3, 1)


def test_a_drive_is_known_by_its_folder_whatever_that_is_called(tmp_path: Path) -> None:
    """Also by such as DuckDB would read as a pattern, or as a column's value."""
    names = ["class=cow", "drive=3", "a[1]", "a1", "it's", "x" * 80]
    for i, name in enumerate(names):
        write_drive(tmp_path / name, [scene(i, user())])
    for i, name in enumerate(names):
        (event,) = search(run_folders(tmp_path), f'drive == "{name}" and vehicle', 1.0, 9).events
        assert (event.drive, event.hits[0].sequence) == (name, i)


def test_a_drive_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("night-3", *(f"d{i:02d}" for i in range(50))):
        write_drive(tmp_path / name, [scene(0, user())])
    folders = run_folders(tmp_path)
    words = r"'night 3' is no drive; did you mean night-3\? known: d00, d01, .*, d39, and 11 more \("
    for where in ("drive == 'night 3'", "drive != 'night 3' and vehicle", "drive in (d00, 'night 3')"):
        with pytest.raises(ConfigError, match=words):
            search(folders, where, 1.0, 9)
    assert search(folders, "drive contains 'night 3'", 1.0, 9).total == 0


def test_columns_that_no_file_knows_are_named_where_nothing_is_found(tmp_path: Path) -> None:
    write_drive(tmp_path / "a", [scene(0, user(distance_m=50.0))])
    write_drive(tmp_path / "b", [scene(0, user())])
    folders = run_folders(tmp_path)
    assert search(folders, "distance < 10 and ttc < 3 and status == ok", 1.0, 9).unknown == ["ttc"]
    assert search(folders, "not (ttc < 3)", 1.0, 9).unknown == ["ttc"]
    assert search(folders, "count(ttc < 3) >= 1", 1.0, 9).unknown == ["ttc"]
    assert search(folders, "ttc < 3 or distance == 50", 1.0, 9).unknown == []
    assert search(folders, "1 > 2", 1.0, 9).unknown == []


def test_a_table_of_another_version_is_named(tmp_path: Path) -> None:
    write_drive(tmp_path, [scene(0)])
    (table,) = tables([tmp_path])
    with database() as connection:
        connection.execute("COPY (SELECT 1 AS frame) TO $path (FORMAT parquet)", {"path": pattern(table)})
    with pytest.raises(
        DataError, match=f"the {TABLE} of 1 drives cannot be searched; .*remove them"
    ) as caught:
        search([tmp_path], "vehicle", 1.0, 9)
    assert "\n" not in str(caught.value)


def test_a_wrong_query_is_one_error(tmp_path: Path) -> None:
    drive(tmp_path / "a", [0])
    with pytest.raises(ConfigError, match="not the end") as raised:
        search([tmp_path / "a"], "pedestrian and", 1.0, 100)
    assert raised.value.__context__ is None  # which the command would report, too
