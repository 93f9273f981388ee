"""Pieces, and the room that they may take."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.errors import ConfigError, SinkError
from perception.health.types import Health, Level, NodeState
from perception.scene import Signal
from perception.sinks.encoders import X264
from perception.sinks.folder import FolderOptions
from perception.sinks.limits import Limits
from perception.sinks.registry import SINKS, open_sink
from perception.sinks.segments import Budget, next_dated
from tests.media import read_video
from tests.sinks.conftest import MakeScene

NAME = re.compile(r"out-\d{8}T\d{6}Z-(\d{4})\.mp4")
WELL = Health("front", NodeState.ACTIVE, Signal.OK, Level.OK)


def segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_segments_of_some_minutes(tmp_path: Path, make_scene: MakeScene) -> None:
    """27 frames, one each 5 s: those at 0 to 60, 65 to 125 and 130 s."""
    (tmp_path / "out.mp4").write_text("of another run")
    sink = open_sink(f"{tmp_path}/out.mp4?minutes=1", 25.0, DRIVE)
    for sequence in range(27):
        frame, scene = make_scene(sequence, stamp_ns=5 * 10**9 * sequence)
        sink.write(frame, scene, frame.image)
    sink.close()
    sink.close()  # does nothing
    seconds = [[round(at) for at, _ in read_video(segment)] for segment in segments(tmp_path)]
    assert seconds == [list(range(0, 61, 5)), list(range(0, 61, 5)), [0]]  # each counts from its own start
    assert [NAME.fullmatch(segment.name)[1] for segment in segments(tmp_path)] == ["0001", "0002", "0003"]  # type: ignore[index]
    assert (tmp_path / "out.mp4").read_text() == "of another run"


def test_segments_of_some_bytes_within_bounds(tmp_path: Path, make_scene: MakeScene) -> None:
    """Each frame of noise takes some 10 to 20 kB: the newest half megabyte of them stays."""
    (tmp_path / "out-mine.mp4").write_bytes(b"")
    (tmp_path / "inner-out-20200101T000000Z-0001.mp4").write_bytes(b"")
    old = tmp_path / "out-20200101T000000Z-0041.mp4"
    old.write_bytes(bytes(300_000))
    sink = open_sink(f"{tmp_path}/out.mp4?megabytes=0.1&keep=0.5MB", 5.0, DRIVE)
    largest, noise = 0, np.random.default_rng(0)
    for sequence in range(60):
        frame, scene = make_scene(sequence, stamp_ns=10**9 * sequence)
        sink.write(frame, scene, noise.integers(0, 256, (96, 160, 3), np.uint8))
        largest = max(largest, size(tmp_path))
    sink.close()
    assert 300_000 < largest <= 500_000 + 30_000  # a fragment, here one frame, and an index
    assert not old.exists()
    left = segments(tmp_path)
    numbers = [int(NAME.fullmatch(segment.name)[1]) for segment in left]  # type: ignore[index]
    assert numbers == list(range(numbers[0], numbers[0] + len(left))) and numbers[0] > 42
    for segment in left[:-1]:
        assert 100_000 <= segment.stat().st_size < 200_000
        assert read_video(segment)
    assert {"out-mine.mp4", "inner-out-20200101T000000Z-0001.mp4"} <= {one.name for one in tmp_path.iterdir()}


def test_nothing_of_an_earlier_run_is_overwritten(tmp_path: Path, make_scene: MakeScene) -> None:
    before: dict[Path, bytes] = {}
    for _ in range(3):
        sink = open_sink(f"{tmp_path}/out.mp4?megabytes=5", 25.0, DRIVE)
        frame, scene = make_scene(0)
        sink.write(frame, scene, frame.image)
        sink.close()
        assert all(path.read_bytes() == content for path, content in before.items())
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 3


def test_without_a_frame_no_segment_is_left(tmp_path: Path) -> None:
    open_sink(f"{tmp_path}/out.mp4?keep=1GB", 25.0, DRIVE).close()
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_segments_that_play(tmp_path: Path) -> None:
    """Another process writes, prints how many frames, and is killed."""
    code = """
import sys
import numpy as np
from perception.classes import DRIVE
from perception.frame import Frame
from perception.scene import Status, unknown_scene
from perception.sinks.registry import open_sink
noise = np.random.default_rng(0)
sink = open_sink(sys.argv[1], 25.0, DRIVE)
for number in range(10**6):
    frame = Frame(noise.integers(0, 256, (96, 160, 3), np.uint8), number * 200_000_000, sequence=number)
    sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
    print(number + 1, flush=True)
"""
    uri = f"{tmp_path}/out.mp4?megabytes=0.3"
    with subprocess.Popen([sys.executable, "-c", code, uri], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        written = next(int(line) for line in process.stdout if int(line) == 40)
        os.kill(process.pid, signal.SIGKILL)
    played = [len(read_video(segment)) for segment in segments(tmp_path)]
    assert len(played) >= 2 and all(played)
    assert sum(played) >= written - 3  # half a second of 5 a second


def test_a_folder_keeps_the_newest_frames(tmp_path: Path, make_scene: MakeScene) -> None:
    (tmp_path / "mine.txt").write_bytes(bytes(1000))
    sink = open_sink(f"{tmp_path}/?keep=100kB", 25.0, DRIVE)
    largest = 0
    for sequence in range(80):
        frame, scene = make_scene(sequence)
        sink.write(frame, scene, frame.image)
        sink.write_health(replace(WELL, published=sequence))
        largest = max(largest, size(tmp_path) - 1000)
    sink.close()
    assert 50_000 < largest <= 100_000
    stems = sorted({path.name.split(".")[0] for path in tmp_path.glob("0*")})
    assert stems == [f"{number:06d}" for number in range(80 - len(stems), 80)] and len(stems) > 5
    for stem in stems:  # each frame is whole
        assert {path.name for path in tmp_path.glob(f"{stem}.*")} == {
            f"{stem}.{kind}" for kind in ("labels.png", "instances.png", "overlay.jpg")
        }
    for name in ("scenes", "health"):
        files = [*sorted(tmp_path.glob(f"{name}-*.jsonl")), tmp_path / f"{name}.jsonl"]
        assert len(files) > 1
        key = "sequence" if name == "scenes" else "published"
        numbers = [json.loads(line)[key] for file in files for line in file.open()]
        assert numbers == list(range(80 - len(numbers), 80))

    # A second run: the old frames count, and go first; the lines of the first are laid aside.
    sink = open_sink(f"{tmp_path}/?keep=100kB", 25.0, DRIVE)
    frame, scene = make_scene(500)
    sink.write(frame, scene, frame.image)
    assert [json.loads(line)["sequence"] for line in (tmp_path / "scenes.jsonl").open()] == [500]
    for sequence in range(501, 540):
        frame, scene = make_scene(sequence)
        sink.write(frame, scene, frame.image)
    sink.close()
    assert size(tmp_path) - 1000 <= 100_000
    assert not list(tmp_path.glob("0000*.labels.png")) and (tmp_path / "000539.labels.png").exists()


def test_an_old_segment_that_cannot_be_removed_is_reported(tmp_path: Path, make_scene: MakeScene) -> None:
    (tmp_path / "out-20200101T000000Z-0001.mp4").mkdir()
    (tmp_path / "out-20200101T000000Z-0001.mp4" / "x").write_bytes(b"")
    sink = open_sink(f"{tmp_path}/out.mp4?keep=1kB", 25.0, DRIVE)
    frame, scene = make_scene(0)
    with pytest.raises(SinkError, match=r"0001\.mp4 cannot be written \(Is a directory\)"):
        sink.write(frame, scene, frame.image)
    sink.close()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("out.mp4?minutes=0", "minutes = '0' is refused; allowed are numbers above 0"),
        ("out.mp4?minutes=ten", "minutes = 'ten' is refused; allowed are numbers above 0"),
        ("out.mp4?minutes=", "minutes = '' is refused"),
        ("out.mp4?megabytes=-1", "megabytes = '-1' is refused; allowed are numbers above 0"),
        ("out.mp4?keep=20", "keep = '20' is refused; allowed are sizes such as 500MB or 20GB"),
        ("out.mp4?keep=0GB", "keep = '0GB' is refused"),
        ("out.mp4?keep=nanGB", "keep = 'nanGB' is refused"),
        (
            "out.mp4?megabytes=500&keep=20MB",
            "megabytes = 500 is refused; allowed is what fits into keep = 20MB",
        ),
        ("out.mp4?hours=1", "unknown option hours; known are minutes, megabytes, keep"),
        ("out.mp4?minutes=1&minutes=2", "minutes is given twice"),
        ("labels/?minutes=1", "unknown option minutes; known are keep"),
        ("labels?keep=x", "keep = 'x' is refused"),
        ("web:8080", "not a live page's address"),
        ("web://0.0.0.0:8080", "can be reached by others"),
        ("ftp://host/out.mp4", r"unknown kind ftp://; a sink is .*web://"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_opened(uri: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SINKS.parse(uri)


@pytest.mark.parametrize(
    ("uri", "limits"),
    [
        ("out.mp4", Limits()),
        ("out.mp4?megabytes=1.5", Limits(segment=1_500_000)),
        ("out.mp4?minutes=10&keep=20GB", Limits(10, 10**10, 20 * 10**9)),
        ("out.mp4?keep=20GB", Limits(segment=10**9, keep=20 * 10**9)),
        ("labels/?keep=5tb&masks=rle", FolderOptions(Limits(segment=25 * 10**10, keep=5 * 10**12), "rle")),
    ],
)
def test_limits(uri: str, limits: Limits | FolderOptions) -> None:
    assert SINKS.parse(uri).options == ((limits, X264, "overlay") if isinstance(limits, Limits) else limits)


def test_the_number_goes_on_where_the_clock_was_set_back(tmp_path: Path) -> None:
    (tmp_path / "out-20991231T235959Z-0007.mp4").write_bytes(b"")
    assert next_dated(tmp_path / "out.mp4").name.endswith("Z-0008.mp4")


@given(
    limit=st.integers(1, 50),
    notes=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 30)), max_size=40),
)
def test_a_budget_holds_and_the_newest_stay(limit: int, notes: list[tuple[int, int, int]]) -> None:
    """Against a plain list of groups: the newest stays, and as many before it as fit."""

    class File:
        def __init__(self, name: tuple[int, int]) -> None:
            self.name = name

        def __hash__(self) -> int:
            return hash(self.name)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, File) and self.name == other.name

        def unlink(self, missing_ok: bool) -> None:
            del disk[self.name]

    disk: dict[tuple[int, int], int] = {}
    order: list[int] = []
    budget = Budget(limit)
    for group, part, length in notes:
        disk[group, part] = length
        budget.note(str(group), File((group, part)), length)  # type: ignore[arg-type]
        order = [one for one in order if one != group] + [group]
        sizes = {one: sum(length for (of, _), length in disk.items() if of == one) for one in order}
        while sum(sizes[one] for one in order) > limit and order != [group]:
            order = order[1:]
        budget.trim()
        assert {one for one, _ in disk} == set(order)
        assert sum(disk.values()) == sum(sizes[one] for one in order)  # and each with all its files
