"""A calibration compared with what a drive's lanes say, and drawn on its frames."""

from contextlib import ExitStack, closing
from pathlib import Path

from calibration.check_picture import draw_check
from calibration.drive_lanes import Seen, check_size, open_drive, watch
from calibration.mount_report import CheckReport, measure
from perception.camera_info import Mount
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.geometry.calibration_file import read_calibration
from perception.geometry.ground import Ground
from perception.geometry.straight import MOST_BEND, StraightDriving
from perception.overlay import LaneBoundaries, draw
from perception.sinks.base import Sink
from perception.sinks.registry import open_sink


def check_mount(
    file: Path,
    drive: str,
    picture: Path | None = None,
    frames: int | None = None,
    model: str | None = None,
    engine: str | None = None,
) -> CheckReport:
    """Compare a calibration's mount with where a drive's lanes vanish.

    Args:
        picture: of the frame in which most boundaries meet, or a video of all frames.

    Raises:
        ConfigError: the file is no calibration with a mount, or of another size than the drive.
        PerceptionError: the drive cannot be read or says too little, or the picture cannot be written.
    """
    calibration = read_calibration(file)
    mount = calibration.mount
    check_size(drive, calibration)
    if mount is None:
        raise ConfigError(
            f"{file}: has no mount; measure it first: perception calibrate mount {drive} {file}"
        )
    driving, best = StraightDriving(), None
    with ExitStack() as stack:
        source = stack.enter_context(closing(open_drive(drive, frames)))
        sink = None
        if picture is not None:
            sink = stack.enter_context(closing(open_sink(str(picture), source.rate, DRIVE)))
        each = picture is not None and picture.suffix.lower() == ".mp4"
        for seen in watch(source, calibration, model, engine, frames):
            driving.add(seen.frame.stamp_ns, seen.vanishing)
            if sink is not None and each:
                found = seen.vanishing
                _write(sink, seen, mount, None if found is None else (found.pitch, found.yaw))
            elif best is None or _worth(seen) > _worth(best):
                best = seen
        average, driven = measure(source.uri, driving)
        if sink is not None and best is not None:
            pitch, yaw, _ = average.values.tolist()
            _write(sink, best, mount, (pitch, yaw))
    return CheckReport(str(file), mount, average, driven)


def _worth(seen: Seen) -> tuple[bool, int]:
    """How well a frame shows whether a calibration is right."""
    found = seen.vanishing
    return (False, 0) if found is None else (abs(found.bend) < MOST_BEND, len(found.places))


def _write(sink: Sink, seen: Seen, mount: Mount, lanes: tuple[float, float] | None) -> None:
    picture = draw(seen.frame, seen.scene, seen.scene.classes, [LaneBoundaries()])
    draw_check(picture, Ground(seen.info, mount), lanes)
    sink.write(seen.frame, seen.scene, picture)
