"""The legend: what its colours are, and where it is left out."""

import numpy as np
import pytest

from perception.classes import DRIVE, NO_CLASSES, UNKNOWN, ClassSet
from perception.frame import Frame
from perception.overlay import Legend, draw
from perception.overlay.style import AMBER, GREEN, text_height
from tests.overlay.scenes import changed, drawn, of_colour, scene_of

COLOURS = [colour[::-1] for colour in DRIVE.colours] + [GREEN, AMBER]


@pytest.mark.parametrize(
    ("height", "width", "rows"), [(720, 1280, 1), (540, 960, 1), (721, 961, 2), (1440, 1920, 2)]
)
def test_each_class_and_the_lanes_are_in_it_in_rows_at_the_bottom(height: int, width: int, rows: int) -> None:
    picture = drawn(scene_of(height, width), Legend())
    line = text_height(picture)
    high = rows * line + rows * line % 2
    assert (
        not changed(picture)[: height - high].any() and changed(picture)[height - high :, :50].mean() > 0.98
    )
    centres = []
    for colour in COLOURS:  # type: tuple[int, int, int]
        where = np.argwhere(of_colour(picture, colour))
        swatch = where[np.abs(where - np.median(where, axis=0)).max(axis=1) < line]
        assert len(swatch) >= (line // 2) ** 2, colour
        centres.append(swatch.mean(axis=0))
    order = [(round((row - height + high) // line), column) for row, column in centres]
    assert order == sorted(order)  # as the classes are


def test_it_says_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sets of the same colours differ in the names alone."""
    frame = Frame(np.full((720, 1280, 3), 100, np.uint8), 0)
    one, other = (
        draw(frame, scene_of(720, 1280), ClassSet("x", (name, "b"), ((1, 2, 3), (4, 5, 6))), [Legend()])
        for name in ("a_cow", "a_dog")
    )
    differs = (one != other).any(axis=2)
    assert differs.any() and not differs[:700].any() and not differs[:, :20].any()
    assert not of_colour(one, GREEN).any()  # lanes are found from paint, which these classes do not know


@pytest.mark.parametrize(("height", "width"), [(96, 160), (16, 3000), (1, 1), (720, 60), (100, 640)])
def test_where_there_is_no_room_it_is_left_out(height: int, width: int) -> None:
    assert not changed(drawn(scene_of(height, width), Legend())).any()


def test_where_nothing_is_known_there_is_nothing_to_explain() -> None:
    scene = scene_of(720, 1280)
    scene.labels[:] = UNKNOWN
    assert not changed(drawn(scene, Legend())).any()
    frame = Frame(np.full((720, 1280, 3), 100, np.uint8), 0)
    assert not changed(draw(frame, scene_of(720, 1280), NO_CLASSES, [Legend()])).any()
