"""What holds for every style, and for all together."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception import Frame, KeyPoint, PerceptionError, Scene, draw
from perception.classes import DRIVE, ClassSet
from perception.overlay import SCENE, Image, StatusLine
from perception.tracking.labels import LabelTracker
from tests.overlay.scenes import drawn, lane, scene_of

ALL = (*SCENE, StatusLine(31.0, details=True))


@pytest.mark.parametrize(("height", "width"), [(360, 640), (720, 1280), (2160, 3840)])
def test_all_styles_together_show_all_there_is(height: int, width: int) -> None:
    boxes = ((width // 8, height // 2, width // 4, height * 3 // 4),)
    sides = [
        lane((x * width, height - 1), (width / 2, height / 2), side=s)
        for x, s in ((0.3, "left"), (0.7, "right"))
    ]
    scene = scene_of(
        height,
        width,
        boxes,
        lanes=tuple(sides),
        picture=np.full((height, width, 3), 30, np.uint8),
        depth=np.full((height, width), 20, np.float32),
        key_points=(KeyPoint("head", width / 5, height * 0.6, 0.9),),
        ego_mask=np.arange(height)[:, None] >= np.full(width, 0.9 * height),
    )
    whole = drawn(scene, *ALL)
    assert whole.shape == (height, width, 3)
    assert whole.dtype == np.uint8
    for left_out in ALL:
        rest = drawn(scene, *(style for style in ALL if style is not left_out))
        assert (whole != rest).any(), left_out


def test_styles_are_drawn_in_their_order() -> None:
    class Fill:
        def __init__(self, value: int) -> None:
            self.value = value

        def draw(self, picture: Image, scene: Scene, classes: ClassSet) -> None:
            picture[picture == self.value - 1] = self.value

    assert (drawn(scene_of(8, 8), Fill(101), Fill(102)) == 102).all()
    assert (drawn(scene_of(8, 8), Fill(102), Fill(101)) == 101).all()
    assert (drawn(scene_of(8, 8)) == 100).all()


def test_the_frame_and_the_scene_stay_as_they_are() -> None:
    sides = (lane((60, 359), (320, 170), side="left"), lane((580, 359), (330, 170), side="right"))
    scene = scene_of(360, 640, ((160, 90, 480, 270),), lanes=sides)
    frame = Frame(np.full((360, 640, 3), 100, np.uint8), stamp_ns=0)
    arrays: list[npt.NDArray[np.generic]] = [
        frame.image,
        scene.labels,
        scene.instance_map,
        *(side.points for side in sides),
    ]
    before = [array.copy() for array in arrays]
    draw(frame, scene, DRIVE)
    for was, now in zip(before, arrays, strict=True):
        np.testing.assert_array_equal(was, now)


def test_a_scene_of_another_frame_is_refused() -> None:
    frame = Frame(np.zeros((360, 640, 3), np.uint8), stamp_ns=0, sequence=12)
    with pytest.raises(PerceptionError, match=r"frame 12 is \(360, 640\), the scene is \(180, 320\)"):
        draw(frame, scene_of(180, 320), DRIVE)


@pytest.mark.parametrize(
    ("height", "width"),
    [(64, 64), (16, 16), (1, 1), (16, 3000), (3000, 16), (360, 480), (721, 1281), (2160, 3840)],
)
def test_any_size_can_be_drawn(height: int, width: int) -> None:
    sides = (
        lane((0, height), (width / 2, 0), side="left"),
        lane((width, height), (width / 2, 0), side="right"),
    )
    scene = scene_of(
        height, width, ((width // 4, height // 4, width * 3 // 4, height * 3 // 4),), lanes=sides
    )
    assert drawn(scene, *ALL).shape == (height, width, 3)


coordinates = st.integers(-200, 400)
corners = st.tuples(coordinates, coordinates)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(corners, st.integers(0, 200), st.integers(0, 200)), max_size=5),
    st.lists(st.lists(corners, max_size=6), min_size=2, max_size=4),
    st.sampled_from(["solid", "dashed", "unknown"]),
)
def test_nothing_is_drawn_outside_of_the_frame(
    places: list[tuple[tuple[int, int], int, int]], lines: list[list[tuple[int, int]]], kind: str
) -> None:
    """Nor does what lies outside, or has no extent, do harm."""
    boxes = tuple((x, y, max(x + w, 0), max(y + h, 0)) for (x, y), w, h in places)
    sides = ("left", "right", None, None) if all(lines[:2]) else (None,) * 4
    lanes = tuple(lane(*line, kind=kind, side=side) for line, side in zip(lines, sides, strict=False))
    scene = scene_of(120, 160, boxes, lanes=lanes)
    canvas = np.full((220, 260, 3), 100, np.uint8)
    for style in ALL:
        style.draw(canvas[50:170, 50:210], scene, DRIVE)
    canvas[50:170, 50:210] = 100
    assert (canvas == 100).all()


@pytest.mark.parametrize(
    "image",
    [None, np.zeros((36, 64), np.uint8), np.zeros((36, 64, 3), np.float32), np.zeros((36, 64, 4), np.uint8)],
)
def test_a_scene_is_drawn_on_a_picture_only(image: object) -> None:
    with pytest.raises(PerceptionError, match=r"frame \d+: the image is"):
        scene_of(36, 64).draw(image)  # type: ignore[arg-type]
    with pytest.raises(PerceptionError, match=r"frame \d+: the image is"):
        LabelTracker(DRIVE).update(scene_of(36, 64), image)  # type: ignore[arg-type]
