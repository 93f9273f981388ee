"""What `perception fleet` guarantees, by real processes."""

import errno
import fcntl
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from perception.bundle.bundle import Bundle
from perception.errors import SinkError
from perception.fleet.command import _locked
from perception.fleet.record import DriveRecord, Summing, lasting, read_record, scene_lines
from tests.fleet.conftest import COMMAND, FleetRun, Start, write_drive

LONG = "sim:?seed=5&size=160x96&rate=10&frames=3000"  # minutes of work: it is ended before its end


def record_of(folder: Path) -> DriveRecord:
    record = read_record(folder)
    assert record is not None
    return record


def identity(folder: Path) -> tuple[int, int]:
    """Of the very file: whether it was written again."""
    found = (folder / "done.json").stat()
    return found.st_ino, found.st_mtime_ns


def names_in(folder: Path) -> list[str]:
    """What people see there."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Those that have begun to write."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [one for one in children if "perception.fleet.worker" in " ".join(one.cmdline())]


def wait_for_scenes(process: subprocess.Popen[str], out: Path, name: str, part: str = "whole") -> None:
    """Until a drive has scenes, and is not whole yet."""
    while not any((out / ".partial" / name).glob(f"{part}-*/scenes.jsonl")):
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended with {process.wait(0.02)}: {process.communicate()}")


def test_a_drive_is_what_a_run_writes(tmp_path: Path, fleet: FleetRun, colour_bundle: Bundle) -> None:
    drives = [write_drive(tmp_path / f"{name}.mp4", first) for first, name in enumerate(("a", "b"))]
    done = fleet("*.mp4", "out", "--json")
    assert done.returncode == 0 and done.stderr == ""
    summary = json.loads(done.stdout)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["drives"], summary["done"], summary["frames"]) == (2, 2, 12)
    assert names_in(tmp_path / "out") == ["a", "b", "summary.json"]
    for drive in drives:
        run, folder = tmp_path / f"run-{drive.stem}", tmp_path / "out" / drive.stem
        words = [COMMAND, "run", drive, f"{run}/", "--engine", "onnx-cpu", "--model", colour_bundle.folder]
        subprocess.run([*map(str, words)], check=True, capture_output=True)
        timed = {"scenes.jsonl", "health.jsonl"}
        names = {path.name for path in run.iterdir()}
        assert names | {"done.json", "scenes.parquet"} == {path.name for path in folder.iterdir()}
        for name in names - timed:
            assert (folder / name).read_bytes() == (run / name).read_bytes()
        ours, theirs = ([lasting(line) for line in scene_lines(one)] for one in (folder, run))
        assert ours == theirs and len(ours) == 6
        assert record_of(folder).digest == Summing(run).digest
    digests = {record_of(tmp_path / "out" / drive.stem).digest for drive in drives}
    assert len(digests) == 2


def test_what_is_done_is_not_done_again(tmp_path: Path, fleet: FleetRun) -> None:
    a, b = write_drive(tmp_path / "a.mp4"), write_drive(tmp_path / "b.mp4", 1)
    out = tmp_path / "out"
    assert fleet("a.mp4", "b.mp4", "out", "--quiet").returncode == 0
    before = identity(out / "a"), identity(out / "b")
    again = fleet("b.mp4", "a.mp4", "out", "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["resumed"] == 2
    assert before == (identity(out / "a"), identity(out / "b"))
    # Another drive under the same name, and another configuration.
    write_drive(b, 3)
    assert fleet("a.mp4", "b.mp4", "out", "--quiet").returncode == 0
    assert identity(out / "a") == before[0] and identity(out / "b") != before[1]
    (tmp_path / "other.yaml").write_text("tracks: false\n")
    other = fleet(a, "out", "--json", "--config", "other.yaml")
    assert json.loads(other.stdout)["resumed"] == 0
    assert identity(out / "a") != before[0]
    assert not (out / ".partial").exists()


def test_a_killed_worker_costs_only_time(tmp_path: Path, start: Start, fleet: FleetRun) -> None:
    write_drive(tmp_path / "a.mp4", count=150)
    write_drive(tmp_path / "b.mp4")
    assert fleet("a.mp4", "b.mp4", "quiet", "--quiet").returncode == 0
    process = start("a.mp4", "b.mp4", "out", "--jobs", "1", "--json")
    wait_for_scenes(process, tmp_path / "out", "a")
    [worker] = workers(process)
    worker.kill()
    told, err = process.communicate(timeout=240)
    assert process.returncode == 0
    assert err == "perception: a: its worker was ended by SIGKILL; tried again (1 of 2)\n"
    assert json.loads(told)["retried"] == 1
    for name in "ab":
        assert record_of(tmp_path / "out" / name).digest == record_of(tmp_path / "quiet" / name).digest
    assert names_in(tmp_path / "out") == ["a", "b", "summary.json"]


def test_a_long_drive_is_cut_and_joined(tmp_path: Path, start: Start, fleet: FleetRun) -> None:
    """As a process says it that does it in one, also where the worker of a piece is killed."""
    write_drive(tmp_path / "long.mp4", count=200, rate=4)
    assert fleet("long.mp4", "whole", "--piece", "0", "--quiet").returncode == 0
    process = start("long.mp4", "out", "--piece", "0.5", "--jobs", "1", "--json")
    wait_for_scenes(process, tmp_path / "out", "long", "piece-0001")
    workers(process)[0].kill()
    told, err = process.communicate(timeout=240)
    assert process.returncode == 0
    assert err == "perception: long piece 2: its worker was ended by SIGKILL; tried again (1 of 2)\n"
    assert json.loads(told)["joined"] == 1
    record = record_of(tmp_path / "out" / "long")
    assert record.digest == record_of(tmp_path / "whole" / "long").digest
    assert record.pieces is not None and (record.pieces.count, record.pieces.overlap_frames) == (2, 40)
    refused = fleet("long.mp4", "out", "--piece", "0.1")
    assert refused.returncode == 2 and "pieces overlap by 10 s; give 0.5 minutes or more" in refused.stderr


def test_a_drive_that_always_crashes_leaves_the_others(
    tmp_path: Path, fleet: FleetRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker dies as by a fault in a library: without a word."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading, os\n"
        "def crash(event, arguments):\n"
        "    if event == 'open' and 'bad/whole' in (name := str(arguments[0])) and 'scenes.jsonl' in name:\n"
        "        os.kill(os.getpid(), 11)\n"
        "sys.addaudithook(crash)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    for name in ("bad", "good"):
        write_drive(tmp_path / f"{name}.mp4")
    done = fleet("bad.mp4", "good.mp4", "out", "--json", "--retries", "1")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert (summary["done"], summary["retried"], list(summary["failures"])) == (1, 1, ["bad"])
    lines = done.stderr.splitlines()
    assert lines[0] == "perception: bad: its worker was ended by SIGSEGV; tried again (1 of 1)"
    assert lines[1].startswith("perception: bad failed 2 times: its worker was ended by SIGSEGV; see ")
    assert lines[2:] == ["perception: 1 of 2 drives failed; out/summary.json says why"]
    log = (tmp_path / "out" / "failed" / "bad.log").read_text()
    assert log.endswith("perception: the worker of bad was ended by SIGSEGV\n")
    assert record_of(tmp_path / "out" / "good").frames == 6
    assert not (tmp_path / "out" / "bad").exists() and not (tmp_path / "out" / ".partial").exists()


def test_a_drive_that_cannot_be_read_is_not_tried_again(tmp_path: Path, fleet: FleetRun) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    write_drive(tmp_path / "good.mp4")
    done = fleet("*.mp4", "out")
    assert done.returncode == 1 and "tried again" not in done.stderr
    assert "perception: text failed: source" in done.stderr and "not a readable video" in done.stderr
    assert "2 = 1 done + 1 failed" in done.stdout
    assert "not a readable video" in (tmp_path / "out" / "failed" / "text.log").read_text()
    assert fleet("good.mp4", "out", "--quiet").returncode == 0
    assert not (tmp_path / "out" / "failed").exists()


def test_a_fleet_that_is_killed_takes_its_workers_along(
    tmp_path: Path, start: Start, fleet: FleetRun
) -> None:
    write_drive(tmp_path / "a.mp4")
    process = start("a.mp4", LONG, "out", "--jobs", "2")
    name = "sim-seed-5-size-160x96-rate-10-frames-3000"
    wait_for_scenes(process, tmp_path / "out", name)
    left = workers(process)
    process.kill()
    process.communicate()
    gone, alive = psutil.wait_procs(left, timeout=60)
    assert gone and not alive
    assert (tmp_path / "out" / ".partial" / name).exists()
    done = fleet("a.mp4", "out", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["done"] == 1
    assert not (tmp_path / "out" / ".partial").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_keeps_what_is_done(
    tmp_path: Path, start: Start, number: signal.Signals
) -> None:
    write_drive(tmp_path / "a.mp4")
    process = start("a.mp4", LONG, "out", "--jobs", "1")
    wait_for_scenes(process, tmp_path / "out", "sim-seed-5-size-160x96-rate-10-frames-3000")
    left = workers(process)
    process.send_signal(number)
    told, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in err
    assert "1 done + 0 failed + 1 not done; run it again to go on" in told
    assert not any(one.is_running() for one in left)
    assert record_of(tmp_path / "out" / "a").frames == 6
    assert not (tmp_path / "out" / ".partial").exists()


def test_one_fleet_writes_a_folder(tmp_path: Path, fleet: FleetRun) -> None:
    write_drive(tmp_path / "a.mp4")
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = fleet("a.mp4", "out")
    assert done.returncode == 1 and "writes there already" in done.stderr
    assert not (tmp_path / "out" / "a").exists()


def test_the_folders_of_others_are_left_alone(tmp_path: Path, fleet: FleetRun) -> None:
    write_drive(tmp_path / "a.mp4")
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "precious").write_text("")
    done = fleet("a.mp4", "out")
    assert done.returncode == 2 and "perception fleet has not made it" in done.stderr
    assert (tmp_path / "out" / "a" / "precious").exists()


@pytest.mark.parametrize("name", ["failed", ".partial", "summary.json"])
def test_what_others_keep_under_a_name_of_its_own_stays(tmp_path: Path, fleet: FleetRun, name: str) -> None:
    write_drive(tmp_path / "a.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "elsewhere")
    done = fleet("a.mp4", "out")
    assert (
        done.returncode == 2 and f"out/{name}: is there, and perception fleet has not made it" in done.stderr
    )
    assert names_in(tmp_path / "out") == [name] * (name[0] != ".") and not (tmp_path / "out" / "a").exists()
    (tmp_path / "out" / name).unlink()
    assert fleet("a.mp4", "out", "--quiet").returncode == 0


def test_a_folder_of_recordings_is_not_written_to(tmp_path: Path, fleet: FleetRun) -> None:
    write_drive(tmp_path / "a.mp4")
    done = fleet("a.mp4", ".")
    assert done.returncode == 2 and f"OUT .: holds the drive {tmp_path}/a.mp4; give a folder" in done.stderr
    assert names_in(tmp_path) == ["a.mp4"]


def test_a_calibration_that_cannot_be_read_begins_no_drive(tmp_path: Path, fleet: FleetRun) -> None:
    write_drive(tmp_path / "a.mp4")
    done = fleet("a.mp4", "out", "--calibration", "none.yaml")
    assert done.returncode == 2 and "none.yaml: cannot be read" in done.stderr
    assert names_in(tmp_path) == ["a.mp4"]


def test_a_machine_without_room_ends_it_with_one_error(tmp_path: Path) -> None:
    words = r"fleet .*out: .*No space left.*; run it again to go on"
    with pytest.raises(SinkError, match=words), _locked(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with _locked(tmp_path / "out"):  # it is free again
        pass
