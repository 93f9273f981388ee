"""A camera's calibration in a file: lens and mount.

Written as ROS writes `camera_info`, with one key more, `mount`, in metres and degrees. Read are
that, Kalibr's camchain, and OpenCV's FileStorage in YAML, each of one camera.
"""

import math
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

from perception.camera_info import CameraInfo, Mount
from perception.errors import ConfigError
from perception.geometry.lens import Lens
from perception.parsing import read_yaml, validate

NAMES = {
    "radtan": "plumb_bob",
    "none": "plumb_bob",
    "equi": "equidistant",
    "equidistant": "equidistant",
    "fisheye": "equidistant",
}
_TAG = re.compile(r"!!opencv-matrix|^%YAML:?\s?1\.\d$", re.MULTILINE)
_ANGLES = "pitch", "yaw", "roll", "pitch_sd", "yaw_sd", "roll_sd"
_UNITS = "# lens: pixels; mount: metres and degrees, pitch down, yaw to the left, roll right side down\n"
_DIGITS = 4  # of degrees that are written: nobody measures more
_BY_EYE = Mount(1.0)
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of a camera: `mount` is None where only its lens is."""

    info: CameraInfo
    mount: Mount | None = None
    name: str = "camera"

    def of_size(self, width: int, height: int) -> Self:
        """For pictures of another size, which show the same, enlarged or reduced.

        Raises:
            ConfigError: they are of another aspect, so they show something else.
        """
        info = self.info
        if (width, height) == (info.width, info.height):
            return self
        if abs(width * info.height / info.width - height) >= 1:
            raise ConfigError(
                f"calibration {self.name}: holds for {info.width}×{info.height}, and the pictures are "
                f"{width}×{height}, of another aspect; calibrate the camera at this size"
            )
        across, down = width / info.width, height / info.height
        scale = np.array([[across, 0.0, (across - 1) / 2], [0.0, down, (down - 1) / 2], [0.0, 0.0, 1.0]])
        k, p = (scale @ np.reshape(matrix, (3, -1)) for matrix in (info.k, info.p))
        scaled: Any = {"k": tuple(k.ravel().tolist()), "p": tuple(p.ravel().tolist())}
        return replace(self, info=replace(info, width=width, height=height, **scaled))


def read_calibration(path: Path) -> Calibration:
    """The calibration in a file.

    Raises:
        ConfigError: it cannot be read, is of no form that is known here, or holds what cannot be.
    """
    return _calibration(read_yaml(path, edit=_untagged), path)


def _untagged(text: str) -> str:
    """Without what OpenCV writes and YAML's plain values do not know."""
    return _TAG.sub("", text)


def _calibration(values: dict[str, Any], path: Path) -> Calibration:
    file = validate(_File, _as_ros(values, path), path)
    try:
        calibration = file.calibration()
        Lens(calibration.info)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return calibration


def write_calibration(path: Path, calibration: Calibration, measured: dict[str, Any] | None = None) -> None:
    """Write it whole, or leave what is there.

    Args:
        measured: how well the lens is known; for people: it is not read again.

    Raises:
        ConfigError: the file cannot be written.
    """
    info, mount = calibration.info, calibration.mount
    values: dict[str, Any] = {
        "image_width": info.width,
        "image_height": info.height,
        "camera_name": calibration.name,
        "camera_matrix": _matrix(info.k, 3),
        "distortion_model": info.model,
        "distortion_coefficients": {"rows": 1, "cols": len(info.d), "data": list(info.d)},
        "rectification_matrix": _matrix(info.r, 3),
        "projection_matrix": _matrix(info.p, 4),
    }
    if measured is not None:
        values["intrinsics"] = measured
    if mount is not None:
        values["mount"] = in_degrees(mount)
    _write(path, _UNITS + _dump(values))


def write_mount(path: Path, mount: Mount) -> None:
    """Write the mount into a calibration's file, and change no other line of it, or leave what is there.

    Raises:
        ConfigError: the file cannot be read or written, or its form has no room for a mount.
    """
    _write(path, with_mount(path, mount))


def with_mount(path: Path, mount: Mount) -> str:
    """The text of a calibration's file with another mount; see `write_mount`."""
    from perception.yaml_file import parse_yaml  # noqa: PLC0415 - a node without a file needs no YAML

    before = read_yaml(path, edit=_untagged)
    text = path.read_bytes().decode()
    edited = f"{_without_mount(text).rstrip()}\n{_dump({'mount': in_degrees(mount)})}"
    try:
        after = parse_yaml(_untagged(edited))
    except ValueError:
        after = {}
    if _calibration(before | {"mount": after.pop("mount", None)}, path).mount is None or (
        after != {key: value for key, value in before.items() if key != "mount"}
    ):
        raise ConfigError(
            f"{path}: has no room for a mount in its form; write both to another file (--output)"
        )
    return edited


def _without_mount(text: str) -> str:
    """A file's text without the key `mount` and the lines that belong to it."""
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = bool(re.match(r"mount\s*:", line)) or (inside and line[0].isspace())
        if not inside:
            kept.append(line)
    return "".join(kept)


def in_degrees(mount: Mount) -> dict[str, Any]:
    """A mount as the file has it: in metres, and in degrees to a ten-thousandth."""
    own = {name: getattr(mount, name) for name in Mount.__dataclass_fields__}
    return own | {name: round(math.degrees(own[name]), _DIGITS) for name in _ANGLES}


def _dump(values: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - a node without a calibration file needs no YAML

    return str(yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=110))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(text.encode())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):  # the first error says why
            partial.unlink()
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error


def _matrix(values: tuple[float, ...], columns: int) -> dict[str, Any]:
    return {"rows": 3, "cols": columns, "data": list(values)}


def _as_ros(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Kalibr's and OpenCV's keys in ROS's words."""
    cameras = [key for key in values if re.fullmatch(r"cam\d+", key) and isinstance(values[key], dict)]
    if len(cameras) > 1:
        raise ConfigError(f"{path}: holds {len(cameras)} cameras ({', '.join(cameras)}); keep one of them")
    if cameras:
        return _of_kalibr(values[cameras[0]], path)
    if "distortion_model" in values and "distortion_coefficients" in values:
        return values
    return _of_opencv(values)


def _of_kalibr(camera: dict[str, Any], path: Path) -> dict[str, Any]:
    model, distortion = camera.get("camera_model"), camera.get("distortion_model")
    if model != "pinhole" or distortion not in NAMES:
        raise ConfigError(
            f"{path}: camera_model {model!r} with distortion_model {distortion!r} is not read; use pinhole "
            "with radtan, equidistant or none"
        )
    focal, size = camera.get("intrinsics"), camera.get("resolution")
    if not (isinstance(focal, list) and len(focal) == 4 and isinstance(size, list) and len(size) == 2):
        raise ConfigError(f"{path}: intrinsics are not fx, fy, cx, cy, or resolution is not width, height")
    fx, fy, cx, cy = focal
    return {
        "image_width": size[0],
        "image_height": size[1],
        "camera_name": "camera",
        "camera_matrix": {"data": [fx, 0, cx, 0, fy, cy, 0, 0, 1]},
        "distortion_model": NAMES[distortion],
        "distortion_coefficients": {"data": camera.get("distortion_coeffs", [])},
    }


def _of_opencv(values: dict[str, Any]) -> dict[str, Any]:
    """Names as OpenCV's own calibration sample writes them, which does not name the pinhole's model."""
    found = {key: value for key, value in values.items() if key in _File.model_fields}
    coefficients = found.get("distortion_coefficients")
    data = coefficients.get("data") if isinstance(coefficients, dict) else None
    if isinstance(data, list):
        fisheye = bool(values.get("fisheye_model"))
        found["distortion_model"] = (
            "equidistant" if fisheye else "rational_polynomial" if len(data) > 5 else "plumb_bob"
        )
    return found


def _finite(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(map(math.isfinite, values)):
        raise ValueError("should be finite numbers")
    return values


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    data: Annotated[tuple[float, ...], AfterValidator(_finite)]


class _Mount(BaseModel):
    """In the file's units: metres and degrees."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    height: float = Field(gt=0, le=20)
    pitch: float = Field(0.0, gt=-60, lt=60)
    yaw: float = Field(0.0, gt=-180, le=180)
    roll: float = Field(0.0, gt=-90, lt=90)
    height_sd: float = Field(_BY_EYE.height_sd, ge=0)
    pitch_sd: float = Field(math.degrees(_BY_EYE.pitch_sd), ge=0)
    yaw_sd: float = Field(math.degrees(_BY_EYE.yaw_sd), ge=0)
    roll_sd: float = Field(math.degrees(_BY_EYE.roll_sd), ge=0)
    frames: int = Field(0, ge=0)
    date: str = ""

    def mount(self) -> Mount:
        values = dict(self)
        return Mount(**values | {name: math.radians(values[name]) for name in _ANGLES})


class _File(BaseModel):
    """ROS's file; other programs add keys of their own, and call cameras by their serial numbers."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    image_width: PositiveInt
    image_height: PositiveInt
    camera_name: str = "camera"
    camera_matrix: _Data
    distortion_model: str
    distortion_coefficients: _Data
    rectification_matrix: _Data = _Data(data=_IDENTITY)
    projection_matrix: _Data | None = None
    mount: _Mount | None = None

    def calibration(self) -> Calibration:
        k, r = self._sized("camera_matrix", 9), self._sized("rectification_matrix", 9)
        if self.projection_matrix is None:
            p = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
        else:
            p = self._sized("projection_matrix", 12)
        model = NAMES.get(self.distortion_model, self.distortion_model)
        d = self.distortion_coefficients.data
        info = CameraInfo(self.image_width, self.image_height, model, d, k, r, p)
        return Calibration(info, None if self.mount is None else self.mount.mount(), self.camera_name)

    def _sized(self, name: str, size: int) -> Any:
        values = getattr(self, name).data
        if len(values) != size:
            raise ConfigError(f"{name}: has {len(values)} numbers, not {size}")
        return values
