"""A mount written into a calibration's file: nothing else of it changes."""

from dataclasses import asdict
from pathlib import Path

import pytest

from perception.camera_info import Mount
from perception.errors import ConfigError
from perception.geometry.calibration_file import Calibration, read_calibration, write_calibration, write_mount
from tests.geometry.lenses import KITTI

MOUNT = Mount(1.32, 0.02, -0.01, height_sd=0.01, pitch_sd=0.001, yaw_sd=0.002, frames=120, date="2026-11-29")
BEFORE = """\
# the left one
image_width: 1392
image_height: 512
camera_matrix: !!opencv-matrix
   rows: 3
   data: [984.2, 0, 690, 0, 984.2, 233.2, 0, 0, 1]
"""
AFTER = """\
distortion_model: plumb_bob   # five
distortion_coefficients: {data: [-0.37, 0.2, 0.002, 0.001, -0.07]}
mounted_by: somebody
"""


@pytest.mark.parametrize(
    "old",
    [
        "",
        "mount:\n  height: 2\n\n  # by eye\n  pitch: 3\n",
        "mount: {height: 2,\n  pitch: 3}\n",
        "mount :\n    height: 2\n",
    ],
)
def test_all_other_lines_stay_as_they_are(tmp_path: Path, old: str) -> None:
    file = tmp_path / "front.yaml"
    file.write_bytes((BEFORE + old + AFTER).replace("\n", "\r\n").encode())
    lens = read_calibration(file).info
    write_mount(file, MOUNT)
    text = file.read_bytes().decode()
    assert text.startswith((BEFORE + AFTER).replace("\n", "\r\n").rstrip())
    assert text.count("mount:") == 1
    again = read_calibration(file)
    assert again.info == lens and again.mount is not None
    # To radians of four decimals of a degree.
    assert asdict(again.mount) == pytest.approx(asdict(MOUNT), abs=1e-6)
    assert list(tmp_path.iterdir()) == [file]


def test_into_what_this_program_wrote(tmp_path: Path) -> None:
    file = tmp_path / "front.yaml"
    write_calibration(file, Calibration(KITTI, Mount(9.0)))
    write_mount(file, MOUNT)
    again = read_calibration(file)
    assert again.info == KITTI and again.mount is not None and again.mount.height == 1.32


KALIBR = """\
cam0:
  camera_model: pinhole
  distortion_model: radtan
  distortion_coeffs: [0, 0, 0, 0]
  intrinsics: [500, 500, 320, 240]
  resolution: [640, 480]
"""
FLOW = (
    "{image_width: 640, image_height: 480, camera_matrix: {data: [500, 0, 320, 0, 500, 240, 0, 0, 1]}, "
    "distortion_model: plumb_bob, distortion_coefficients: {data: []}}\n"
)


@pytest.mark.parametrize(
    "text", [KALIBR, FLOW, BEFORE + AFTER + "...\n", BEFORE + AFTER + '"mount": {height: 2}\n']
)
def test_a_form_without_room_for_a_mount_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "front.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"front.yaml: has no room for a mount .*--output"):
        write_mount(file, MOUNT)
    assert file.read_text() == text and list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "front.yaml"
    file.write_text(BEFORE + AFTER)
    (tmp_path / ".front.yaml.partial").mkdir()
    with pytest.raises(ConfigError, match=r"front.yaml: cannot be written \(Is a directory\)"):
        write_mount(file, MOUNT)
    assert file.read_text() == BEFORE + AFTER
