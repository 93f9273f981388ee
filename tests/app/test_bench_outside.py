"""`perception bench --live` and `--against`: real processes, measured by what they write and use."""

import io
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from perception.app.bench import read_frames
from perception.app.bench.against import Duel, Side, against
from perception.app.bench.cameras import KINDS, camera
from perception.app.bench.live import LiveBenchmark, Row, Watched, measure_live
from perception.app.bench.outside import count_frames, ours, parse_command, run
from perception.app.cli import app
from perception.bundle.bundle import Bundle
from perception.errors import ConfigError
from tests.servers.pictures import number_of, numbered
from tests.sources.live import Reading, live_source

SLOW = "import time,sys,pathlib; time.sleep({}); p=pathlib.Path(sys.argv[2]); (p / 'a.png').write_bytes(b'x')"


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("drive")
    for number in range(8):
        cv2.imwrite(str(folder / f"{number}.png"), numbered(number, 192, 320))
    return f"{folder}?rate=20"


def test_frames_are_counted_out_of_what_was_written(tmp_path: Path) -> None:
    assert count_frames(tmp_path) == 0
    for stem in ("000001", "000002", "000003"):
        for ending in ("labels.png", "overlay.jpg"):
            (tmp_path / f"{stem}.{ending}").write_bytes(b"")
    (tmp_path / "000004.labels.png").write_bytes(b"")
    (tmp_path / "scenes.jsonl").write_bytes(b"")
    assert count_frames(tmp_path) == 4
    (tmp_path / "deep").mkdir()
    with av.open(str(tmp_path / "deep/a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for _ in range(7):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert count_frames(tmp_path) == 7


def test_a_run_is_measured_by_what_the_system_knows(tmp_path: Path) -> None:
    code = "a = bytearray(150_000_000); sum(range(4_000_000)); import time; time.sleep(0.3);" + SLOW.format(0)
    spent = run([sys.executable, "-c", code, "in", str(tmp_path)], tmp_path)
    assert spent.frames == 1
    assert 150 < spent.peak_mb < 200
    assert 0.03 < spent.cpu_s < spent.seconds
    assert 0.3 < spent.first_s <= spent.seconds


def test_a_lock_is_no_output(tmp_path: Path) -> None:
    code = "import sys, pathlib; (pathlib.Path(sys.argv[2]) / '.a.lock').write_text('1');" + SLOW.format(0.3)
    spent = run([sys.executable, "-c", code, "in", str(tmp_path)], tmp_path)
    assert 0.3 < spent.first_s <= spent.seconds


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-program"], "no-such-program cannot be run: no such program"),
        ([sys.executable, "-c", "raise SystemExit('out of luck')"], "ended with 1: out of luck"),
        ([sys.executable, "-c", "print('nothing to do')"], "wrote no video and no picture: nothing to do"),
    ],
)
def test_a_command_that_measures_nothing_is_an_error(command: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        run(command, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yolo {source}", r"{out} is not in"),
        ("yolo", r"{source} and {out} is not in"),
        ("yolo '{source} {out}", "is no command line: No closing quotation"),
    ],
)
def test_a_command_needs_its_places(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        parse_command(text)
    assert parse_command("a 'b {source}' c={out}") == ["a", "b {source}", "c={out}"]


def test_another_command_runs_in_turn_with_ours_on_the_same_source() -> None:
    quick, slow = ([sys.executable, "-c", SLOW.format(s), "{source}", "{out}"] for s in (0.0, 0.25))
    turns: list[int] = []
    duel = against(slow, quick, "some.mp4", lambda all_: [turns.append(one) or one for one in all_])  # type: ignore[func-returns-value]
    assert len(turns) == 8
    assert duel.ours.first_s + 0.2 < duel.theirs.first_s
    assert duel.ratios["fps"] == duel.ours.fps / duel.theirs.fps > 1.5
    assert (duel.ours.frames, duel.theirs.frames) == (1, 1)


def test_the_ratio_is_that_of_the_figures_next_to_it() -> None:
    sides = Side("perception", 30.0, 0.5, 40.0, 300.0, 90), Side("yolo", 4.0, 2.0, 420.0, 900.0, 89)
    duel = Duel("drive.mp4", 2, *sides)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(duel.table())
    cells = [[c.strip() for c in line.split("│")[1:-1]] for line in console.export_text().splitlines()]
    assert ["frames/s, from start to end", "30.0", "4.0", "7.50"] in cells
    assert ["CPU ms a frame", "40.0", "420.0", "0.10"] in cells
    assert ["s to the first bytes written", "0.50", "2.00", "0.25"] in cells
    assert json.loads(json.dumps(duel.as_json()))["ratios"]["peak_mb"] == 300 / 900


@pytest.mark.parametrize("kind", KINDS)
def test_the_cameras_send_their_pictures_in_order_at_their_rate(kind: str, drive: str) -> None:
    some = read_frames(drive, 8)
    with camera(kind, KINDS[kind][0](some, 20), 20) as address, Reading(live_source(address)) as reading:
        frames = reading.more(20)
    numbers = [number_of(frame.image) for frame in frames]
    assert [(after - before) % 8 for before, after in pairwise(numbers)] == [1] * 19
    seconds = (frames[-1].stamp_ns - frames[0].stamp_ns) / 1e9
    assert 0.85 < seconds < 1.1


def test_a_watched_node_is_measured_on_both_cameras(
    colour_bundle: Bundle, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception.app.bench.live.WARM_S", 0.2)
    node = ours("{source}", "{out}", "--model", str(colour_bundle.folder), "--engine", "onnx-cpu", "--quiet")
    found = measure_live(node, [], drive, 20, [20.0])
    assert [(row.camera, row.rate, row.node) for row in found.rows] == [
        ("mjpeg", 20.0, "ours"), ("rtsp", 20.0, "ours")
    ]  # fmt: skip
    for row in found.rows:
        assert 0.5 < row.published < 1.2
        assert 0 < row.viewed < 2  # of a busy machine, a viewer gets some of before, too
        assert 0 < row.age_ms[0] <= row.age_ms[1] <= row.age_ms[2] < 1000
        assert 0 < row.cpu_ms < 200
    assert json.loads(json.dumps(found.as_json()))["size"] == [192, 320]


def test_live_rows_are_sums_over_turns_and_ratios_those_of_what_is_shown() -> None:
    seen = Watched(100, 90, 5, 1.8, [10.0] * 40)
    seen.add(Watched(100, 70, 3, 3.0, [30.0] * 40))
    row = Row.of("mjpeg", 30.0, "ours", seen)
    assert row == Row("mjpeg", 30.0, "ours", 0.8, 0.5, 0.1, (20.0, 30.0, 30.0), 30.0)
    other = Row("mjpeg", 30.0, "theirs", 0.8, 0.5, 0.0, (40.0, 1060.0, 1120.0), 60.0)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(LiveBenchmark("drive.mp4", (720, 1280), 2, 300, (row, other)).table())
    text = console.export_text()
    assert "mjpeg 30 Hz, ours/theirs: CPU 0.50, age p50 0.50, p99 0.03" in text
    assert "│ mjpeg  │ 30 │ theirs │  80.0% │  50.0% │  0.0% │  40 │ 1060 │ 1120 │   60.0 │" in text


def test_a_viewer_that_gets_no_scene_in_time_is_an_error(
    colour_bundle: Bundle, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception.app.bench.live.WARM_S", 0.2)
    node = ours("{source}", "{out}", "--model", str(colour_bundle.folder), "--engine", "onnx-cpu", "--quiet")
    with pytest.raises(ConfigError, match=r"no scene on its page in 0\.0 s; measure for longer, by --frames"):
        measure_live(node, [], drive, 0, [20.0])


def test_a_node_that_ends_is_an_error_at_once(drive: str) -> None:
    node = [sys.executable, "-c", "raise SystemExit('no camera')", "{source}", "{out}"]
    with pytest.raises(ConfigError, match="it has ended with 1: no camera"):
        measure_live(node, [], drive, 20, [20.0])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rate", "10"], "--rate: only with --live or --bus"),
        (["--sink", "labels/"], "--sink: only with --against"),
        (["--live", "--sink", "labels/"], "--sink: only with --against"),
        (["--against", "x {source} {out}", "--size", "64x64"], "--size: only with --compare"),
        (["--compare", "--live"], "--compare: not with --live"),
        (["--compare", "--against", "x"], "--compare: not with --against"),
        (["--compare", "--bus", "shm:a"], "--compare: not with --bus"),
        (["--live", "--bus", "shm:a"], "--bus: not with --live"),
        (["--bus", "labels/"], "--bus labels/: measured are shm:"),
        (["--against", "x"], "is not in 'x'"),
        (["a.mp4", "--against", "x {source} {out}", "--frames", "3"], "--frames: with --against a recording"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(flags: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["bench", *flags])
    assert isinstance(result.exception, ConfigError)
    assert words in str(result.exception)


def test_the_command_shows_the_duel(
    drive: str, colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception.app.bench.against.TURNS", 1)
    theirs = f'{sys.executable} -c "{SLOW.format(0)}" {{source}} {{out}}'
    flags = ["--model", str(colour_bundle.folder), "--engine", "onnx-cpu", "--sink", "labels/", "--json"]
    result = CliRunner().invoke(app, ["bench", drive, "--against", theirs, *flags])
    assert result.exception is None
    shown = json.loads(result.stdout)
    assert (shown["ours"]["frames"], shown["theirs"]["frames"]) == (8, 1)
