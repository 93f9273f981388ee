"""What networks give in addition to classes, drawn: depth, key points and pictures."""

import cv2
import numpy as np
import pytest

from perception import KeyPoint
from perception.overlay import Comparison, DepthTint, KeyPointDots
from perception.overlay.key_points import colour_of
from perception.overlay.style import BLACK, text_width
from tests.overlay.scenes import changed, drawn, of_colour, scene_of


def test_what_is_near_is_warm_and_what_is_far_is_cool() -> None:
    distances = (0, 4, 12, 30, 100, 150, np.inf)
    depth = np.repeat(np.array(distances, np.float32), 50)[None].repeat(200, axis=0)
    picture = drawn(scene_of(200, 350, depth=depth), DepthTint(share=1.0))
    colours = [picture[50, 25 + 50 * k] for k in range(7)]
    hues = cv2.cvtColor(np.array([colours[1:5]]), cv2.COLOR_BGR2HSV)[0, :, 0].astype(int)
    assert tuple(colours[0]) == BLACK  # unknown
    assert hues[0] < 15 < hues[1] < 45 < hues[2] < 90 < hues[3] <= 130  # red, orange, green, blue
    np.testing.assert_array_equal(colours[5], colours[6])  # the sky is as the far end
    for k in range(7):
        assert (picture[:180, 50 * k : 50 * k + 50] == colours[k]).all()


def test_the_legend_shows_each_distance_on_its_own_colour() -> None:
    for metres in (5, 10, 20, 50, 100):
        scene = scene_of(360, 640, depth=np.full((360, 640), metres, np.float32))
        picture = drawn(scene, DepthTint(share=1.0))
        legend = of_colour(picture[-14:], tuple(picture[0, 0].tolist()))
        assert legend[:, :250].sum() > 200  # one mark stands out by not standing out
        assert (picture[:-14] == picture[0, 0]).all()


def test_the_tint_lets_the_frame_through() -> None:
    scene = scene_of(60, 100, depth=np.full((60, 100), 20, np.float32))
    dark, light = (drawn(scene, DepthTint(share=0.7), grey=grey)[0, 0].astype(int) for grey in (0, 100))
    np.testing.assert_allclose(light - dark, 30, atol=1)


def test_key_points_are_dots_of_their_names_colour() -> None:
    points = (KeyPoint("head", 100.4, 50.0, 0.9), KeyPoint("hips", 300.0, 119.6, 0.4))
    picture = drawn(scene_of(180, 400, key_points=points), KeyPointDots())
    for point in points:
        dot = of_colour(picture, colour_of(point.name))
        rows, columns = np.nonzero(dot)
        assert (columns.mean(), rows.mean()) == pytest.approx((round(point.x), round(point.y)), abs=0.1)
        assert 5 <= dot.sum() <= 40
    assert colour_of("head") != colour_of("hips")
    assert changed(picture).sum() < 200


def test_a_key_point_beyond_the_edge_does_no_harm() -> None:
    points = (KeyPoint("head", -30.0, 500.0, 0.9), KeyPoint("head", -0.5, -0.5, 0.9))
    picture = drawn(scene_of(48, 64, key_points=points), KeyPointDots())
    assert changed(picture)[:5, :5].any() and not changed(picture)[8:].any()


def test_the_right_half_is_the_networks_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    shown = drawn(scene_of(90, 160, picture=picture), Comparison(colour=(1, 2, 3)))
    names = slice(14, 28)  # below the status line
    beside = np.delete(np.arange(90), names)
    assert not changed(shown)[beside, :79].any()
    assert (shown[beside, 80] == (1, 2, 3)).all()
    np.testing.assert_array_equal(shown[beside, 82:], picture[beside, 82:])
    left, right = shown[names, :79], shown[names, 80:]
    for bar, text in ((left, "camera"), (right, "network")):
        width = text_width(text, 14)
        assert (bar[:, :width] == 0).mean() > 0.5 and (bar[:, :width] > 180).any()  # white on black
    assert not changed(shown)[names, text_width("camera", 14) : 79].any()
    assert (left[:, :40] != right[:, :40]).any()


def test_of_an_enlarged_picture_the_middle_is_shown_pixel_by_pixel() -> None:
    """Twice the size: both halves show the middle half of the view, on the left as the frame has it."""
    picture = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    scene = scene_of(90, 160, picture=picture)

    class Mark:
        def draw(self, image: object, *_: object) -> None:
            image[40:50, 60:70] = 200  # type: ignore[index]

    shown = drawn(scene, Mark(), Comparison())
    np.testing.assert_array_equal(shown[28:, 82:], picture[45:135, 80:240][28:, 82:])
    rows, columns = np.nonzero((shown[28:, :79] > 150).all(axis=2))
    rows += 28
    # From 40, 60 in the frame: 40 − 22.5 and 60 − 40 in its middle, times two.
    assert (rows.min(), rows.max() + 1) == pytest.approx((36, 56), abs=2)
    assert (columns.min(), columns.max() + 1) == pytest.approx((40, 60), abs=2)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 9), (301, 203)])
def test_pictures_of_any_size_fit_frames_of_any_size(size: tuple[int, int]) -> None:
    for height, width in ((1, 1), (2, 2), (48, 64)):
        scene = scene_of(height, width, picture=np.zeros((*size, 3), np.uint8))
        assert drawn(scene, Comparison()).shape == (height, width, 3)
