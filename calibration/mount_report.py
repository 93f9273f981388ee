"""What straight driving says of a camera's mount, for people and for programs."""

from dataclasses import asdict, dataclass
from math import ceil, degrees
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from perception.camera_info import Mount
from perception.errors import PerceptionError
from perception.geometry.calibration_file import in_degrees
from perception.geometry.straight import Average, StraightDriving
from perception.types import Doubles

LEAST_S = 0.5  # of straight driving
LEAST_SHARE = 0.1  # of the frames that have lanes: what is seen in fewer may be none
ENOUGH_SD = np.radians((0.1, 0.25))  # of pitch and yaw: more driving is asked for until then
BY_EYE_SD = np.array((Mount(1.0).pitch_sd, Mount(1.0).yaw_sd))  # what is worse helps nobody
WORTH_SAYING = np.radians((0.2, 0.5))  # of pitch and yaw: by which a file may be off, beyond 3 deviations


@dataclass(frozen=True)
class Driven:
    """What a drive was measured on.

    Attributes:
        seconds: of straight driving.
        more_s: that are missing for `ENOUGH_SD`.
        frames: all; of these follow those that were measured on, and those left out, by why.
    """

    drive: str
    seconds: float
    more_s: float
    frames: int
    straight: int
    no_lanes: int
    bends: int
    lane_changes_or_standing: int

    def __str__(self) -> str:
        return (
            f"{self.straight} of {self.frames} frames, {self.seconds:.1f} s of straight driving; left out: "
            f"{self.no_lanes} without two lane boundaries, {self.bends} in bends, "
            f"{self.lane_changes_or_standing} while the car changed lanes or stood"
        )

    @property
    def notes(self) -> list[str]:
        if not self.more_s:
            return []
        pitch, yaw = np.degrees(ENOUGH_SD)
        more = f"drive {ceil(self.more_s)} more seconds straight"
        return [f"{more} for ± {pitch:.2g}° of pitch and ± {yaw:.2g}° of yaw"]


def measure(drive: str, driving: StraightDriving) -> tuple[Average, Driven]:
    """What the drive says.

    Raises:
        PerceptionError: it says nothing, or less than a careful eye sees.
    """
    average, counts = driving.average(), driving.counts
    if not counts.all:
        raise PerceptionError(f"{drive}: has no frames; give a drive on a straight, marked road")
    used = 0 if average is None else average.frames
    driven = Driven(
        drive,
        0.0 if average is None else round(average.seconds, 2),
        0.0 if average is None else average.more_s(ENOUGH_SD),
        counts.all,
        used,
        counts.no_lanes,
        counts.bends,
        counts.all - counts.no_lanes - counts.bends - used,
    )
    if average is None or average.seconds < LEAST_S:
        raise PerceptionError(
            f"{drive}: too little straight driving, {LEAST_S:g} s are the least and half a minute is good: "
            f"{driven}; drive straight, on a marked road"
        )
    if counts.no_lanes > (1 - LEAST_SHARE) * counts.all:
        raise PerceptionError(
            f"{drive}: lane boundaries in so few frames may be none: {driven}; drive on a marked road"
        )
    found = average.values[:2], average.sds[:2]
    if (found[1] > BY_EYE_SD).any():
        pitch, yaw = (f"{degrees(a):.2f}° ± {degrees(sd):.2f}" for a, sd in zip(*found, strict=True))
        eye = " and ".join(f"± {degrees(sd):.2f}°" for sd in BY_EYE_SD)
        raise PerceptionError(
            f"{drive}: pitch {pitch} and yaw {yaw} are less sure than by eye ({eye}): {driven}; "
            f"{driven.notes[0]}"
        )
    return average, driven


@dataclass(frozen=True)
class MountReport:
    """A mount that was measured, and written."""

    file: str
    mount: Mount
    height_from: str
    driven: Driven
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        mount = in_degrees(self.mount)
        return {"file": self.file, "mount": mount, "driven": asdict(self.driven), "notes": list(self.notes)}

    def table(self) -> RenderableType:
        m = self.mount
        table = _table("mount", "±")
        table.add_row("height", f"{m.height:.3f} m", f"{m.height_sd:.3f}", self.height_from)
        table.add_row("pitch", _shown(m.pitch), f"{degrees(m.pitch_sd):.2f}", "positive: it looks down")
        table.add_row("yaw", _shown(m.yaw), f"{degrees(m.yaw_sd):.2f}", "positive: to the left")
        table.add_row("roll", "0°", f"{degrees(m.roll_sd):.2f}", "not measured: taken as level")
        title = Text(f"{self.file}: mount, from {self.driven.drive}", overflow="fold")
        return Group(title, table, *(Text(line) for line in (str(self.driven), *self.notes)))


@dataclass(frozen=True)
class CheckReport:
    """How far a drive's lanes are off from a file's mount."""

    file: str
    mount: Mount
    average: Average
    driven: Driven

    @property
    def off(self) -> Doubles:
        """(2,) of pitch and yaw, by which the drive has more than the file, in radians."""
        return np.asarray(self.average.values[:2] - (self.mount.pitch, self.mount.yaw))

    @property
    def sds(self) -> Doubles:
        """(2,), of `off`."""
        return np.hypot(self.average.sds[:2], (self.mount.pitch_sd, self.mount.yaw_sd))

    @property
    def warnings(self) -> list[str]:
        """What does not agree."""
        far = (np.abs(self.off) > WORTH_SAYING) & (np.abs(self.off) > 3 * self.sds)
        return [
            f"{name} is off by {degrees(off):+.2f}° ± {degrees(sd):.2f}: the camera was moved, the car is "
            "loaded, or the file is another camera's; measure again by perception calibrate mount"
            for name, off, sd, is_far in zip(("pitch", "yaw"), self.off, self.sds, far, strict=True)
            if is_far
        ]

    def as_json(self) -> dict[str, Any]:
        angles = {
            name: {
                "file": round(degrees(getattr(self.mount, name)), 4),
                "drive": round(degrees(self.average.values[k]), 4),
                "off": round(degrees(self.off[k]), 4),
                "sd": round(degrees(self.sds[k]), 4),
            }
            for k, name in enumerate(("pitch", "yaw"))
        }
        return {"file": self.file, **angles, "driven": asdict(self.driven), "warnings": self.warnings}

    def table(self) -> RenderableType:
        table = _table("file", "drive", "off", "±")
        for k, name in enumerate(("pitch", "yaw")):
            angles = getattr(self.mount, name), self.average.values[k], self.off[k]
            table.add_row(name, *map(_shown, angles), f"{degrees(self.sds[k]):.2f}")
        return Group(
            Text(f"{self.file} against {self.driven.drive}", overflow="fold"),
            table,
            *(Text(line) for line in (str(self.driven), *(self.warnings or ["no difference that is sure"]))),
        )


def _shown(angle: float) -> str:
    """In degrees, 0 without a sign."""
    return f"{degrees(angle):z.2f}°"


def _table(*columns: str) -> Table:
    return Table(Column(""), *(Column(name, justify="right") for name in columns))
