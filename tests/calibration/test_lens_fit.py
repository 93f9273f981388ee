"""Lenses fitted to corners that a known lens put where they are."""

import cv2
import numpy as np
import pytest

from calibration.boards import Corners, parse_board
from calibration.intrinsics import camera_info
from calibration.lens_fit import FISHEYE, PLUMB_BOB, RATIONAL, Fit, Model, fit, project, rms, start
from perception.camera_info import CameraInfo
from tests.calibration.simulated_board import CAMERAS, SIZE, Studio, camera, ray_errors

PLACES = parse_board("chess:7x5:40mm").places
MODELS = (PLUMB_BOB, RATIONAL, FISHEYE)
NOISE = 0.05


def views(info: CameraInfo, count: int, noise: float, seed: int = 0) -> list[Corners]:
    studio = Studio(info, PLACES, np.random.default_rng(seed))
    return [studio.corners(noise) for _ in range(count)]


def fitted(model: Model, seen: list[Corners]) -> Fit:
    return fit(model, seen, *start(model, seen, SIZE))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_exact_corners_give_the_lens(model: Model) -> None:
    info = CAMERAS[model.name]
    found = fitted(model, views(info, 20, 0.0))
    assert rms(np.concatenate(found.residuals)) < 2e-3
    # Coefficients are drawn towards 0, by what is far less than any real error of corners.
    assert np.median(ray_errors(camera_info(found, SIZE), info)) < 0.01
    np.testing.assert_allclose(found.parameters[:4], [info.k[i] for i in (0, 4, 2, 5)], atol=0.05)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_fifteen_views_with_noise_give_rays_to_a_pixel(model: Model) -> None:
    info = CAMERAS[model.name]
    for seed in range(2):
        errors = ray_errors(camera_info(fitted(model, views(info, 15, NOISE, seed)), SIZE), info)
        assert errors.mean() < 1
        assert errors.max() < 2.5


def test_lens_and_deviations_are_those_of_opencv() -> None:
    seen = views(CAMERAS["plumb_bob"], 12, NOISE)
    found = fitted(PLUMB_BOB, seen)
    boards = [np.column_stack([one.board, np.zeros(len(one.board))]).astype(np.float32) for one in seen]
    pixels = [one.pixels.astype(np.float32) for one in seen]
    error, matrix, d, _, _, deviations, *_ = cv2.calibrateCameraExtended(
        boards, pixels, SIZE, np.eye(3), np.zeros(5)
    )
    theirs, sd = np.array([matrix[0, 0], matrix[1, 1], *matrix[:2, 2], *d.ravel()]), deviations.ravel()[:9]
    assert rms(np.concatenate(found.residuals)) == pytest.approx(error, rel=1e-3)
    assert (np.abs(found.parameters - theirs) < 0.1 * sd).all()
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), sd, rtol=0.1)


@pytest.mark.parametrize("model", (PLUMB_BOB, FISHEYE), ids=lambda model: model.name)
def test_deviations_are_those_of_repeated_measurements(model: Model) -> None:
    info = CAMERAS[model.name]
    exact = views(info, 12, 0.0)
    start_from, rng, found = start(model, exact, SIZE), np.random.default_rng(1), []
    for _ in range(20):
        noisy = [Corners(one.pixels + rng.normal(0, NOISE, one.pixels.shape), one.board) for one in exact]
        found.append(fit(model, noisy, *start_from))
    scatter = np.std([one.parameters for one in found], axis=0)
    said = np.mean([np.sqrt(np.diag(one.covariance)) for one in found], axis=0)
    assert (said[:4] / scatter[:4]).min() > 0.6
    assert (said[:4] / scatter[:4]).max() < 1.7
    # Of coefficients that the views leave open more is said than is seen: they are drawn towards 0.
    assert (said / scatter).min() > 0.6


def test_eight_coefficients_do_not_run_away_where_five_are_enough() -> None:
    """Least squares alone put rays in the corner up to 1700 px off on such views."""
    info = CAMERAS["plumb_bob"]
    for seed in range(2):
        found = fitted(RATIONAL, views(info, 12, NOISE, seed))
        assert np.abs(found.parameters[4:]).max() < 2
        assert np.nanmax(ray_errors(camera_info(found, SIZE), info)) < 6


@pytest.mark.parametrize("model", (PLUMB_BOB, FISHEYE), ids=lambda model: model.name)
def test_the_start_needs_no_guess_of_the_angle_of_view(model: Model) -> None:
    for focal in (140, 1200):  # a fisheye's picture is then 245° across its corners
        info = camera(model.name, focal, [0.0] * len(model.coefficients))
        found = fitted(model, views(info, 10, NOISE))
        assert found.parameters[0] == pytest.approx(focal, rel=0.02)


def test_a_board_found_turned_by_half_a_turn_changes_nothing_of_the_lens() -> None:
    seen = views(CAMERAS["plumb_bob"], 10, NOISE)
    turned = [Corners(one.pixels, PLACES.max(0) - one.board) if i % 2 else one for i, one in enumerate(seen)]
    np.testing.assert_allclose(
        fitted(PLUMB_BOB, turned).parameters, fitted(PLUMB_BOB, seen).parameters, rtol=1e-3
    )


def test_only_poses_are_fitted_where_the_lens_is_held() -> None:
    info = CAMERAS["equidistant"]
    seen = views(info, 6, NOISE)
    lens = np.array([*(info.k[i] for i in (0, 4, 2, 5)), *info.d])
    found = fit(FISHEYE, seen, lens, start(FISHEYE, seen, SIZE)[1], lens=False)
    np.testing.assert_array_equal(found.parameters, lens)
    assert rms(np.concatenate(found.residuals)) == pytest.approx(NOISE * np.sqrt(2), rel=0.15)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_derivatives_are_those_of_small_differences(model: Model) -> None:
    rng = np.random.default_rng(0)
    points = np.column_stack([PLACES, rng.uniform(-0.1, 0.1, len(PLACES))])
    lens = np.array([300.0, 310, 240, 180, *rng.uniform(-0.1, 0.1, len(model.coefficients))])
    for depth in (0.5, *((-0.1,) if model.fisheye else ())):
        both, q = np.array([*lens, *rng.uniform(-0.5, 0.5, 3), 0.1, 0.2, depth]), len(lens)
        by_lens, by_pose = project(model, lens, both[q:], points)[1:]
        for place, slope in enumerate(np.column_stack([by_lens, by_pose]).T):
            step = 1e-6 * np.eye(len(both))[place]
            high, low = (
                project(model, one[:q], one[q:], points)[0].ravel() for one in (both + step, both - step)
            )
            np.testing.assert_allclose(slope, (high - low) / 2e-6, rtol=1e-5, atol=1e-4)
