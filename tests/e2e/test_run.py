"""Drives through the installed command: what goes in, and what comes out."""

import json
import os
import re
import termios
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.e2e.conftest import Perception, Start
from tests.media import (
    band_centres,
    passing,
    picture,
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


def test_images_to_labels_byte_for_byte_and_to_a_video(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 12)
    done = run("drive", "labels/", "out.mp4")
    assert done.returncode == 0, done.stderr
    for index in range(12):
        found = labels(tmp_path / "labels", f"{index:04d}")
        assert found.dtype == np.uint8
        assert found.tobytes() == truth(index).tobytes()
        instances = read_image(tmp_path / f"labels/{index:04d}.instances.png")
        assert instances.dtype == np.uint16
        for thing in (8, 9, 10):
            assert set(np.unique(instances[truth(index) == thing] // 1000)) == {thing}
        assert not instances[truth(index) < 8].any()
    assert sequences(tmp_path / "labels") == list(range(12))
    assert len(read_video(tmp_path / "out.mp4")) == 12
    for word in (
        "12 captured = 12 published + 0 dropped",
        "labels/: 12 written",
        "p95",
        "end_to_end",
        "onnx-cpu",
    ):
        assert word in done.stdout
    assert done.stderr == ""  # a progress bar is for terminals


def test_on_a_terminal_the_report_begins_below_the_progress_bar(start: Start, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 12)
    here, there = os.openpty()
    termios.tcsetwinsize(there, (24, 80))
    process = start("drive", "labels/", "out.mp4", stdout=there, stderr=there)
    os.close(there)
    shown = b""
    with suppress(OSError):  # EIO: its end is closed
        while data := os.read(here, 1 << 16):
            shown += data
    assert process.wait() == 0
    bar, _, report = shown.decode().rpartition("\x1b[2K")  # erase the line
    assert "12/12" in bar and "source" not in bar
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in report.splitlines()]
    assert lines[0].split() == ["source", "front", "drive"] and max(map(len, lines)) <= 80


def test_video_to_labels_and_video_with_its_stamps(run: Perception, tmp_path: Path) -> None:
    stamps = [0, 40, 80, 200, 240, 600]
    write_video(tmp_path / "drive.mp4", [picture(index) for index in range(6)], stamps)
    done = run("drive.mp4", "out.mp4", "labels", "--json")
    report = json.loads(done.stdout)
    assert (report["captured"], report["published"], report["dropped"]) == (6, 6, {})
    for index in range(6):
        assert band_centres(labels(tmp_path / "labels", f"{index:06d}")) == band_centres(truth(index))
    assert [round(1000 * seconds) for seconds, _ in read_video(tmp_path / "out.mp4")] == stamps
    lines = [json.loads(line) for line in (tmp_path / "labels/scenes.jsonl").open()]
    assert [line["stem"] for line in lines] == [f"{index:06d}" for index in range(6)]
    assert [round(line["stamp_ns"] / 1e6) for line in lines] == stamps


def test_a_picture_needs_no_sink_and_none_is_overwritten(run: Perception, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), picture(5))
    for place in ("runs/photo", "runs/photo-2"):
        done = run("photo.png")
        assert done.returncode == 0, done.stderr
        assert f"no sink is given; writes {place}/" in done.stderr
        assert (labels(tmp_path / place, "photo") == truth(5)).all()
    done = run("photo.png", "out.png", "labels/")
    assert (done.returncode, done.stderr) == (0, "")
    written = read_image(tmp_path / "labels/photo.overlay.jpg")
    assert np.abs(read_image(tmp_path / "out.png").astype(int) - written).mean() < 3  # JPEG's loss


def test_one_frame_of_a_video_as_a_picture(run: Perception, tmp_path: Path) -> None:
    write_video(tmp_path / "drive.mp4", [picture(0), picture(1)])
    done = run("drive.mp4", "out.jpg")
    assert done.returncode == 2 and "gives 2 frames" in done.stderr and "--frames 1" in done.stderr
    assert run("drive.mp4", "out.jpg", "--frames", "1").returncode == 0
    assert read_image(tmp_path / "out.jpg").shape == picture(0).shape


@pytest.mark.parametrize(("switch", "track"), [((), 1), (("--no-tracks",), None)])
def test_the_tracks_of_road_users_are_written(
    run: Perception, tmp_path: Path, switch: tuple[str, ...], track: int | None
) -> None:
    write_video(tmp_path / "drive.mp4", [passing(index) for index in range(8)])
    done = run("drive.mp4", "labels", "--json", *switch)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "labels/scenes.jsonl").open()]
    assert [[one["track"] for one in line["instances"]] for line in lines] == [[track]] * 8
    assert ("track" in json.loads(done.stdout)["stages"]) == (track is not None)


def test_frames_of_every_size_and_kind_go_through(run: Perception, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    sizes = {"a": (16, 16), "b": (17, 31), "c": (361, 481), "d": (2160, 3840), "e": (64, 900)}
    for name, size in sizes.items():
        cv2.imwrite(str(drive / f"{name}.png"), picture(0, *size))
    cv2.imwrite(str(drive / "f.png"), np.full((50, 70), 200, np.uint8))
    cv2.imwrite(str(drive / "g.png"), np.full((50, 70), 51400, np.uint16))
    cv2.imwrite(str(drive / "h.png"), np.full((50, 70, 4), 200, np.uint8))
    done = run("drive", "labels", "out.mp4")
    assert done.returncode == 0, done.stderr
    for name, size in sizes.items():
        found = labels(tmp_path / "labels", name)
        assert found.shape == size
        if min(size) >= 300:  # wide bands
            assert band_centres(found) == band_centres(truth(0, *size))
    assert {labels(tmp_path / "labels", name).tobytes() for name in "fgh"} == {
        labels(tmp_path / "labels", "f").tobytes()
    }
    assert {image.shape for _, image in read_video(tmp_path / "out.mp4")} == {(16, 16, 3)}


def test_the_table_explains_itself_and_the_json_tells_more(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 3)
    table = " ".join(run("drive", "labels", env=os.environ | {"COLUMNS": "200"}).stdout.split())
    # And why it was chosen: by time, of those that are installed here.
    assert re.search(r"engine colour 1 on (onnx-cpu|openvino): fastest ", table)
    assert "cannot run" not in table
    assert "CPU time" in table
    report = json.loads(run("drive", "labels", "--json").stdout)
    assert any("onnx-cpu-int8 cannot run: the bundle" in one for one in report["engines_passed_over"])


def test_a_profile_in_real_time_can_be_run_without(run: Perception, tmp_path: Path) -> None:
    """At its pace the drive would take 100 s."""
    write_video(tmp_path / "drive.mp4", [picture(index) for index in range(3)], [0, 50_000, 100_000])
    (tmp_path / "profile.yaml").write_text("realtime: true\n")
    done = run("drive.mp4", "labels", "--config", "profile.yaml", "--no-realtime", "--json")
    report = json.loads(done.stdout)
    assert report["published"] == 3
    assert report["seconds"] < 100


def test_a_profile_is_read_and_quiet_is_quiet(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 5)
    (tmp_path / "profile.yaml").write_text("source: drive\nsinks: [labels]\nframes: 2\n")
    done = run("--config", "profile.yaml", "--quiet", "--frames", 3)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sequences(tmp_path / "labels") == [0, 1, 2]


def test_nothing_is_detected_under_an_ego_mask(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 3)
    mask = np.zeros((96, 160), np.uint8)  # a quarter of the frames' size
    mask[72:, 40:120] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    done = run("drive", "labels/", "--ego-mask", "mask.png")
    assert done.returncode == 0, done.stderr
    inside = mask.repeat(4, 0).repeat(4, 1) > 0
    for index in range(3):
        found = labels(tmp_path / "labels", f"{index:04d}")
        np.testing.assert_array_equal(found, np.where(inside, 255, truth(index)))
        assert not read_image(tmp_path / f"labels/{index:04d}.instances.png")[inside].any()
    lines = [json.loads(line) for line in (tmp_path / "labels/scenes.jsonl").open()]
    assert [line["ego_mask"] for line in lines] == [0.125] * 3
    wrong = run("drive", "labels/", "--ego-mask", "drive")
    assert wrong.returncode == 2 and "ego mask drive: no such file" in wrong.stderr
    cv2.imwrite(str(tmp_path / "square.png"), mask[:, 32:128])
    square = run("drive", "square/", "--ego-mask", "square.png")
    assert square.returncode == 2 and not (tmp_path / "square").exists()
    said = " ".join(square.stderr.split())
    assert "ego mask: is 96×96, the frame 640×384; give one of the frame's aspect" in said
    unsure = run("drive", "labels/", "--ego-mask", "auto")
    assert unsure.returncode == 0, unsure.stderr
    assert "ego mask: 3 pictures are too few, at least 10; none is in force" in " ".join(
        unsure.stdout.split()
    )


def test_a_recording_in_a_loop_runs_until_it_is_told_to_end(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 3)
    done = run("drive", "labels", "--realtime", "--loop", "--frames", "8", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["captured"] == 8
