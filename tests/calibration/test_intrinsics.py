"""The choice of model and views, and what is said of a lens's errors, against a known lens."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from calibration.boards import Corners, parse_board
from calibration.coverage import ZONES, count_corners, lacking, zone_of
from calibration.intrinsics import LEAST_VIEWS, Intrinsics, camera_info, find_intrinsics
from calibration.intrinsics import ray_errors as calibration_ray_errors
from calibration.intrinsics_report import Report
from calibration.views import View
from perception.camera_info import CameraInfo
from perception.errors import DataError
from perception.types import Doubles
from tests.calibration.simulated_board import (
    CAMERAS,
    SIZE,
    Studio,
    charuco_texture,
    ray_errors,
    turned_ray_errors,
)

PLACES = parse_board("chess:7x5:40mm").places


def views(name: str, count: int = 15, seed: int = 0, bend: float = 0.0, noise: float = 0.05) -> list[View]:
    studio = Studio(CAMERAS[name], PLACES, np.random.default_rng(seed))
    return [View(f"view{i}", studio.corners(noise, bend), 1.0, b"") for i in range(count)]


def relative(found: Intrinsics, name: str) -> float:
    """RMS of real errors of rays over those that were said."""
    errors = turned_ray_errors(found.info, CAMERAS[name])
    said = np.median(found.ray_errors)
    return float(np.median(errors) / said)


@pytest.mark.parametrize("name", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_pictures_of_a_charuco_board_give_rays_to_a_pixel(name: str) -> None:
    """Rendered, found and fitted."""
    board, texture = parse_board("charuco:8x6:40mm:30mm"), charuco_texture(8, 6)
    studio = Studio(CAMERAS[name], board.places, np.random.default_rng(5), share=0.7)
    seen = [board.find(studio.picture(texture)[..., 0].copy()) for _ in range(15)]
    found = find_intrinsics(
        [View(str(i), one, 1.0, b"") for i, one in enumerate(seen) if one is not None],
        SIZE,
        fisheye=name == "equidistant",
    )
    errors = ray_errors(found.info, CAMERAS[name])
    assert len(found.views) >= 13
    assert errors.mean() < 1
    # At 480×360 no corner is found within 25 px of the picture's own corners.
    assert np.percentile(errors, 97) < 2.5


def test_as_many_coefficients_are_taken_as_foretell_other_views_best() -> None:
    found = find_intrinsics(views("rational_polynomial", noise=0.02), SIZE)
    assert (
        found.info.model == "rational_polynomial" == min(found.held_out, key=lambda one: found.held_out[one])
    )
    assert set(found.held_out) == {"plumb_bob", "rational_polynomial"}
    assert found.rms < found.held_out["rational_polynomial"] < 1.2 * found.rms
    asked = find_intrinsics(views("rational_polynomial", noise=0.02), SIZE, coefficients=5)
    assert (asked.info.model, set(asked.held_out)) == ("plumb_bob", {"plumb_bob"})


def test_single_corners_that_are_far_off_are_left_out() -> None:
    good = views("plumb_bob")
    pixels = good[2].corners.pixels.copy()
    pixels[[1, 5]] += [[0.8, 0.0], [0.0, -0.7]]
    found = find_intrinsics(
        [*good[:2], replace(good[2], corners=replace(good[2].corners, pixels=pixels)), *good[3:]], SIZE
    )
    assert (found.stray, found.dropped) == (2, ())
    assert found.rms < 0.08


def test_a_view_that_disagrees_is_dropped_with_its_error_and_a_good_one_never() -> None:
    good = views("plumb_bob")
    assert find_intrinsics(good, SIZE).dropped == ()
    wrong = np.random.default_rng(3).normal(0, 0.6, good[4].corners.pixels.shape)
    bad = replace(good[4], corners=replace(good[4].corners, pixels=good[4].corners.pixels + wrong))
    found = find_intrinsics([*good[:4], bad, *good[5:]], SIZE)
    ((view, error),) = found.dropped
    assert view is bad
    assert error == pytest.approx(0.6 * np.sqrt(2), rel=0.3)
    assert [view.name for view in found.views] == [view.name for view in good if view.name != bad.name]
    assert len(found.fit.errors) == len(found.views) == 14


def test_views_are_not_dropped_below_the_least() -> None:
    good = views("plumb_bob", LEAST_VIEWS)
    off = replace(
        good[0].corners, pixels=good[0].corners.pixels + np.random.default_rng(0).normal(0, 2, (1, 2))
    )
    assert len(find_intrinsics([replace(good[0], corners=off), *good[1:]], SIZE).views) == LEAST_VIEWS
    with pytest.raises(
        DataError, match=rf"found in {LEAST_VIEWS - 1} views, at least {LEAST_VIEWS} are needed"
    ):
        find_intrinsics(good[1:], SIZE)


@pytest.mark.parametrize("name", ["plumb_bob", "equidistant"])
def test_the_errors_of_rays_that_are_said_are_real(name: str) -> None:
    fisheye = name == "equidistant"
    ratios = [
        relative(
            find_intrinsics(
                views(name, seed=seed), SIZE, fisheye=fisheye, coefficients=None if fisheye else 5
            ),
            name,
        )
        for seed in range(3)
    ]
    assert 0.25 < np.sqrt(np.mean(np.square(ratios))) < 2  # one error decides most of each: they scatter


def test_what_a_mount_takes_up_is_no_error_of_rays() -> None:
    """A shifted principal point is a turned camera; a wrong focal length is not."""
    found = find_intrinsics(views("plumb_bob"), SIZE, coefficients=5)
    for parameter, sd, least, most in ((2, 10.0, 0.0, 2.0), (3, 10.0, 0.0, 2.0), (0, 3.6, 1.0, 2.0)):
        covariance = np.zeros((9, 9))
        covariance[parameter, parameter] = sd**2
        fitted = replace(found.fit, covariance=covariance)
        errors = calibration_ray_errors(fitted, SIZE, found.places)
        # The same by the lens itself.
        moved = replace(fitted, parameters=fitted.parameters + sd * np.eye(9)[parameter])
        truth = turned_ray_errors(camera_info(moved, SIZE), found.info)
        assert least < np.median(errors) == pytest.approx(np.median(truth), rel=0.15)
        assert np.median(errors) < most


def test_at_a_tie_fewer_coefficients_are_taken() -> None:
    found = find_intrinsics(views("plumb_bob", 12), SIZE)
    lead = 1 - found.held_out["rational_polynomial"] / found.held_out["plumb_bob"]
    assert 0 < lead < 0.02 and found.info.model == "plumb_bob"


def test_a_bent_board_makes_deviations_larger_not_only_errors() -> None:
    flat = find_intrinsics(views("plumb_bob", noise=0.02), SIZE, coefficients=5)
    bent = find_intrinsics(views("plumb_bob", noise=0.02, bend=0.003), SIZE, coefficients=5)
    off = abs(bent.fit.parameters[0] - CAMERAS["plumb_bob"].k[0])
    assert off < 4 * bent.sd["fx"]
    assert bent.sd["fx"] / bent.rms > 1.2 * flat.sd["fx"] / flat.rms


def test_cells_and_zones_of_the_picture() -> None:
    x, y = np.meshgrid(np.arange(0, SIZE[0], 4.0), np.arange(0, SIZE[1], 4.0))
    everywhere = np.stack([x, y], -1).reshape(-1, 2)
    assert count_corners(everywhere, SIZE).sum() == len(everywhere)
    assert lacking(count_corners(everywhere, SIZE)) == []
    upper = everywhere[everywhere[:, 1] < SIZE[1] / 3 - 1]
    assert lacking(count_corners(upper, SIZE)) == list(ZONES[3:])
    right = everywhere[everywhere[:, 0] > SIZE[0] * 2 / 3]
    assert lacking(count_corners(right, SIZE)) == [zone for zone in ZONES if "right" not in zone]
    assert zone_of(np.array([-0.5, SIZE[1] - 0.5]), SIZE) == "the lower left corner"
    assert zone_of(np.array([SIZE[0] / 2, 0.0]), SIZE) == "the upper edge"


@pytest.mark.parametrize("seed", [0, 1])
def test_boards_that_only_face_the_camera_are_refused(seed: int) -> None:
    """Focal length and distance are one then: whatever came out would be written as a lens."""
    studio = Studio(CAMERAS["plumb_bob"], PLACES, np.random.default_rng(seed), tilt=0.5)
    facing = [View(f"view{i}", studio.corners(0.2), 1.0, b"") for i in range(10)]
    flat = [replace(one, corners=Corners(_facing(one.corners), one.corners.board)) for one in facing]
    with pytest.raises(DataError, match="the views leave the focal length open; tilt the board"):
        find_intrinsics(flat, SIZE)


def _facing(corners: Corners) -> Doubles:
    """As of a lens without distortion, before which the board is not tilted at all."""
    middle = corners.pixels.mean(0)
    flat = corners.board - corners.board.mean(0)
    noise = np.random.default_rng(len(flat)).normal(0, 0.1, flat.shape)
    return np.asarray(middle + flat * np.ptp(corners.pixels[:, 0]) / np.ptp(flat[:, 0]) + noise)


def test_the_angle_of_a_fisheye_may_be_more_than_half_a_turn() -> None:
    """Equidistant: 560 pixels a radian, so 196.4° across 1920 and 110.5° down 1080."""
    k = (560.0, 0.0, 959.5, 0.0, 560.0, 539.5, 0.0, 0.0, 1.0)
    p = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
    info = CameraInfo(1920, 1080, "equidistant", (0.0,) * 4, k, CAMERAS["equidistant"].r, p)
    report = SimpleNamespace(found=SimpleNamespace(size=(1920, 1080), info=info))
    assert Report._angles(report) == pytest.approx((196.44, 110.50), abs=0.02)  # type: ignore[arg-type]
