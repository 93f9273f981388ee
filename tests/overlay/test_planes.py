"""Overlays on planes are those on the image, but for colours at half the size."""

import cv2
import numpy as np
import pytest

from perception import Frame, KeyPoint, Lane
from perception.classes import DRIVE
from perception.overlay import (
    ALL,
    ClassTint,
    Comparison,
    DepthTint,
    EgoCarpet,
    EgoRegion,
    InstanceLabels,
    InstanceOutlines,
    KeyPointDots,
    LaneBoundaries,
    Legend,
    PlaneStyle,
    StatusLine,
    draw,
    draw_planes,
)  # fmt: skip
from perception.pixels import BT709, Yuv420, as_bgr
from perception.scene import Scene, Status
from perception.types import Bools, Image
from tests.overlay.scenes import lane, scene_of

HEIGHT, WIDTH = 360, 640


def street(status: Status = Status.OK) -> Scene:
    sides: tuple[Lane, ...] = (
        lane((61, 359), (301, 101), side="left"),
        lane((581, 359), (341, 101), side="right", kind="dashed"),
    )
    scene = scene_of(
        HEIGHT,
        WIDTH,
        ((101, 121, 181, 241), (401, 151, 441, 191)),
        lanes=sides,
        status=status,
        picture=np.full((HEIGHT, WIDTH, 3), (30, 90, 200), np.uint8),
        depth=np.linspace(2, 100, HEIGHT, dtype=np.float32)[:, None].repeat(WIDTH, 1),
        key_points=(KeyPoint("head", 300.0, 200.0, 0.9),),
        ego_mask=np.arange(HEIGHT)[:, None] >= np.full(WIDTH, 331),
    )
    scene.labels[:90] = DRIVE.id("sky")
    return scene


def both(scene: Scene, *styles: PlaneStyle, full_range: bool = False) -> tuple[Image, Image]:
    """The image as drawn on, and the planes."""
    across, down = np.meshgrid(np.linspace(40, 200, WIDTH), np.linspace(60, 180, HEIGHT))
    image = np.stack([across, down, across[:, ::-1]], axis=-1).astype(np.uint8)
    frame = Frame(Yuv420.of(image, BT709, full_range), 0)
    before = frame.image.copy()
    on_planes = draw_planes(frame, scene, DRIVE, styles)
    assert isinstance(on_planes, Yuv420) and (on_planes.matrix, on_planes.full_range) == (BT709, full_range)
    np.testing.assert_array_equal(as_bgr(frame.pixels), before)  # the frame stays as it is
    return draw(frame, scene, DRIVE, styles), on_planes.bgr


def near_edges(image: Image) -> Bools:
    """Where a colour of half the size cannot be that of each pixel."""
    steps = cv2.morphologyEx(image, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)).max(axis=2)
    return np.asarray(steps > 16)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    "styles",
    [
        *((style,) for style in (
            ClassTint(), DepthTint(), EgoCarpet(), EgoRegion(), LaneBoundaries(), InstanceOutlines(width=4),
            InstanceLabels(), KeyPointDots(radius=9), Comparison(), Legend(),
            StatusLine(30.0, "onnx-cpu", details=True),
        )),
        ALL,
    ],
    ids=lambda styles: type(styles[0]).__name__ if len(styles) == 1 else "all",
)  # fmt: skip
def test_planes_show_what_the_image_shows(styles: tuple[PlaneStyle, ...], full_range: bool) -> None:
    image, planes = both(street(), *styles, full_range=full_range)
    plain, _ = both(street())
    drawn = np.asarray((np.abs(image.astype(int) - plain) > 40).any(axis=2))
    apart = np.abs(image.astype(int) - planes)
    calm = ~near_edges(image)
    assert np.quantile(apart[calm], 0.9999) <= 12 and apart[calm].mean() < 3
    shown = np.asarray((np.abs(planes.astype(int) - plain) > 20).any(axis=2))
    thick = cv2.erode(drawn.astype(np.uint8), np.ones((2, 2), np.uint8)).view(np.bool_)
    assert shown[thick].mean() > 0.97  # and nothing is missing, however thin


def test_a_scene_that_cannot_be_trusted_is_red_in_planes_too() -> None:
    _, planes = both(street(Status.STALE), StatusLine())
    blue, green, red = planes[2:12, 500:].reshape(-1, 3).mean(axis=0)
    assert red > 190 and blue < 70 and green < 70


def test_an_image_stays_an_image() -> None:
    frame = Frame(np.full((HEIGHT, WIDTH, 3), 100, np.uint8), 0)
    scene = street()
    drawn = draw_planes(frame, scene, DRIVE, ALL)
    assert isinstance(drawn, np.ndarray)
    np.testing.assert_array_equal(drawn, draw(frame, scene, DRIVE, ALL))
    assert (frame.image == 100).all()
