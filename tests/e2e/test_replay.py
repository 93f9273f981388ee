"""A recording gives the same scenes each time, and `perception diff` says so of two runs."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COMMAND, Perception
from tests.media import picture, write_video
from tests.servers.control import ROOT

CLIP = ROOT / "tests/replay/clip.mp4"


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording and a simulated drive, perceived by the shipped model on one worker, and again on two."""
    folder = tmp_path_factory.mktemp("drives")
    for workers in (1, 2):
        profile = {
            "cameras": {"clip": str(CLIP), "sim": "sim:?size=320x192&rate=10&frames=6&seed=6&scene=town"},
            "sinks": [f"{{camera}}-{workers}/"],
            "engine": "onnx-cpu",
            "workers": workers,
        }
        (folder / "replay.yaml").write_text(json.dumps(profile))  # JSON is YAML
        words: list[str | Path] = [COMMAND, "run", "--config", "replay.yaml", "--json"]
        done = subprocess.run(words, cwd=folder, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        for report in json.loads(done.stdout).values():
            assert report["captured"] == report["published"] >= 6
    return folder


def diff(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "diff", *arguments], cwd=folder, check=False, capture_output=True, text=True, timeout=60
    )


def left(folder: Path) -> dict[str, Any]:
    """The maps as bytes, and the lines but for what the clock says."""
    maps = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    lines = [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]
    return {
        **maps,
        "lines": [{**line, "age_ms": 0, "timings_ms": list(line["timings_ms"])} for line in lines],
    }


@pytest.mark.parametrize("name", ["clip", "sim"])
def test_a_recording_gives_the_same_bytes_on_any_number_of_workers(name: str, drives: Path) -> None:
    one, two = left(drives / f"{name}-1"), left(drives / f"{name}-2")
    assert any(line["instances"] for line in one["lines"])
    assert two == one
    done = diff(drives, f"{name}-1", f"{name}-2")
    assert done.returncode == 0, done.stdout
    assert "within the bar: identical 100.0000%" in done.stdout


def test_another_model_is_told_from_the_same_one(run: Perception, drives: Path, tmp_path: Path) -> None:
    assert run(CLIP, "colour/").returncode == 0
    done = diff(tmp_path, str(drives / "clip-1"), "colour", "--labels", "0.99", "--worst", "1", "worst")
    assert done.returncode == 1 and done.stderr == ""
    assert "BEYOND the bar: frames 100.0000%, at least 100.0000%: ok; labels" in done.stdout
    assert len(list((tmp_path / "worst").iterdir())) == 1
    wrong = diff(tmp_path, "colour", "nothing")
    assert wrong.returncode == 2 and wrong.stderr.startswith("perception: nothing: no such file or folder")


def test_in_real_time_it_takes_its_own_time_and_says_the_same(run: Perception, tmp_path: Path) -> None:
    write_video(tmp_path / "drive.mp4", [picture(index, 96, 160) for index in range(30)], rate=15)
    assert run("drive.mp4", "quick/", "--no-tracks").returncode == 0  # which follow the frame before
    start, options = time.monotonic(), ("--no-tracks", "--realtime", "--max-age", 60000)
    assert run("drive.mp4", "paced/", *options).returncode == 0
    assert time.monotonic() - start > 29 / 15
    quick, paced = left(tmp_path / "quick"), left(tmp_path / "paced")
    lines = {line["sequence"]: line for line in quick["lines"]}
    assert len(paced["lines"]) > 20  # a busy machine may drop some
    assert all(line == lines[line["sequence"]] for line in paced.pop("lines"))
    assert all(data == quick[name] for name, data in paced.items())
