"""Which calibration holds for a frame, and where transforms put a camera."""

import logging
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.camera_info import Mount, Transform
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.locator import Locator
from perception.geometry.mounting import Known, Locators, find_mount, mount_transform
from perception.health.types import Level
from tests.geometry.roads import camera, mount

LEVEL = 0.0, 0.0, 0.0, 1.0
ANGLE = st.floats(-0.7, 0.7)


def frame(width: int = 1280, height: int = 720, **more: Any) -> Frame:
    return Frame(np.zeros((height, width, 3), np.uint8), 0, **more)


@given(st.floats(0.5, 3), ANGLE, ANGLE, ANGLE)
def test_a_mount_comes_back_from_its_transform(height: float, pitch: float, yaw: float, roll: float) -> None:
    given_mount = Mount(height, pitch, yaw, roll)
    found = find_mount((mount_transform(given_mount, "eye"),), "eye")
    assert found is not None
    for name in ("height", "pitch", "yaw", "roll"):
        assert getattr(found, name) == pytest.approx(getattr(given_mount, name), abs=1e-9)


def test_a_camera_that_looks_ahead_has_the_optical_axes_of_ros() -> None:
    x, y, z, w = mount_transform(Mount(1.0), "eye").rotation
    assert np.abs((x, y, z, w)) == pytest.approx((0.5,) * 4)
    assert np.sign((-x, y, -z, w)) == pytest.approx(
        np.sign(w) * np.ones(4)
    )  # as in REP 103: -0.5 0.5 -0.5 0.5


def test_a_chain_of_transforms_adds_up() -> None:
    """The body is raised and turned to the left; the camera sits ahead on it, and looks down."""
    quarter = math.sin(math.pi / 4)
    body = Transform("base_footprint", "/base_link", (0.0, 0.0, 0.4), (0.0, 0.0, quarter, quarter))
    eye = replace(mount_transform(Mount(1.0, 0.1), "eye"), parent="base_link", translation=(2.0, 0.0, 1.0))
    found = find_mount((eye, body), "/eye")
    assert found is not None
    assert (found.height, found.pitch, found.yaw) == pytest.approx((1.4, 0.1, math.pi / 2))


def test_a_body_that_leans_carries_the_camera_with_it() -> None:
    body = Transform(
        "base_footprint", "base_link", (0.0, 0.0, 0.4), (0.0, math.sin(0.05), 0.0, math.cos(0.05))
    )
    eye = replace(mount_transform(Mount(1.0), "eye"), parent="base_link", translation=(2.0, 0.0, 1.0))
    found = find_mount((eye, body), "eye")
    assert found is not None
    assert found.height == pytest.approx(0.4 - 2 * math.sin(0.1) + math.cos(0.1))
    assert found.pitch == pytest.approx(0.1)


@pytest.mark.parametrize(
    "transforms",
    [
        (),
        (Transform("base_link", "eye", (0.0, 0.0, 1.0), LEVEL),),  # it may be anywhere over the road
        (Transform("base_footprint", "other", (0.0, 0.0, 1.0), LEVEL),),
        (Transform("b", "eye", (0.0, 0.0, 1.0), LEVEL), Transform("eye", "b", (0.0, 0.0, 1.0), LEVEL)),
    ],
)
def test_no_mount_without_a_chain_to_the_road(transforms: tuple[Transform, ...]) -> None:
    assert find_mount(transforms, "eye") is None


def test_a_camera_below_the_road_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"put eye -1 m above the road of base_footprint"):
        find_mount((Transform("base_footprint", "eye", (0.0, 0.0, -1.0), LEVEL),), "eye")


def locator_of(locators: Locators, of: Frame) -> Locator:
    found = locators.of(of).locator
    assert found is not None
    return found


def test_frames_bring_their_own_calibration() -> None:
    locators = Locators(None, DRIVE)
    known = frame(camera_info=camera(), transforms=(mount_transform(mount(1.3, 2.0), "front_optical"),))
    found = locator_of(locators, known)
    assert found.mount.height == pytest.approx(1.3)
    assert found.mount.pitch == pytest.approx(math.radians(2.0))
    assert locator_of(locators, replace(known, stamp_ns=1)) is found
    assert locators.of(frame()) == Known()
    moved = replace(known, transforms=(mount_transform(mount(1.5), "front_optical"),))
    assert locator_of(locators, moved).mount.height == pytest.approx(1.5)


@pytest.mark.parametrize("road", ["base_footprint", "body"])
def test_a_car_that_drives_does_not_move_its_camera(road: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also one that has no metres says so once."""
    caplog.set_level(logging.INFO)
    sits = replace(mount_transform(mount(), "front_optical"), parent=road)
    known = frame(camera_info=camera(), transforms=(sits,))
    locators = Locators(None, DRIVE)
    first = locators.of(known)
    for metres in (1.0, 2.0):
        drives = Transform("odom", road, (metres, 0.0, 0.0), LEVEL)
        assert locators.of(replace(known, transforms=(drives, sits))) is first
    assert (first.locator is None, len(notes(caplog))) == ((True, 1) if road == "body" else (False, 0))


def test_what_is_given_wins_over_what_frames_know() -> None:
    locators = Locators(Calibration(camera(700.0), mount(1.1)), DRIVE)
    known = frame(camera_info=camera(), transforms=(mount_transform(mount(), "front_optical"),))
    assert locator_of(locators, known).mount.height == 1.1


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_another_size_is_scaled_and_another_aspect_found(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    locators = Locators(Calibration(camera(), mount(), "car.yaml"), DRIVE)
    for _ in range(3):
        found = locator_of(locators, frame(640, 360))
    assert found.calibration.info.k[0] == 500.0
    assert notes(caplog) == ["front: calibration: 1280×720 is scaled to 640×360"]
    for _ in range(3):
        other = locators.of(frame(640, 480))
    assert (other.calibration, other.locator) == (None, None)
    assert other.finding is not None
    assert (other.finding.name, other.finding.level) == ("calibration", Level.WARN)
    assert "calibration car.yaml: holds for 1280×720, and the pictures are 640×480" in other.finding.reason
    assert len(notes(caplog)) == 2
    assert locators.of(frame()).locator is not None  # as the camera gives again what it holds for


@pytest.mark.parametrize("yaw", [100.0, -100.0, 180.0])
def test_a_camera_that_looks_back_sees_no_road_ahead(yaw: float, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    calibration = Calibration(camera(), mount(yaw_deg=yaw))
    assert Locators(calibration, DRIVE).of(frame()) == Known(calibration)
    (said,) = notes(caplog)
    assert f"looks back (yaw {yaw:g}°)" in said


def test_a_lens_alone_is_known() -> None:
    """Its `camera_info` is published."""
    calibration = Calibration(camera())
    assert Locators(calibration, DRIVE).of(frame()) == Known(calibration)


@pytest.mark.parametrize(
    ("calibration", "known", "why"),
    [
        (Calibration(camera()), {}, "has no mount"),
        (None, {"camera_info": camera()}, "no transforms lead from front_optical to base_footprint"),
        (
            None,
            {
                "camera_info": replace(camera(), model="double_sphere"),
                "transforms": (mount_transform(mount(), "front_optical"),),
            },
            "distortion model 'double_sphere' is not known",
        ),
        (
            None,
            {
                "camera_info": camera(),
                "transforms": (Transform("base_footprint", "front_optical", (0, 0, -1), LEVEL),),
            },
            "put front_optical -1 m above",
        ),
    ],
)
def test_why_there_are_no_metres_is_said_once(
    calibration: Calibration | None, known: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    locators = Locators(calibration, DRIVE)
    for _ in range(3):
        found = locators.of(frame(**known))
        assert (found.locator, found.finding) == (None, None)
    (said,) = notes(caplog)
    assert why in said
