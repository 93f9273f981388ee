"""`perception calibrate mount` and `check`: the real network on the simulated camera, of known mount."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
import yaml

from calibration.checking import check_mount
from calibration.mount_command import check, mount
from calibration.mounting import Height, measure_mount
from perception.camera_info import CameraInfo, Mount
from perception.errors import ConfigError, PerceptionError, SourceError
from perception.geometry.calibration_file import Calibration, read_calibration, write_calibration
from perception.simulation import Drive, SimulationOptions

OPTIONS = SimulationOptions(
    seed=2004, size=(640, 360), rate=4.0, frames=26, weather="clear", time="day", scene="highway"
)
DRIVE = "sim:?seed=2004&size=640x360&rate=4&frames=26&weather=clear&time=day&scene=highway"
GIVEN = Height(1.4, 0.02, None)


def lens(options: SimulationOptions = OPTIONS) -> CameraInfo:
    camera = Drive(options).intrinsics
    k = camera.focal, 0.0, camera.cx, 0.0, camera.focal, camera.cy, 0.0, 0.0, 1.0
    r = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0
    return CameraInfo(
        camera.width, camera.height, "plumb_bob", (), k, r, (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the mount that the command measures."""
    file = tmp_path_factory.mktemp("mount") / "front.yaml"
    write_calibration(file, Calibration(lens(), None, "front left"))
    file.write_text("# mine\n" + file.read_text())
    mount(DRIVE, file, height=1.4, height_sd=0.01, engine="onnx-cpu")
    return file


@pytest.fixture
def front(tmp_path: Path) -> Path:
    """A file with the lens alone."""
    file = tmp_path / "front.yaml"
    write_calibration(file, Calibration(lens()))
    return file


@pytest.fixture
def dark(tmp_path: Path) -> Iterator[str]:
    """A drive on which there are no lanes."""
    folder = tmp_path / "dark"
    folder.mkdir()
    for k in range(3):
        cv2.imwrite(str(folder / f"{k}.png"), np.zeros((360, 640, 3), np.uint8))
    yield f"{folder}/"


def test_a_short_drive_gives_the_mount_of_the_simulated_camera(measured: Path) -> None:
    drive, found = Drive(OPTIONS), read_calibration(measured)
    poses = [drive.pose(k / OPTIONS.rate) for k in range(OPTIONS.frames)]
    side = -1.0 if poses[0].mirrored else 1.0
    assert found.info == lens() and found.name == "front left" and measured.read_text().startswith("# mine\n")
    assert found.mount is not None
    pitch, yaw = (np.mean([one.pitch for one in poses]), np.mean([-side * one.yaw for one in poses]))
    assert math.degrees(abs(found.mount.pitch - pitch)) < 0.15
    assert math.degrees(abs(found.mount.yaw - yaw)) < 0.3
    assert found.mount.pitch_sd < math.radians(0.25) and found.mount.yaw_sd < math.radians(0.5)
    assert (found.mount.height, found.mount.height_sd, found.mount.roll) == (1.4, 0.01, 0.0)
    written = yaml.safe_load(measured.read_text())["mount"]
    numbers = [value for value in written.values() if isinstance(value, float)]
    assert len(numbers) == 8 and all(value == round(value, 4) for value in numbers)
    assert found.mount.frames >= 20 and len(found.mount.date) == len("2026-11-29")


def test_the_same_drive_agrees_with_it_and_is_drawn(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(measured, DRIVE, tmp_path / "grid.png", frames=12, engine="onnx-cpu", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["warnings"] == [] and abs(said["pitch"]["off"]) < 0.2 and said["driven"]["frames"] == 12
    picture = cv2.imread(str(tmp_path / "grid.png"))
    assert picture is not None and picture.shape == (360, 640, 3)


def test_a_camera_that_was_moved_does_not_agree(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_calibration(measured)
    moved = tmp_path / "moved.yaml"
    assert found.mount is not None
    wrong = Mount(1.4, found.mount.pitch + math.radians(2), found.mount.yaw, pitch_sd=0.001, yaw_sd=0.002)
    write_calibration(moved, Calibration(found.info, wrong))
    with pytest.raises(typer.Exit) as left:
        check(moved, DRIVE, tmp_path / "grid.mp4", frames=12, engine="onnx-cpu", as_json=True)
    assert left.value.exit_code == 1
    report = json.loads(capsys.readouterr().out)
    assert report["pitch"]["off"] == pytest.approx(-2, abs=0.2)
    assert len(report["warnings"]) == 1 and report["warnings"][0].startswith("pitch is off by -")
    video = cv2.VideoCapture(str(tmp_path / "grid.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 12


def test_the_height_follows_from_the_width_of_the_lane(front: Path, tmp_path: Path) -> None:
    """The simulated lane is as wide as its lines are apart."""
    drive = Drive(OPTIONS)
    width = abs(drive.road.lines[0].d - drive.road.lines[4].d)
    output = tmp_path / "estimate.yaml"
    before = front.read_text()
    report = measure_mount(DRIVE, front, Height(None, 0.02, width), output, engine="onnx-cpu")
    assert report.mount.height == pytest.approx(drive.pose(0).height, rel=0.05)
    assert report.mount.height_sd == pytest.approx(0.085 * report.mount.height, rel=0.1)
    assert "up to 17 %" in report.notes[0] and "more seconds straight" in report.notes[1]
    written = read_calibration(output).mount
    assert front.read_text() == before and written is not None
    assert written.height == report.mount.height and written.pitch == pytest.approx(report.mount.pitch)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((None, None, None), "needs one of --height"),
        ((1.3, None, 3.5), "needs one of --height"),
        ((None, 0.1, 3.5), "--height-sd belongs to --height"),
        ((0.0, None, None), "--height 0: allowed are metres above 0, to 20"),
        ((132.0, None, None), "--height 132: allowed"),
        ((1.3, 2.0, None), "--height-sd 2: allowed"),
        ((None, None, 350.0), "--lane-width 350: allowed"),
    ],
)
def test_lengths_that_cannot_be_are_refused(given: tuple[float | None, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Height.of(*given)


def test_a_drive_without_lanes_is_refused_in_numbers(front: Path, dark: str) -> None:
    before = front.read_text()
    with pytest.raises(
        PerceptionError, match=r"0 of 3 frames, 0.0 s .* 3 without two lane boundaries.*marked road"
    ):
        measure_mount(dark, front, GIVEN, engine="onnx-cpu")
    assert front.read_text() == before


def test_a_live_source_is_refused(front: Path) -> None:
    with pytest.raises(ConfigError, match=r"is live; record a drive first: perception run .* drive.mcap"):
        measure_mount("udp://127.0.0.1:5000", front, GIVEN)


def test_pictures_of_another_aspect_are_refused(front: Path) -> None:
    with pytest.raises(ConfigError, match="640×360, and the pictures are 320×240"):
        measure_mount("sim:?size=320x240&frames=1", front, GIVEN, engine="onnx-cpu")


def test_smaller_pictures_of_the_same_aspect_are_measured_on(front: Path) -> None:
    """The angles are the same; the file keeps its own size."""
    small = DRIVE.replace("640x360", "320x180")
    report = measure_mount(small, front, GIVEN, frames=6, engine="onnx-cpu")
    assert read_calibration(front).info == lens()
    assert math.degrees(abs(report.mount.pitch - Drive(OPTIONS).pose(0).pitch)) < 0.6


def test_what_cannot_be_written_is_said_before_the_drive(front: Path, tmp_path: Path) -> None:
    kalibr = tmp_path / "chain.yaml"
    kalibr.write_text(
        "cam0: {camera_model: pinhole, distortion_model: radtan, distortion_coeffs: [0, 0, 0, 0], "
        "intrinsics: [500, 500, 320, 180], resolution: [640, 360]}\n"
    )
    with pytest.raises(ConfigError, match="has no room for a mount"):
        measure_mount("nothing.mp4", kalibr, GIVEN)
    with pytest.raises(ConfigError, match="its folder does not exist"):
        measure_mount("nothing.mp4", front, GIVEN, tmp_path / "no" / "front.yaml")
    with pytest.raises(SourceError, match="no such file"):
        measure_mount("nothing.mp4", kalibr, GIVEN, tmp_path / "front.yaml")


def test_what_check_cannot_do_is_refused(front: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"has no mount; measure it first: perception calibrate mount sim:\?seed"
    ):
        check_mount(front, DRIVE)
    with pytest.raises(ConfigError, match="the pictures are 320×240, of another aspect"):
        check_mount(front, "sim:?size=320x240&frames=1")  # a mount would be measured in vain
    with pytest.raises(ConfigError, match=r"give a .jpg, .png or .mp4"):
        check(front, "drive.mp4", tmp_path / "grid.gif")
    with pytest.raises(ConfigError, match="camera_matrix"):
        lens_missing = tmp_path / "empty.yaml"
        lens_missing.write_text("mount: {height: 1.3}\n")
        mount(DRIVE, lens_missing, height=1.3)
