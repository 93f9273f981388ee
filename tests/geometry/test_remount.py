"""A camera that was moved is noticed after minutes of straight driving, and by nothing less."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from perception.camera_info import Mount
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.mounting import Locators, mount_transform
from perception.geometry.remount import MountWatch
from perception.health.debounce import Debounce
from perception.health.types import Finding, Level
from perception.scene import Lane, Scene
from perception.types import NS_PER_S
from tests.geometry.driving import lanes
from tests.geometry.lenses import PLAIN

MOUNT = Mount(1.4, 0.02, 0.01, pitch_sd=math.radians(0.05), yaw_sd=math.radians(0.12))
RATE = 2  # frames a second
PICTURE = np.zeros((720, 1280, 3), np.uint8)
LABELS, INSTANCES = PICTURE[..., 0], np.zeros((720, 1280), np.uint16)


@cache
def views(mount: Mount, curvature: float) -> list[tuple[Lane, ...]]:
    """What a car sees that nods and sways."""
    moves = np.random.default_rng(0).normal(0, (0.003, 0.005), (20, 2))
    moves -= moves.mean(0)
    mounts = [replace(mount, pitch=mount.pitch + nod, yaw=mount.yaw + sway) for nod, sway in moves.tolist()]
    return [lanes(PLAIN, now, curvature=curvature) for now in mounts]


class Drive:
    """A watched drive on a clock of its own; its scenes come as often as they are looked at."""

    def __init__(self, mount: Mount | None = MOUNT) -> None:
        self.watch = MountWatch(Calibration(PLAIN, mount))
        self.seconds, self.recording = 0.0, 0

    def on(
        self, seconds: float, mount: Mount = MOUNT, curvature: float = 0.0, steady: bool = False
    ) -> Finding | None:
        found: Finding | None = None
        seen = views(mount, curvature)
        for k in range(round(seconds * RATE)):
            found = self.watch.update(self.scene(seen[0 if steady else k % len(seen)]))
            self.seconds += 1 / RATE
        return found

    def scene(self, seen: tuple[Lane, ...]) -> Scene:
        frame = Frame(PICTURE, round(self.seconds * NS_PER_S), recording=self.recording)
        return Scene.of(frame, LABELS, INSTANCES, lanes=seen, classes=DRIVE)


def turned(pitch: float = 0.0, yaw: float = 0.0) -> Mount:
    return replace(MOUNT, pitch=MOUNT.pitch + math.radians(pitch), yaw=MOUNT.yaw + math.radians(yaw))


@pytest.mark.parametrize(
    ("mount", "said"), [(turned(pitch=-1.5), "pitch -1.5°"), (turned(yaw=1.2), "yaw +1.2°")]
)
def test_a_camera_that_was_moved_mid_drive_is_noticed_within_minutes(mount: Mount, said: str) -> None:
    drive = Drive()
    assert drive.on(150) is None
    assert drive.on(20, mount) is None  # no haste: it may be a ramp, or a load that shifts
    found = drive.on(100, mount)
    assert found is not None and (found.name, found.level) == ("remounted", Level.WARN)
    assert said in found.reason


def test_it_is_quiet_again_once_the_camera_sits_as_calibrated() -> None:
    drive = Drive()
    assert drive.on(70, turned(pitch=1)) is not None
    assert drive.on(140) is None


def test_it_does_not_flicker_at_the_limit() -> None:
    drive, near = Drive(), turned(pitch=0.45)
    assert drive.on(70, turned(pitch=0.8)) is not None
    assert drive.on(140, near) is not None
    assert drive.on(140) is None
    assert drive.on(140, near) is None


@pytest.mark.parametrize("mount", [MOUNT, turned(pitch=0.4), turned(yaw=-0.4)])
def test_small_differences_are_none(mount: Mount) -> None:
    assert Drive().on(150, mount) is None


def test_what_is_not_sure_is_not_said() -> None:
    """Of a mount by eye, three deviations are 1.7° of yaw."""
    drive = Drive(replace(MOUNT, yaw_sd=Mount(1.0).yaw_sd))
    assert drive.on(100, turned(yaw=1.2)) is None


def test_no_bend_and_no_stand_raises_it() -> None:
    """A bend is left out, and so is standing at an angle to the lane; what looks straight is too short."""
    drive = Drive()
    drive.on(60)
    assert drive.on(100, turned(yaw=3), curvature=0.004) is None
    assert drive.on(200, turned(yaw=3), steady=True) is None
    assert drive.on(40, turned(yaw=2)) is None
    assert drive.on(30) is None


def test_a_minute_is_needed_even_from_the_start() -> None:
    drive = Drive()
    assert drive.on(55, turned(pitch=3)) is None
    assert drive.on(15, turned(pitch=3)) is not None


def test_half_a_minute_that_is_shown_again_and_again_stays_half_a_minute() -> None:
    drive = Drive()
    for drive.recording in range(5):
        assert drive.on(30, turned(pitch=3)) is None
    assert drive.on(40, turned(pitch=3)) is not None
    drive.recording += 1
    assert drive.on(1) is None


def test_scenes_between_are_not_looked_at_and_do_not_change_what_is_found() -> None:
    drive = Drive()
    found = drive.on(70, turned(pitch=3))
    assert found is not None
    drive.seconds -= 0.1
    assert drive.watch.update(drive.scene(())) is found


@pytest.mark.parametrize("yaw", [60, -170, 180])
def test_a_camera_that_does_not_look_ahead_is_not_watched(yaw: float) -> None:
    """Lanes vanish behind the car, too, and what crosses at its side is no lane."""
    assert Drive(replace(MOUNT, yaw=math.radians(yaw))).on(70, MOUNT) is None


def test_without_a_mount_or_lanes_nothing_is_found() -> None:
    assert Drive(None).on(70, turned(pitch=3)) is None
    blind = Drive()
    for _ in range(500):
        assert blind.watch.update(blind.scene(())) is None
        blind.seconds += 0.2


def test_a_calibration_for_another_camera_is_refused() -> None:
    drive = Drive()
    frame = Frame(PICTURE[:480, :640], 0)
    other = Scene.of(frame, LABELS[:480, :640], INSTANCES[:480, :640], classes=DRIVE)
    with pytest.raises(ConfigError, match="1280×720, and the pictures are 640×480"):
        drive.watch.update(other)


def test_what_a_source_knows_of_its_camera_is_watched_as_well() -> None:
    drive, frame = Drive(), Frame(PICTURE, 0, camera_info=PLAIN)
    sits = mount_transform(MOUNT, frame.optical_frame)
    watch = Locators(None, DRIVE).of(replace(frame, transforms=(sits,))).watch
    assert watch is not None
    drive.watch = watch
    assert drive.on(150) is None
    found = drive.on(130, turned(pitch=-1.5))
    assert found is not None and "pitch -1.5° from the calibration's" in found.reason


def test_smaller_pictures_of_the_same_aspect_show_the_same() -> None:
    drive = Drive()
    drive.on(30)
    frame = Frame(PICTURE[:360, :640], 0)
    for k in range(200):
        seen = tuple(
            replace(lane, points=((lane.points - 0.5) / 2).astype(np.float32))
            for lane in views(MOUNT, 0.0)[k % 20]
        )
        small = Scene.of(frame, LABELS[:360, :640], INSTANCES[:360, :640], lanes=seen, classes=DRIVE)
        assert drive.watch.update(replace(small, stamp_ns=round(drive.seconds * NS_PER_S))) is None
        drive.seconds += 1 / RATE


def test_health_makes_a_condition_of_it() -> None:
    drive, conditions = Drive(), Debounce(0.4, 2.0)
    drive.on(70, turned(pitch=2))
    for _ in range(3):
        found = drive.on(0.5, turned(pitch=2))
        raised = conditions.update([] if found is None else [found], round(drive.seconds * NS_PER_S))
    assert [(one.name, one.level) for one in raised] == [("remounted", Level.WARN)]
