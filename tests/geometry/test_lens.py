"""A lens against OpenCV's projection, and against itself: to pixels and back."""

import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given

from perception.camera_info import CameraInfo
from perception.errors import ConfigError
from perception.geometry.lens import Lens
from tests.geometry.lenses import FISHEYE, KITTI, LENSES, PLAIN, info, lenses

Doubles = npt.NDArray[np.float64]


def projected(lens: CameraInfo, rays: Doubles) -> Doubles:
    """By OpenCV, which knows no fold."""
    k, d, still = np.reshape(lens.k, (3, 3)), np.array(lens.d), np.zeros(3)
    if lens.model == "equidistant":
        pixels, _ = cv2.fisheye.projectPoints(rays[:, None], still, still, k, d)
    else:
        pixels, _ = cv2.projectPoints(rays[:, None], still, still, k, d)
    return np.asarray(pixels[:, 0], np.float64)


def fan(widest: float) -> Doubles:
    """Unit vectors up to an angle from the axis in degrees, (n, 3)."""
    angle, round_it = np.meshgrid(np.radians(np.linspace(0, widest, 20)), np.linspace(0, 6, 9))
    sideways = np.sin(angle)
    return np.stack([sideways * np.cos(round_it), sideways * np.sin(round_it), np.cos(angle)], -1).reshape(
        -1, 3
    )


def everywhere(lens: CameraInfo, step: int = 40) -> Doubles:
    """Pixels of the whole frame, with its corners: (n, 2)."""
    x = np.append(np.arange(0.0, lens.width, step), lens.width - 1)
    y = np.append(np.arange(0.0, lens.height, step), lens.height - 1)
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)


@given(lenses())
def test_rays_meet_the_picture_where_opencv_says(lens: CameraInfo) -> None:
    rays = fan(80)
    found, truth = Lens(lens).to_pixels(rays), projected(lens, rays)
    seen = np.isfinite(found).all(1)
    np.testing.assert_allclose(found[seen], truth[seen], rtol=1e-9, atol=1e-6)


@given(lenses())
def test_there_and_back_is_the_same_ray(lens: CameraInfo) -> None:
    """Where a ray that is turned by a little moves in the picture: at a fold it does not."""
    rays, camera, step = fan(70), Lens(lens), 1e-4
    pixels = camera.to_pixels(rays)
    sides = [camera.to_pixels(rays + step * np.eye(3)[axis]) - pixels for axis in range(2)]
    (a, b), (c, d) = (side.T for side in sides)
    moved = (a * d - b * c) / (step * lens.k[0]) ** 2
    clear = (moved > 0.05) & (np.abs(pixels - lens.width / 2) < lens.width).all(1)
    assert clear[0]  # on the axis
    np.testing.assert_allclose(camera.to_rays(pixels[clear]), rays[clear], atol=1e-7)


@given(lenses())
def test_no_pixel_has_a_ray_of_another_pixel(lens: CameraInfo) -> None:
    camera, pixels = Lens(lens), everywhere(lens)
    rays = camera.to_rays(pixels)
    found = np.isfinite(rays).all(1)
    np.testing.assert_allclose(np.linalg.norm(rays[found], axis=1), 1)
    np.testing.assert_allclose(camera.to_pixels(rays[found]), pixels[found], atol=2e-3)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_of_real_lenses_every_pixel_has_its_ray(lens: CameraInfo) -> None:
    pixels = everywhere(lens)
    rays = Lens(lens).to_rays(pixels)
    ahead = rays[:, 2] > 0.05  # OpenCV divides by it
    np.testing.assert_allclose(projected(lens, rays[ahead]), pixels[ahead], atol=1e-6)
    assert ahead.all() or lens is FISHEYE


def test_a_fisheye_sees_behind_itself() -> None:
    """To the formula of Kannala and Brandt: OpenCV's own projection mirrors what lies behind."""
    angle = np.radians([0.0, 30.0, 89.9, 90.0, 95.0, 100.0])
    k1, k2, k3, k4 = FISHEYE.d
    radius = angle + k1 * angle**3 + k2 * angle**5 + k3 * angle**7 + k4 * angle**9
    rays = np.column_stack([np.sin(angle) * 0.6, np.sin(angle) * 0.8, np.cos(angle)])
    lens = Lens(FISHEYE)
    pixels = lens.to_pixels(3.0 * rays)
    centre = np.array([FISHEYE.k[2], FISHEYE.k[5]])
    np.testing.assert_allclose(pixels, centre + FISHEYE.k[0] * radius[:, None] * [0.6, 0.8], atol=1e-9)
    np.testing.assert_allclose(lens.to_rays(pixels), rays, atol=1e-9)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_nothing_is_seen_behind(lens: CameraInfo) -> None:
    behind = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [np.nan, 0.0, 1.0]])
    if lens is not FISHEYE:
        behind = np.concatenate([behind, [[1.0, 0.0, 0.0], [0.2, -0.1, -1.0]]])
    assert np.isnan(Lens(lens).to_pixels(behind)).all()
    assert np.isnan(Lens(lens).to_rays(np.array([[np.nan, 0.0], [np.inf, 3.0]]))).all()


@pytest.mark.parametrize(
    ("lens", "fold"),
    [  # tan or angle from where on the radius shrinks: 1 + 3 k1 q + 5 k2 q² = 0 of q, its square
        (info("plumb_bob", (-0.5, 0.1, 0, 0, 0), 1000.0, (1280, 720)), 1.0),
        (info("plumb_bob", (-1 / 3, 0, 0, 0), 1000.0, (1280, 720)), 1.0),
        (info("rational_polynomial", (0, 0, 0, 0, 0, 0, 1 / 3, 0), 1000.0, (1280, 720)), 1.0),
        (info("equidistant", (-0.5, 0.1, 0, 0), 400.0, (1280, 720)), 1.0),
    ],
)
def test_beyond_a_fold_nothing_is_seen_though_the_model_goes_on(lens: CameraInfo, fold: float) -> None:
    away = fold * np.array([0.9, 0.99, 1.01, 1.2, 1.39, 1.45, 1.5, 1.56, 3.0])
    if lens.model == "equidistant":
        rays = np.column_stack([np.sin(away), 0 * away, np.cos(away)])
    else:
        rays = np.column_stack([away, 0 * away, 1 + 0 * away])
    pixels = Lens(lens).to_pixels(rays)
    assert np.isfinite(pixels).all(1).tolist() == [True, True] + [False] * 7
    beyond = pixels[1] + [200.0, 0.0]
    assert np.isnan(Lens(lens).to_rays(beyond[None])).all()


def test_a_fold_on_one_side_alone() -> None:
    """By tangential distortion: along x the picture turns where 1 + 6 p2 x = 0, at -2.08."""
    lens = Lens(info("plumb_bob", (0, 0, 0, 0.08), 400.0, (1280, 720)))
    rays = np.array([[-2.0, 0.0, 1.0], [-2.2, 0.0, 1.0], [2.2, 0.0, 1.0]])
    assert np.isfinite(lens.to_pixels(rays)).all(1).tolist() == [True, False, True]


def test_a_lens_ends_at_a_pole_of_its_model() -> None:
    lens = Lens(info("rational_polynomial", (0, 0, 0, 0, 0, -0.25, 0, 0), 100.0, (1280, 720)))
    away = np.array([0.5, 1.5, 1.9, 2.1, 5.0])
    rays = np.column_stack([away, 0 * away, 1 + 0 * away])
    pixels = lens.to_pixels(rays)
    assert np.isfinite(pixels).all(1).tolist() == [True, True, True, False, False]
    back = lens.to_rays(pixels[:3])
    np.testing.assert_allclose(back[:, 0] / back[:, 2], away[:3], rtol=1e-6)


def test_what_the_bare_polynomial_maps_into_the_frame_from_beyond_is_not_seen() -> None:
    aside = np.array([[math.tan(math.radians(57)), 0.0, 1.0]])
    inside = projected(KITTI, aside)[0, 0]
    assert 0 < inside < KITTI.width
    assert np.isnan(Lens(KITTI).to_pixels(aside)).all()


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
@pytest.mark.parametrize("count", [0, 1])
def test_shapes(lens: CameraInfo, count: int) -> None:
    assert Lens(lens).to_pixels(np.ones((count, 3))).shape == (count, 2)
    assert Lens(lens).to_rays(np.ones((count, 2))).shape == (count, 3)


def test_focal_lengths_that_differ_and_skew() -> None:
    k = 900.0, 3.0, 640.0, 0.0, 1100.0, 360.0, 0.0, 0.0, 1.0
    lens = Lens(CameraInfo(1280, 720, "plumb_bob", (), k, PLAIN.r, PLAIN.p))
    np.testing.assert_allclose(lens.to_pixels(np.array([[1.0, 2.0, 10.0]])), [[640 + 90 + 0.6, 360 + 220]])
    np.testing.assert_allclose(
        lens.to_rays(np.array([[730.6, 580.0]])), [np.array([0.1, 0.2, 1]) / math.sqrt(1.05)]
    )
    assert lens.focal == 1000.0


@pytest.mark.parametrize(
    ("model", "d", "focal", "words"),
    [
        (
            "ds",
            (),
            900.0,
            "distortion model 'ds' is not known; use plumb_bob, rational_polynomial, equidistant",
        ),
        ("plumb_bob", (0.1,) * 8, 900.0, "plumb_bob has 0 or 4 or 5 coefficients, not 8"),
        ("equidistant", (), 900.0, "equidistant has 4 coefficients, not 0"),
        ("plumb_bob", (), 0.0, "the focal lengths 0, 0 are not above 0"),
    ],
)
def test_what_is_no_lens_is_refused(model: str, d: tuple[float, ...], focal: float, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Lens(info(model, d, focal, (640, 480)))
