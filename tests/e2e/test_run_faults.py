"""What the installed command says, and keeps, when it cannot do what it should."""

import json
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from perception.bundle.bundle import Bundle
from tests.e2e.conftest import Perception
from tests.media import (
    read_image,
    read_video,
    truth,
    write_images,
    write_video,
)


def labels(folder: Path, stem: str) -> npt.NDArray[np.uint8]:
    return read_image(folder / f"{stem}.labels.png")


def sequences(folder: Path) -> list[int]:
    return [json.loads(line)["sequence"] for line in (folder / "scenes.jsonl").open()]


def limit_files(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_bad_files_in_a_folder_are_counted_and_named(run: Perception, tmp_path: Path) -> None:
    drive = write_images(tmp_path / "drive", 4)
    (drive / "0001.png").write_bytes(b"")
    (drive / "0002.png").write_text("no image")
    (drive / "readme.txt").write_text("rain")
    done = run("drive", "labels")
    assert done.returncode == 0
    for word in (
        "4 captured = 2 published + 2 dropped",
        "2 undecodable",
        "0001.png: empty file",
        "passed over 1 file that is no image",
    ):
        assert word in " ".join(done.stdout.split())
    assert sequences(tmp_path / "labels") == [0, 3]


def test_truncated_video_keeps_the_frames_up_to_the_cut(run: Perception, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 160, 3), np.uint8) for _ in range(40)]
    video = write_video(tmp_path / "drive.mp4", noise)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    done = run("drive.mp4", "labels", "out.mp4")
    assert done.returncode == 1
    kept = sequences(tmp_path / "labels")
    assert f"cut off after {len(kept)} of 40 frames" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert 10 < len(kept) < 30 and kept == list(range(len(kept)))
    assert len(read_video(tmp_path / "out.mp4")) == len(kept)
    assert f"{len(kept)} published" in done.stdout


def test_full_disk_in_mid_run_keeps_what_was_written(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 60)
    done = run("drive", "labels", "--json", preexec_fn=limit_files(60_000))
    assert done.returncode == 1
    assert "cannot be written (File too large)" in done.stderr
    report = json.loads(done.stdout)
    assert report["captured"] == report["published"] + sum(report["dropped"].values())
    assert "File too large" in report["failure"]
    [sink] = report["sinks"]
    assert sink["lost"]["File too large"] == report["published"] - sink["written"] > 0
    kept = sequences(tmp_path / "labels")
    assert kept == list(range(sink["written"]))
    for sequence in kept:
        assert labels(tmp_path / "labels", f"{sequence:04d}").tobytes() == truth(sequence).tobytes()


@pytest.mark.parametrize("sink", ["file/labels/", "file/out.mp4", "/proc/none/labels/", "/proc/out.mp4"])
def test_a_sink_that_cannot_be_written_is_told_before_any_work(
    run: Perception, tmp_path: Path, sink: str
) -> None:
    write_images(tmp_path / "drive", 1)
    (tmp_path / "file").write_text("")
    done = run("drive", sink)
    assert done.returncode == 1
    assert done.stderr.startswith("perception: sink ") and "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["none.mp4", "out.mp4"], 1, "none.mp4: no such file"),
        (["text.mp4", "out.mp4"], 1, "not a readable video"),
        (["empty", "out.mp4"], 1, "no image in this folder"),
        (["drive", "out.gif"], 2, "unknown kind .gif"),
        (["drive", "out.mp4", "./out.mp4"], 2, "twice"),
        (["drive", "drive/"], 2, "would overwrite the source"),
        (["drive", "out.mp4", "--engine", "warp"], 2, "allowed are auto"),
        (["drive", "out.mp4", "--frames", "0"], 2, "frames = 0"),
        (["drive", "out.mp4", "--frames", "many"], 2, "--frames"),
        (["drive", "out.mp4", "--config", "bad.yaml"], 2, "unknown key modle"),
        (["drive", "out.jpg"], 2, "source drive gives 2 frames"),
        (["-", "out.mp4"], 2, "source -: standard input and output are none"),
        (["drive", "-"], 2, "sink -: standard input and output are none"),
        (["drive", "out.mp4", "--speed"], 2, "--speed"),
    ],
)
def test_wrong_use_is_told(
    run: Perception, tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    write_images(tmp_path / "drive", 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "bad.yaml").write_text("modle: drive\n")
    done = run(*arguments)
    assert done.returncode == status
    assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "out.mp4").exists()


def test_wrong_use_takes_nothing_of_an_earlier_run(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 2)
    assert run("drive", "labels", "out.mp4").returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "file").write_text("")
    assert run("drive", "labels", "out.mp4", "new", "out.avi").returncode == 2
    assert not (tmp_path / "new").exists()
    assert run("drive", "labels", "out.mp4", "file/labels/").returncode == 1
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_in_the_place_of_a_file_is_told(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 1)
    (tmp_path / "labels/0000.labels.png").mkdir(parents=True)
    done = run("drive", "labels")
    assert done.returncode == 1
    assert done.stderr.endswith("0000.labels.png cannot be written (Is a directory)\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_bundle_is_refused_and_nothing_is_overwritten(
    run: Perception, tmp_path: Path, colour_bundle: Bundle
) -> None:
    write_images(tmp_path / "drive", 1)
    (tmp_path / "out.mp4").write_bytes(b"an older video")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for path in colour_bundle.folder.iterdir():
        (bundle / path.name).write_bytes(path.read_bytes())
    with (bundle / "model.onnx").open("ab") as model:
        model.write(b"\0")
    done = run("drive", "out.mp4", model=bundle)
    assert done.returncode == 1
    assert "model.onnx" in done.stderr and "sha256" in done.stderr
    assert (tmp_path / "out.mp4").read_bytes() == b"an older video"


def test_a_folder_of_which_no_image_can_be_read_fails_with_the_reason(
    run: Perception, tmp_path: Path
) -> None:
    (tmp_path / "drive").mkdir()
    for index in range(3):
        (tmp_path / f"drive/{index}.png").write_bytes(b"")
    done = run("drive", "labels/", "--json")
    why = "source drive: 3 of 3 frames were dropped (3 undecodable); the first: drive/0.png: empty file"
    assert (done.returncode, done.stderr) == (1, f"perception: {why}\n")
    report = json.loads(done.stdout)
    assert (report["failure"], report["captured"], report["published"]) == (why, 3, 0)
