"""What is said of a drive, and what is refused; and the grid that is drawn of a calibration."""

import math

import numpy as np
import pytest
from rich.console import Console

from calibration.check_picture import draw_check
from calibration.mount_report import CheckReport, MountReport, measure
from calibration.mounting import Height
from perception.camera_info import Mount
from perception.errors import PerceptionError
from perception.geometry.ground import Ground
from perception.geometry.straight import Average, StraightDriving
from perception.geometry.vanishing import Vanishing
from perception.overlay.style import AMBER, GREEN, RED, WHITE
from perception.types import NS_PER_S
from tests.geometry.lenses import PLAIN, WIDE


def driving(
    seconds: float, yaw_sd: float = 0.01, no_lanes: int = 0, width: float | None = 2.5
) -> StraightDriving:
    rng, driven = np.random.default_rng(0), StraightDriving()
    for k in range(round(10 * seconds) + 1):
        ego = None if width is None else (width / 2, -width / 2)
        pitch, yaw = rng.normal((0.03, -0.01), (0.003, yaw_sd))
        driven.add(
            round(k * NS_PER_S / 10), Vanishing(pitch, yaw, 0.0, 0.005, 0.006, 0.001, (1.2, -1.2), ego)
        )
    for k in range(no_lanes):
        driven.add(round((seconds + 1 + k) * NS_PER_S), None)
    return driven


def text(report: MountReport | CheckReport) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(report.table())
    return captured.get()


def test_every_frame_is_accounted_for() -> None:
    _, driven = measure("drive.mp4", driving(12, no_lanes=7))
    left = driven.no_lanes + driven.bends + driven.lane_changes_or_standing
    assert driven.frames == driven.straight + left == 128 and driven.no_lanes == 7
    assert driven.seconds == pytest.approx(12, abs=0.2)


def test_more_driving_is_asked_for_until_it_is_enough() -> None:
    _, short = measure("drive.mp4", driving(6))
    assert short.notes == [
        f"drive {math.ceil(short.more_s)} more seconds straight for ± 0.1° of pitch and ± 0.25° of yaw"
    ]
    _, long = measure("drive.mp4", driving(120))
    assert long.more_s == 0 and long.notes == []


@pytest.mark.parametrize(
    ("drive", "said"),
    [
        (StraightDriving(), "drive.mp4: has no frames"),
        (driving(0.3), "too little straight driving, 0.5 s are the least"),
        (driving(2, no_lanes=400), "lane boundaries in so few frames may be none: 21 of 421 frames"),
        (
            driving(10, yaw_sd=1.0),
            r"are less sure than by eye \(± 0.29° and ± 0.57°\).*drive \d+ more seconds straight",
        ),
    ],
)
def test_what_is_not_known_is_not_said(drive: StraightDriving, said: str) -> None:
    with pytest.raises(PerceptionError, match=said):
        measure("drive.mp4", drive)


def test_a_height_from_a_lane_is_as_unsure_as_lanes_are_different() -> None:
    average, _ = measure("drive.mp4", driving(60))
    height, sd, _ = Height(None, 0.02, 3.5).over("drive.mp4", average)
    assert height == pytest.approx(3.5 / 2.5) and sd == pytest.approx(0.085 * height, rel=0.05)
    unseen, _ = measure("drive.mp4", driving(60, width=None))
    with pytest.raises(PerceptionError, match="never seen at once; measure the height"):
        Height(None, 0.02, 3.5).over("drive.mp4", unseen)


def average(pitch: float, yaw: float, sd: float) -> Average:
    sds = np.radians([sd, sd, sd])
    return Average(np.array([math.radians(pitch), math.radians(yaw), 2.5]), sds, sds, 100, 20.0)


@pytest.mark.parametrize(
    ("pitch", "yaw", "sd", "said"),
    [
        (1.0, 0.0, 0.05, []),
        (1.3, 0.0, 0.05, ["pitch is off by +0.30°"]),
        (1.3, 0.0, 0.2, []),
        (1.0, -0.4, 0.05, []),
        (0.0, -0.6, 0.05, ["pitch is off by -1.00°", "yaw is off by -0.60°"]),
    ],
)
def test_what_differs_and_is_sure_is_warned_of(pitch: float, yaw: float, sd: float, said: list[str]) -> None:
    _, driven = measure("drive.mp4", driving(12))
    mount = Mount(1.3, math.radians(1.0), pitch_sd=math.radians(0.02), yaw_sd=math.radians(0.02))
    report = CheckReport("front.yaml", mount, average(pitch, yaw, sd), driven)
    assert [one.split(" ±")[0] for one in report.warnings] == said
    shown = text(report)
    assert ("no difference that is sure" in shown) == (not said)
    assert f"{pitch:.2f}°" in shown and report.as_json()["yaw"]["drive"] == pytest.approx(yaw)


def test_names_are_whole_and_nothing_is_minus_nothing() -> None:
    _, driven = measure(f"{'long_' * 20}1280x720.mp4", driving(12))
    mount = Mount(1.3, math.radians(1.0), math.radians(0.001), pitch_sd=0.001, yaw_sd=0.001)
    shown = text(CheckReport("front.yaml", mount, average(1.0, -0.002, 0.05), driven))
    assert "-0.00" not in shown and "0.00°" in shown and f"{'long_' * 20}1280x720.mp4" in shown
    measured = text(MountReport("front.yaml", Mount(1.3, -1e-9, -1e-9), "given", driven, ()))
    assert "-0.00" not in measured and "1280x720.mp4" in measured


def test_a_report_says_that_roll_was_not_measured() -> None:
    _, driven = measure("drive.mp4", driving(6))
    mount = Mount(1.3, math.radians(2), math.radians(-1), frames=61, date="2026-11-29")
    report = MountReport("front.yaml", mount, "given", driven, tuple(driven.notes))
    assert "not measured: taken as level" in text(report) and "more seconds straight" in text(report)
    said = report.as_json()["mount"]
    assert (said["pitch"], said["yaw"], said["frames"]) == (2.0, -1.0, 61)


def test_the_grid_lies_where_the_road_is() -> None:
    mount = Mount(1.4, math.radians(3), math.radians(1))
    for info in (PLAIN, WIDE):
        ground = Ground(info, mount)
        picture = np.zeros((720, 1280, 3), np.uint8)
        draw_check(picture, ground, (math.radians(2), math.radians(4)))
        for place, colour in (((10.0, 0.5), WHITE), ((6.5, -2.0), WHITE), ((6.5, 0.0), AMBER)):
            x, y = np.rint(ground.to_pixels(np.array([place]))[0]).astype(int)
            assert _near(picture[y - 1 : y + 2, x - 1 : x + 2], colour), place
        x, y = np.rint(ground.to_pixels(np.array([[1e6, 4e5]]))[0]).astype(int)
        assert _near(picture[y - 1 : y + 2, x - 1 : x + 2], GREEN)
        x, y = np.rint(ground.to_pixels(np.array([[1e9, 0.0]]))[0]).astype(int)
        assert _near(picture[y - 12 : y - 7, x - 1 : x + 2], GREEN)  # the upright of its cross
        elsewhere = Ground(info, Mount(1.4, math.radians(2), math.radians(4)))
        x, y = np.rint(elsewhere.to_pixels(np.array([[1e9, 0.0]]))[0]).astype(int)
        assert _near(picture[y - 1 : y + 2, x - 1 : x + 2], RED)


def test_nothing_is_drawn_of_a_horizon_outside_the_picture() -> None:
    picture = np.zeros((720, 1280, 3), np.uint8)
    draw_check(picture, Ground(PLAIN, Mount(1.4, math.radians(50))), None)
    assert not _near(picture, GREEN) and not _near(picture, RED)


def _near(part: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(part.astype(int) - colour).max(-1) < 60).any())
