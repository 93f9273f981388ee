"""A mount measured on a drive, and written into the calibration's file."""

import datetime
from contextlib import closing
from dataclasses import dataclass, replace
from math import hypot
from pathlib import Path
from typing import Self

from calibration.drive_lanes import open_drive, watch
from calibration.mount_report import MountReport, measure
from perception.camera_info import Mount
from perception.errors import ConfigError, PerceptionError
from perception.geometry.calibration_file import (
    read_calibration,
    with_mount,
    write_calibration,
    write_mount,
)
from perception.geometry.straight import Average, StraightDriving

WIDTH_SD = (
    0.085  # share of an assumed lane width: 17 %, by which it misled at most, are taken as 2 deviations
)
MOST_HEIGHT = 20.0  # metres, as the file has it


@dataclass(frozen=True)
class Height:
    """How the height of the camera is known: by tape measure, or from the lane's width; metres."""

    metres: float | None
    sd: float
    lane_width: float | None

    @classmethod
    def of(cls, metres: float | None, sd: float | None, lane_width: float | None) -> Self:
        """As the options say.

        Raises:
            ConfigError: both or neither are given, or one cannot be.
        """
        if (metres is None) == (lane_width is None):
            raise ConfigError(
                "a mount needs one of --height, the camera's over the road by tape measure, and --lane-width"
            )
        if sd is not None and metres is None:
            raise ConfigError("--height-sd belongs to --height; that of --lane-width follows from the lane")
        for name, value, most in (
            ("--height", metres, MOST_HEIGHT),
            ("--height-sd", sd, 1.0),
            ("--lane-width", lane_width, 10.0),
        ):
            if value is not None and not 0 < value <= most:
                raise ConfigError(f"{name} {value:g}: allowed are metres above 0, to {most:g}")
        return cls(metres, Mount(1.0).height_sd if sd is None else sd, lane_width)

    def over(self, drive: str, average: Average) -> tuple[float, float, str]:
        """The height, its deviation, and where it is from.

        Raises:
            PerceptionError: no width of the lane was seen, or one from which no height follows.
        """
        if self.metres is not None:
            return self.metres, self.sd, "given"
        assert self.lane_width is not None
        lane, lane_sd = float(average.values[2]), float(average.sds[2])  # in camera heights
        height = self.lane_width / lane
        if not 0 < height <= MOST_HEIGHT:  # NaN is not
            raise PerceptionError(
                f"{drive}: both boundaries of the lane were never seen at once; measure the height and give "
                "--height"
            )
        return height, height * hypot(WIDTH_SD, lane_sd / lane), f"from a lane of {self.lane_width:g} m"


def measure_mount(
    drive: str,
    file: Path,
    height: Height,
    output: Path | None = None,
    frames: int | None = None,
    model: str | None = None,
    engine: str | None = None,
) -> MountReport:
    """Measure the mount on a drive and write it into `file`, or with the lens to `output`.

    Raises:
        ConfigError: the file is no calibration, or of another size than the drive, which must be recorded.
        PerceptionError: the drive cannot be read, or says too little.
    """
    calibration = read_calibration(file)
    if output is None:
        with_mount(file, Mount(1.0))  # rather now than after a long drive
    elif not output.parent.is_dir():
        raise ConfigError(f"{output}: cannot be written; its folder does not exist")
    driving = StraightDriving()
    with closing(open_drive(drive, frames)) as source:
        for seen in watch(source, calibration, model, engine, frames):
            driving.add(seen.frame.stamp_ns, seen.vanishing)
    average, driven = measure(source.uri, driving)
    metres, metres_sd, where = height.over(source.uri, average)
    (pitch, yaw, _), (pitch_sd, yaw_sd, _) = average.values.tolist(), average.sds.tolist()
    mount = Mount(
        height=round(metres, 4),
        pitch=pitch,
        yaw=yaw,
        height_sd=round(metres_sd, 4),
        pitch_sd=pitch_sd,
        yaw_sd=yaw_sd,
        frames=driven.straight,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
    if output is None:
        write_mount(file, mount)
    else:
        write_calibration(output, replace(calibration, mount=mount))
    notes = [*driven.notes, *source.notes]
    if height.lane_width is not None:
        notes.insert(0, "an assumed lane width misleads by up to 17 %: measure the height and give --height")
    written = read_calibration(output or file).mount
    assert written is not None
    return MountReport(str(output or file), written, where, driven, tuple(notes))
