"""Ctrl-C and SIGTERM: what is in hand is finished, every file plays, and the exit status says so."""

import json
import signal
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from perception.errors import SourceError
from perception.sources.registry import open_source
from tests.e2e.conftest import Start
from tests.media import picture, read_video, write_video

COUNT = 400


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "drive.mp4"
    return write_video(path, [picture(index, 192, 320) for index in range(COUNT)])


def wait_for_scenes(folder: Path, count: int) -> None:
    lines = folder / "scenes.jsonl"
    deadline = time.monotonic() + 120
    while not lines.exists() or len(lines.read_bytes().splitlines()) < count:
        assert time.monotonic() < deadline, "no scene came"
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_in_order(
    start: Start, tmp_path: Path, drive: Path, number: signal.Signals, status: int
) -> None:
    # At the recording's pace it takes 16 s: the signal comes in the middle of it on any machine.
    process = start(drive, "labels", "out.mp4", "--realtime", "--json")
    wait_for_scenes(tmp_path / "labels", 5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "perception: " not in err and "Traceback" not in err  # it may warn of a busy machine
    report = json.loads(out)
    assert 5 <= report["published"] < COUNT
    assert report["captured"] == report["published"] + sum(report["dropped"].values())
    assert set(report["dropped"]) <= {"superseded"}
    scenes = [json.loads(line) for line in (tmp_path / "labels" / "scenes.jsonl").open()]
    frames = read_video(tmp_path / "out.mp4")
    labels, video = report["sinks"]
    assert (len(scenes), len(frames)) == (labels["written"], video["written"])
    for sink in (labels, video):
        assert sink["written"] + sum(sink["lost"].values()) == report["published"]
    if not labels["lost"] and not video["lost"]:
        assert [round(1000 * seconds) for seconds, _ in frames] == [
            round((scene["stamp_ns"] - scenes[0]["stamp_ns"]) / 1e6) for scene in scenes
        ]


def test_the_table_is_printed_after_a_signal(start: Start, tmp_path: Path, drive: Path) -> None:
    process = start(drive, "labels", "--realtime")
    wait_for_scenes(tmp_path / "labels", 2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "captured =" in out and "end_to_end" in out


def test_two_signals_in_one_moment_are_one_wish(start: Start, tmp_path: Path, drive: Path) -> None:
    """As `timeout` sends them: to the process, and then to its group."""
    process = start(drive, "labels", "--realtime", "--json")
    wait_for_scenes(tmp_path / "labels", 5)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    report = json.loads(out)
    assert report["captured"] == report["published"] + sum(report["dropped"].values())


@pytest.mark.parametrize(("signals", "count"), [([signal.SIGKILL], 30), ([signal.SIGKILL], 100)])
def test_an_abrupt_end_leaves_a_video_that_plays(
    start: Start, tmp_path: Path, drive: Path, signals: list[signal.Signals], count: int
) -> None:
    """Nothing can be done at a SIGKILL, so it must have been done before: all but the last half second."""
    process = start(drive, "labels", "out.mp4", "--realtime")
    wait_for_scenes(tmp_path / "labels", count)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.001)  # two signals at once come in any order
    process.communicate(timeout=60)
    assert process.returncode in {-signals[-1], 128 + signals[0]}  # the first may have ended it already
    assert len(read_video_until_cut(tmp_path / "out.mp4")) >= count - 20


def read_video_until_cut(path: Path) -> list[object]:
    frames: list[object] = []
    source = open_source(str(path))
    with closing(source), suppress(SourceError):
        frames.extend(source)
    return frames
