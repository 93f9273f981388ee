"""A folder's frames within a number of bytes: the oldest go first, and none costs memory."""

import json
import os
import tracemalloc
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from perception.sinks.jsonl import LineFile
from perception.sinks.kept_frames import KeptFrames

SIZE = 100


class Folder:
    """Frames of one file each, and the lines of scenes and health."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self._segment = folder, max(1, limit // 20)
        self.open(limit)

    def open(self, limit: int) -> None:
        """Another run."""
        scenes, healths = (
            LineFile(self.folder / name, segment=self._segment) for name in ("scenes.jsonl", "health.jsonl")
        )
        self.scenes, self.healths = scenes, healths
        self.kept = KeptFrames(
            self.folder,
            limit,
            scenes,
            healths,
            lambda stem: [self.folder / f"{stem}.png"],
            lambda name: name.endswith(".png"),
        )

    def write(self, stem: str, size: int = SIZE) -> None:
        self.kept.begin(stem)
        path = self.folder / f"{stem}.png"
        self.kept.replaces(path, size)
        path.write_bytes(bytes(size))
        self.line(self.scenes, {"stem": stem})

    def line(self, lines: LineFile, values: dict[str, str]) -> None:
        aside = lines.write(json.dumps(values).encode() + b"\n")
        if aside is not None:
            self.kept.renamed(aside)
        self.kept.trim()

    @property
    def frames(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.png"))

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())


def test_a_frame_that_is_kept_costs_no_memory(tmp_path: Path) -> None:
    """It was 1.4 kB each: 240 MB for 5 GB of frames."""
    one = Folder(tmp_path, 10**9)
    for number in range(500):
        one.write(f"{number:06d}")
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for number in range(500, 3500):
        one.write(f"{number:06d}")
    grown = tracemalloc.take_snapshot().compare_to(before, "filename")
    tracemalloc.stop()
    assert len(one.frames) == 3500
    assert sum(one.size_diff for one in grown) < 3000 * 4  # bytes


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=60), st.integers(300, 3000))
def test_the_newest_stay_within_the_limit(writes: list[tuple[int, bool]], limit: int) -> None:
    """Whatever their sizes, and over several runs, each with stems of its own."""
    import tempfile  # noqa: PLC0415 - hypothesis allows no fixture of a test

    with tempfile.TemporaryDirectory() as name:
        one = Folder(Path(name), limit)
        stems = []
        for number, (size, again) in enumerate(writes):
            if again:
                one.kept.close()
                one.scenes.close()
                one.open(limit)
            stems.append(f"{number:06d}")
            one.write(stems[-1], size)
            assert one.frames == stems[-len(one.frames) :]  # the newest ones
            assert one.bytes <= limit or len(one.frames) == 1


def test_files_of_before_that_no_line_lists_go_first(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / f"old{number}.png"
        path.write_bytes(bytes(SIZE))
        os.utime(path, (1000 + number, 1000 + number))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "mine.txt").write_bytes(b"")
    one = Folder(tmp_path, 8 * SIZE)
    assert "empty" not in one.frames
    for number in range(20):
        one.write(f"{number:06d}")
        left = [name for name in one.frames if name.startswith("old")]
        assert left == [f"old{number}" for number in range(5 - len(left), 5)]
        assert not left or "000000" in one.frames
    assert not left and one.frames[-1] == "000019"
    assert (tmp_path / "mine.txt").exists()


def test_a_frame_of_this_run_outlives_the_line_of_an_earlier_one_of_its_name(tmp_path: Path) -> None:
    one = Folder(tmp_path, 10**6)
    for number in range(3):
        one.write(f"{number:06d}")
    for path in tmp_path.iterdir():
        os.utime(path, (1000, 1000))
    one.scenes.close()
    one.open(8 * SIZE)
    one.write("000000")
    one.kept._limit = 1
    one.write("000001")
    assert one.frames == ["000001"]
    one.kept._limit = 10**6
    one.write("000000")
    one.write("000002")
    assert one.frames == ["000000", "000001", "000002"]


def test_lines_of_health_are_bounded_where_no_frame_comes(tmp_path: Path) -> None:
    """A camera that is away for weeks: its health is written each second."""
    limit = 20_000
    one = Folder(tmp_path, limit)
    for number in range(50):
        one.write(f"{number:06d}")
    for number in range(2000):
        one.line(one.healths, {"state": f"silent for {number} s"})
        assert one.bytes <= limit
    assert one.frames == ["000049"]


def test_a_line_that_leads_elsewhere_removes_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"stays")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/scenes.jsonl").write_text('{"stem": "../outside"}\nnonsense\n{"stem": 3}\n')
    one = Folder(tmp_path / "in", 3 * SIZE)
    for number in range(9):
        one.write(f"{number:06d}")
    assert outside.read_bytes() == b"stays"
    assert one.frames[-1] == "000008" and len(one.frames) < 4
