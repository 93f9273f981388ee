"""Calibrations in files: written here and by others, read here and by others."""

import math
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.camera_info import CameraInfo, Mount
from perception.errors import ConfigError
from perception.geometry.calibration_file import Calibration, read_calibration, write_calibration
from perception.geometry.lens import Lens
from tests.geometry.lenses import FISHEYE, KITTI, LENSES, RATIONAL, WIDE, info, lenses, mounts

ROUNDED = 1.001 * math.radians(0.00005)  # by writing an angle
MOUNT = Mount(1.32, 0.031, -0.012, 0.002, 0.01, 0.0001, 0.0003, 0.002, frames=412, date="2026-11-29")

# As camera_calibration writes it (Calibrator.lrcalyaml), with a key of a driver's own.
ROS = """image_width: 640
image_height: 480
camera_name: 21603
serial: 12345
camera_matrix:
  rows: 3
  cols: 3
  data: [612.5, 0.0, 318.25, 0.0, 613.75, 241.5, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.41, 0.18, -0.0011, 1.5e-05, 0.0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
projection_matrix:
  rows: 3
  cols: 4
  data: [541.0, 0.0, 316.0, 0.0, 0.0, 567.5, 242.25, 0.0, 0.0, 0.0, 1.0, 0.0]
"""
# As Kalibr writes it, of a camera with an IMU.
KALIBR = """cam0:
  T_cam_imu:
  - [0.0, 1.0, 0.0, 0.01]
  - [-1.0, 0.0, 0.0, 0.02]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  cam_overlaps: []
  camera_model: pinhole
  distortion_coeffs: [-0.28, 0.074, 0.0002, 1.8e-05]
  distortion_model: radtan
  intrinsics: [458.5, 457.25, 367.0, 248.5]
  resolution: [752, 480]
  rostopic: /cam0/image_raw
  timeshift_cam_imu: 0.0
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "front.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=30)
@given(lenses(), st.none() | mounts, st.sampled_from(["front", "Kamera vorne: ½", "12345", "null"]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, lens: CameraInfo, mount: Mount | None, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "front.yaml"
    write_calibration(path, Calibration(lens, mount, name))
    read = read_calibration(path)
    assert (read.info, read.name) == (lens, name)
    assert (read.mount is None) is (mount is None)
    if mount is not None and read.mount is not None:
        assert asdict(read.mount) == pytest.approx(asdict(mount), abs=ROUNDED)


def test_the_mount_is_written_in_degrees(tmp_path: Path) -> None:
    path = tmp_path / "front.yaml"
    write_calibration(path, Calibration(KITTI, MOUNT))
    mount = yaml.safe_load(path.read_text(encoding="utf-8"))["mount"]
    assert mount["height"] == 1.32
    assert (mount["pitch"], mount["yaw_sd"]) == (1.7762, 0.0172)  # to four decimals
    assert (mount["frames"], mount["date"]) == (412, "2026-11-29")
    read = read_calibration(path).mount
    assert read is not None and asdict(read) == pytest.approx(asdict(MOUNT), abs=ROUNDED)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_others_read_ours_with_numbers_as_numbers(tmp_path: Path, lens: CameraInfo) -> None:
    """Also 1e-05, which YAML 1.1 takes for text without a point."""
    path = tmp_path / "front.yaml"
    fine = replace(lens, d=(*lens.d[:-1], 1e-05) if lens.d else ())
    write_calibration(path, Calibration(fine, replace(MOUNT, pitch_sd=1e-9)))
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert values["distortion_coefficients"]["data"] == list(fine.d)
    assert isinstance(values["mount"]["pitch_sd"], float)
    assert np.reshape(values["camera_matrix"]["data"], (3, 3)).tolist() == np.reshape(fine.k, (3, 3)).tolist()
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    node = storage.getNode("distortion_coefficients").getNode("data")
    assert [node.at(i).real() for i in range(node.size())] == list(fine.d)
    assert storage.getNode("image_width").real() == fine.width
    assert storage.getNode("mount").getNode("height").real() == 1.32
    storage.release()


def test_of_ros(tmp_path: Path) -> None:
    read = read_calibration(written(tmp_path, ROS))
    assert (read.info.width, read.info.height, read.name) == (640, 480, "21603")
    assert read.info.model == "plumb_bob"
    assert read.info.d == (-0.41, 0.18, -0.0011, 1.5e-05, 0.0)
    assert read.info.k == (612.5, 0.0, 318.25, 0.0, 613.75, 241.5, 0.0, 0.0, 1.0)
    assert read.info.p[0:3:2] == (541.0, 316.0)
    assert read.mount is None


def test_of_kalibr(tmp_path: Path) -> None:
    read = read_calibration(written(tmp_path, KALIBR)).info
    assert (read.width, read.height, read.model) == (752, 480, "plumb_bob")
    assert read.k == (458.5, 0, 367.0, 0, 457.25, 248.5, 0, 0, 1)
    assert read.d == (-0.28, 0.074, 0.0002, 1.8e-05)
    fisheye = KALIBR.replace("radtan", "equidistant")
    assert read_calibration(written(tmp_path, fisheye)).info.model == "equidistant"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            ("camera_model: pinhole", "camera_model: omni"),
            "'omni' with distortion_model 'radtan' is not read",
        ),
        (("radtan", "fov"), "'pinhole' with distortion_model 'fov' is not read"),
        (("[752, 480]", "752"), "resolution is not width, height"),
        (("[458.5, 457.25, 367.0, 248.5]", "[458.5, 457.25]"), "intrinsics are not fx, fy, cx, cy"),
        (("cam0:", "cam1: {}\ncam0:"), "holds 2 cameras"),
    ],
)
def test_what_kalibr_has_and_is_not_known_here_is_refused(
    tmp_path: Path, edit: tuple[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        read_calibration(written(tmp_path, KALIBR.replace(*edit)))


@pytest.mark.parametrize(
    ("d", "fisheye", "model"),
    [
        ((-0.3, 0.1, 0.001, -0.002, 0.01), False, "plumb_bob"),
        (RATIONAL.d, False, "rational_polynomial"),
        (FISHEYE.d, True, "equidistant"),
    ],
)
def test_of_opencv(tmp_path: Path, d: tuple[float, ...], fisheye: bool, model: str) -> None:
    """With the names of its calibration sample, written by OpenCV itself."""
    path, k = tmp_path / "front.yaml", np.array([[900.0, 0, 640.5], [0, 901.5, 361.25], [0, 0, 1]])
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in {"image_width": 1280, "image_height": 720, "fisheye_model": int(fisheye)}.items():
        storage.write(name, value)
    storage.write("camera_matrix", k)
    storage.write("distortion_coefficients", np.array(d)[:, None])
    storage.write("avg_reprojection_error", 0.21)
    storage.release()
    read = read_calibration(path).info
    assert (read.width, read.height, read.model) == (1280, 720, model)
    assert read.k == tuple(k.ravel())
    assert read.d == d
    assert read.p == (900.0, 0, 640.5, 0, 0, 901.5, 361.25, 0, 0, 0, 1, 0)


MOUNTED = ROS + "mount: {height: 1.3, pitch: 2.0}\n"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("pitch: 2.0", "ptich: 2.0"), "unknown key mount.ptich"),
        (("height: 1.3, ", ""), "the key mount.height is missing"),
        (("height: 1.3", "height: 0"), "mount.height = 0 is refused"),
        (("pitch: 2.0", "pitch: 88"), "mount.pitch = 88 is refused"),
        (("pitch: 2.0", "pitch_sd: -1"), "mount.pitch_sd = -1 is refused"),
        (("-0.41", ".nan"), "distortion_coefficients.data"),
        (("612.5", "1e999"), "too large"),
        (
            ("[-0.41, 0.18, -0.0011, 1.5e-05, 0.0]", "[-0.41, 0.18]"),
            "plumb_bob has 0 or 4 or 5 coefficients, not 2",
        ),
        (("612.5, ", ""), "camera_matrix: has 8 numbers, not 9"),
        (("541.0, ", ""), "projection_matrix: has 11 numbers, not 12"),
        (("612.5", "-612.5"), "the focal lengths -612.5, 613.75 are not above 0"),
        (("plumb_bob", "thin_prism"), "distortion model 'thin_prism' is not known"),
        (("image_width: 640", "image_width: 0"), "image_width = 0 is refused"),
        (("image_width: 640\n", ""), "the key image_width is missing"),
        (("camera_matrix:", "camera_matrix: 5\nother:"), "camera_matrix = 5 is refused"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, edit: tuple[str, str], words: str) -> None:
    assert edit[0] in MOUNTED
    path = written(tmp_path, MOUNTED.replace(*edit, 1))
    with pytest.raises(ConfigError, match=words) as caught:
        read_calibration(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_are_none(tmp_path: Path) -> None:
    for text in ("", "- 1", "width: 3", "\0", "a: " * 70):
        with pytest.raises(ConfigError, match=r"front\.yaml"):
            read_calibration(written(tmp_path, text))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_calibration(tmp_path / "none.yaml")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
_KEYS = [*yaml.safe_load(MOUNTED), "cam0", "fisheye_model"]
_INNER = ["data", "rows", *yaml.safe_load(KALIBR)["cam0"], *Mount.__dataclass_fields__]


@given(
    st.dictionaries(st.sampled_from(_KEYS), _VALUES | st.dictionaries(st.sampled_from(_INNER), _VALUES)),
    st.sampled_from([ROS, MOUNTED, KALIBR, ""]),
)
def test_any_values_give_a_calibration_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object], begin: str
) -> None:
    both = (yaml.safe_load(begin) or {}) | values
    text = yaml.safe_dump(both, allow_unicode=True)
    path = written(tmp_path_factory.getbasetemp(), text)
    try:
        read = read_calibration(path)
    except ConfigError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert Lens(read.info).focal > 0
        assert all(map(math.isfinite, (*read.info.k, *read.info.d, *read.info.p)))


@given(st.text(max_size=200))
def test_any_text_gives_one_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    with pytest.raises(ConfigError):
        read_calibration(written(tmp_path_factory.getbasetemp(), text.encode(errors="replace").decode()))


@pytest.mark.parametrize("lens", [KITTI, WIDE, FISHEYE])
@pytest.mark.parametrize("scale", [(1, 2), (3, 1), (2, 3)])
def test_a_scaled_calibration_sees_the_same_rays(lens: CameraInfo, scale: tuple[int, int]) -> None:
    """Pictures are resized about their corners, and pixels are counted from their centres."""
    times, over = scale
    size = lens.width * times // over, lens.height * times // over
    scaled = Calibration(lens, MOUNT).of_size(*size)
    assert (scaled.info.width, scaled.info.height, scaled.mount) == (*size, MOUNT)
    across, down = size[0] / lens.width, size[1] / lens.height
    pixels = np.array([[10.0, 20.0], [300.5, 200.0], [lens.width - 30.0, lens.height - 40.0]])
    moved = (pixels + 0.5) * [across, down] - 0.5
    np.testing.assert_allclose(Lens(scaled.info).to_rays(moved), Lens(lens).to_rays(pixels), atol=1e-9)
    p, before = (np.reshape(one.p, (3, 4)) @ [1.0, 2.0, 10.0, 1.0] for one in (scaled.info, lens))
    np.testing.assert_allclose(p[:2] / p[2], (before[:2] / before[2] + 0.5) * [across, down] - 0.5)


def test_pictures_of_another_aspect_are_refused() -> None:
    calibration = Calibration(info("plumb_bob", (), 900.0, (1280, 720)), name="front")
    assert calibration.of_size(1280, 720) is calibration
    assert calibration.of_size(853, 480).info.height == 480  # 853.3: a rounded row is no other aspect
    for size in ((1280, 800), (720, 1280), (640, 362)):
        with pytest.raises(ConfigError, match=f"calibration front: holds for 1280×720.*{size[0]}×{size[1]}"):
            calibration.of_size(*size)


def test_what_is_there_stays_where_it_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "front.yaml"
    write_calibration(path, Calibration(KITTI))
    before = path.read_bytes()
    (tmp_path / ".front.yaml.partial").mkdir()
    with pytest.raises(ConfigError, match=r"front\.yaml: cannot be written"):
        write_calibration(path, Calibration(WIDE))
    assert path.read_bytes() == before
    with pytest.raises(ConfigError, match="cannot be written"):
        write_calibration(tmp_path / "no" / "front.yaml", Calibration(WIDE))
    assert sorted(one.name for one in tmp_path.iterdir()) == [".front.yaml.partial", "front.yaml"]
