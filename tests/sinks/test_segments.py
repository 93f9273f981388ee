"""The files of a sink within their budget, and the names of segments."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from perception.interchange.files.dated import numbered
from perception.sinks.segments import Budget, next_dated, next_free


def note(budget: Budget, path: Path, size: int, group: str | None = None) -> Path:
    """A file of that size, in a group of its own or in that one."""
    path.write_bytes(bytes(size))
    budget.note(group or path.name, path, size)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_only_group_stays_even_where_it_is_larger_than_all_may_be(tmp_path: Path) -> None:
    """It is being written: to remove it would lose what is wanted most."""
    budget = Budget(10)
    note(budget, tmp_path / "a", 100)
    budget.trim()
    assert names(tmp_path) == {"a"}


def test_the_newest_group_stays_and_all_before_it_go_where_it_alone_is_too_large(tmp_path: Path) -> None:
    budget = Budget(10)
    for name, size in (("a", 3), ("b", 3), ("c", 100)):
        note(budget, tmp_path / name, size)
    budget.trim()
    assert names(tmp_path) == {"c"}


def test_no_more_groups_go_than_have_to(tmp_path: Path) -> None:
    budget = Budget(10)
    for name in "abcd":
        note(budget, tmp_path / name, 3)
    budget.trim()
    assert names(tmp_path) == {"b", "c", "d"}  # 9 of 10
    note(budget, tmp_path / "e", 1)
    budget.trim()
    assert names(tmp_path) == {"b", "c", "d", "e"}  # exactly 10


def test_a_group_goes_as_a_whole(tmp_path: Path) -> None:
    budget = Budget(10)
    note(budget, tmp_path / "1.png", 2, "1")
    note(budget, tmp_path / "1.jpg", 2, "1")
    note(budget, tmp_path / "2.png", 7, "2")
    budget.trim()
    assert names(tmp_path) == {"2.png"}


def test_a_group_that_grows_is_the_newest_and_counts_once(tmp_path: Path) -> None:
    budget = Budget(10)
    note(budget, tmp_path / "a", 2)
    note(budget, tmp_path / "b", 4)
    note(budget, tmp_path / "a", 6)
    budget.trim()
    assert names(tmp_path) == {"a", "b"}  # 6 and 4: what "a" had before is not counted twice
    note(budget, tmp_path / "c", 1)
    budget.trim()
    assert names(tmp_path) == {"a", "c"}


def test_a_file_that_somebody_has_removed_counts_no_more_once_it_would_go(tmp_path: Path) -> None:
    budget = Budget(10)
    note(budget, tmp_path / "a", 8).unlink()
    note(budget, tmp_path / "b", 8)
    budget.trim()
    note(budget, tmp_path / "c", 2)
    budget.trim()
    assert names(tmp_path) == {"b", "c"}


def test_only_dated_segments_of_this_very_file_are_numbered(tmp_path: Path) -> None:
    # By number, not by date: the clock may have been set back.
    mine = {
        2: "out-20261122T203357Z-0002.mp4",
        10: "out-20261121T203357Z-0010.mp4",
        12345: "out-20261123T203357Z-12345.mp4",
    }
    others = [
        "out.mp4", "out-2.mp4", "out-20261121T203357Z-001.mp4", "out-20261121T203357Z-0001.mkv",
        "my-out-20261121T203357Z-0001.mp4", "out-20261121T203357Z-0001.mp4.part",
    ]  # fmt: skip
    for name in (*mine.values(), *others):
        (tmp_path / name).write_bytes(b"")
    found = numbered(tmp_path / "out.mp4")
    assert [(number, path.name) for number, path in found.items()] == list(mine.items())
    assert next_dated(tmp_path / "out.mp4").name.endswith("Z-12346.mp4")


def test_in_a_folder_that_is_not_there_the_first_segment_is_the_first(tmp_path: Path) -> None:
    assert numbered(tmp_path / "none" / "out.mp4") == {}
    assert next_dated(tmp_path / "none" / "out.mp4").name.endswith("Z-0001.mp4")


def test_the_next_free_name_counts_from_two(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    taken = []
    for _ in range(3):
        taken.append(next_free(path).name)
        next_free(path).write_bytes(b"video")
    assert taken == ["out.mp4", "out-2.mp4", "out-3.mp4"]
    (tmp_path / "out-2.mp4").write_bytes(b"")  # a kill left it
    assert next_free(path).name == "out-2.mp4"


def test_room_is_made_by_the_oldest_groups_alone_and_only_while_the_disk_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk of 4 MB one is kept free; of a large one 64 MB."""
    budget, files = Budget(10**12), [tmp_path / f"{number}.mp4" for number in range(8)]

    def disk(blocks: int) -> None:
        def statvfs(folder: Path) -> SimpleNamespace:
            used = sum(path.stat().st_size for path in folder.iterdir())
            return SimpleNamespace(f_frsize=1000, f_blocks=blocks, f_bavail=blocks - used // 1000)

        monkeypatch.setattr("os.statvfs", statvfs)

    for path in files:
        path.write_bytes(bytes(500_000))
        budget.note(path.name, path, 500_000)
    disk(70_000)
    budget.make_room(tmp_path)
    assert all(path.exists() for path in files)
    disk(4_000)
    budget.make_room(tmp_path)
    assert [path.exists() for path in files] == [False, False] + [True] * 6
    disk(100)
    budget.make_room(tmp_path)
    assert [path.exists() for path in files] == [False] * 7 + [True]  # the newest one is being written
