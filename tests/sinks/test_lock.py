"""One writer for each output."""

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from perception.classes import DRIVE
from perception.errors import SinkError
from perception.sinks.lock import OutputLock
from perception.sinks.registry import open_sink


def test_a_second_one_is_refused_until_the_first_has_let_go(tmp_path: Path) -> None:
    output = tmp_path / "rec/drive.mp4"
    first = OutputLock(output)
    with pytest.raises(SinkError, match=r"drive\.mp4: another sink of this run writes there already"):
        OutputLock(output)
    OutputLock(tmp_path / "rec/other.mp4").release()
    first.release()
    first.release()
    assert not list((tmp_path / "rec").iterdir())
    OutputLock(output).release()


def hold(output: Path, held: "multiprocessing.Queue[int]") -> None:
    OutputLock(output, folder=True)
    held.put(os.getpid())
    held.get()


def test_another_process_is_named_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held: multiprocessing.Queue[int] = context.Queue()
    other = context.Process(target=hold, args=(tmp_path, held))
    other.start()
    process = held.get(timeout=60)
    with pytest.raises(SinkError, match=f"the process {process} writes there already"):
        OutputLock(tmp_path, folder=True)
    other.kill()
    other.join()
    assert (tmp_path / ".lock").exists()
    OutputLock(tmp_path, folder=True).release()


def test_a_file_that_its_holder_removes_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened before, locked after: who comes next would make a new one, and both would hold theirs."""
    path, opened = tmp_path / ".out.mp4.lock", os.open
    removed: list[Path] = []

    def open_and_remove(name: Path, *how: int) -> int:
        file = opened(name, *how)
        if not removed:
            removed.append(name)
            path.unlink()
        return file

    monkeypatch.setattr(os, "open", open_and_remove)
    lock = OutputLock(tmp_path / "out.mp4")
    assert removed and path.exists()
    with pytest.raises(SinkError):
        OutputLock(tmp_path / "out.mp4")
    lock.release()


@pytest.mark.parametrize("output", ["out.mp4", "out.mp4?minutes=1", "labels/"])
def test_sinks_hold_their_output_as_long_as_they_are_open(tmp_path: Path, output: str) -> None:
    uri = f"{tmp_path}/{output}"
    sink = open_sink(uri, 25.0, DRIVE)
    with pytest.raises(SinkError, match="writes there already"):
        open_sink(uri, 25.0, DRIVE)
    sink.close()
    open_sink(uri, 25.0, DRIVE).close()
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith("lock")]


def test_what_has_become_of_its_place_does_not_keep_it(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    lock = OutputLock(folder, folder=True)
    shutil.rmtree(folder)
    folder.write_text("another thing")
    lock.release()
    folder.unlink()
    OutputLock(folder, folder=True).release()
