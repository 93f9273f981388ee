"""The scene from above, to the metre."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE, ClassSet
from perception.overlay import birds_eye
from perception.overlay.bird import AHEAD, ASIDE, BEHIND
from perception.overlay.style import AMBER, GREEN, RED
from perception.scene import Instance, Lane, Road, Scene, Side, Status
from perception.types import Image
from tests.overlay.scenes import VEHICLE, scene_of

BLUE = DRIVE.colours[VEHICLE][::-1]  # BGR
HEIGHT = 1320  # 20 px are a metre


def boundary(
    left: float, kind: str = "solid", side: Side | None = None, bend: float = 0.0, sd: float = 0.1
) -> Lane:
    ahead = np.linspace(3, 50, 95)
    metres = np.stack([ahead, left + bend * ahead**2], 1).astype(np.float32)
    return Lane(np.zeros((95, 2), np.float32), kind, 1.0, side, metres, np.full_like(metres, sd))


def car(near: float, left: float, number: int = 1, **more: Any) -> Instance:
    return Instance(VEHICLE * 1000 + number, VEHICLE, 0.9, (0, 0, 9, 9), number, near, 0.0, left, 0.1, **more)


def seen(**scene: object) -> Image:
    return birds_eye(scene_of(90, 160, **scene), DRIVE, HEIGHT)  # type: ignore[arg-type]


def at(picture: Image, ahead: float, left: float) -> tuple[int, ...]:
    scale = len(picture) / (AHEAD + BEHIND)
    return tuple(picture[round((AHEAD - ahead) * scale), round((ASIDE - left) * scale)].tolist())


def where(picture: Image, colour: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Metres ahead and to the left of all pixels of a colour: (n, 2)."""
    scale = len(picture) / (AHEAD + BEHIND)
    rows, columns = np.nonzero((picture == np.array(colour)).all(-1))
    return np.stack([AHEAD - rows / scale, ASIDE - columns / scale], 1)


def test_a_vehicle_is_as_large_as_one_and_begins_at_its_distance() -> None:
    body = where(seen(instances=(car(20, 3),)), BLUE)
    assert body.min(0) == pytest.approx([20, 2.1], abs=0.15)
    assert body.max(0) == pytest.approx([24.4, 3.9], abs=0.15)


def test_lanes_lie_where_they_are_and_bend_as_they_do() -> None:
    picture = seen(lanes=(boundary(1.75, side="left", bend=0.002), boundary(-1.75, side="right", bend=0.002)))
    paint = where(picture, GREEN)
    left = paint[paint[:, 1] > 0.002 * paint[:, 0] ** 2]
    np.testing.assert_allclose(left[:, 1], 1.75 + 0.002 * left[:, 0] ** 2, atol=0.25)
    assert len(where(picture, AMBER)) == 0
    for ahead in (6.5, 21.5, 43):
        blue, green, red = at(picture, ahead, 0.002 * ahead**2)
        assert green > blue + 10 and green > red + 10  # the carpet between them
        assert at(picture, ahead, 0.002 * ahead**2 + 3) == (32, 30, 28)


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("solid", 0.97, 1), ("dashed", 0.25, 0.45), ("odd", 0.4, 0.8)]
)
def test_the_kind_of_a_boundary_can_be_seen(kind: str, least: float, most: float) -> None:
    picture = seen(lanes=(boundary(3.3, kind),))
    share = np.mean([at(picture, ahead, 3.3) == AMBER for ahead in np.linspace(4, 49, 900)])
    assert least <= share <= most


def test_what_is_not_known_well_is_not_drawn() -> None:
    lane = boundary(3.3)
    assert lane.metres is not None and lane.metres_sd is not None
    lane.metres[40:60] = np.nan
    lane.metres_sd[80:] = 1.5
    gap = lane.metres[39, 0] + 0.3, lane.metres[60, 0] - 0.3
    ahead = where(seen(lanes=(lane,)), AMBER)[:, 0]
    assert ahead.min() < 4 and not ((ahead > gap[0]) & (ahead < gap[1])).any()
    assert ahead.max() == pytest.approx(lane.metres[79, 0], abs=0.5)
    assert ((ahead > gap[1]) & (ahead < 40)).any()


def test_how_sure_a_distance_is() -> None:
    picture = seen(instances=(replace(car(20, 6.25), distance_sd_m=3.0),))
    bright = [ahead for ahead in np.linspace(14, 28, 281) if min(at(picture, ahead, 6.25)) > 140]
    assert (bright[0], bright[-1]) == pytest.approx((17, 24.4), abs=0.2)  # its outline is white, too


TTCS: list[dict[str, Any]] = [{"ttc_s": 5.9}, {"ttc_s": 6.1}, {}]


def test_a_collision_that_is_near_is_red() -> None:
    soon, later, none = (seen(instances=(car(20, 1, **ttc),)) for ttc in TTCS)
    label = where(soon, RED)
    assert len(label) and np.abs(label[:, 0] - 20).max() < 2
    assert len(where(later, RED)) == 0
    np.testing.assert_array_equal(later, none)


@pytest.mark.parametrize(
    ("left", "sd", "bend", "red"),
    [
        (2.1, 0.2, 0.0, False),
        (2.1, 0.2, None, True),  # the lane may lead there
        (1.9, 0.2, 0.0, True),  # its side may be in the way
        (-2.8, 0.3, 0.0, False),  # an oncoming car
        (2.8, 1.2, 0.0, True),
        (2.8, 0.3, 0.01, True),  # the lane bends by 2 m until there
        (-1.0, 0.3, 0.01, False),
    ],
)
def test_who_passes_by_is_not_red(left: float, sd: float, bend: float | None, red: bool) -> None:
    user = replace(car(20, left, ttc_s=1.0), lateral_sd_m=sd)
    picture = seen(instances=(user,), road=Road(0.0, 0.0, 3.5, curvature_per_m=bend))
    assert bool(len(where(picture, RED))) == red


def test_no_car_is_painted_over_a_label() -> None:
    far, near = car(20, 1, ttc_s=1.0), car(16.5, -0.6, 2)
    alone, both = (where(seen(instances=some), RED) for some in ((far,), (far, near)))
    assert len(alone) and len(alone) == len(both)


def words(**scene: object) -> Image:
    """The lines of text at the bottom, left of the own car."""
    return seen(**scene)[-7 * HEIGHT // 100 :, : HEIGHT // 8]


def test_what_is_not_known_is_said() -> None:
    uncalibrated = replace(boundary(1.75), metres=None, metres_sd=None)
    pictures = {
        "no ego lane": words(lanes=(boundary(1.75),)),
        "uncalibrated": words(lanes=(uncalibrated,)),
        "unplaced": words(lanes=(boundary(1.75),), instances=(replace(car(20, 3), distance_m=None),)),
        "road": words(lanes=(boundary(1.75),), road=Road(0.25, 0.01, 3.5, 0.02)),
        "right": words(lanes=(boundary(1.75),), road=Road(-0.25, 0.01, 3.5, 0.02)),
    }
    named = list(pictures.items())
    for k, (name, one) in enumerate(named):
        for other, another in named[:k]:
            assert (one != another).any(), (name, other)
    assert not len(where(seen(lanes=(uncalibrated,)), AMBER))


def test_what_may_not_be_trusted_is_shown_as_such() -> None:
    assert where(seen(instances=(car(20, 3),)), RED).size == 0
    stale = seen(instances=(car(20, 3),), status=Status.STALE)
    bar = where(stale, RED)
    assert bar[:, 0].max() == pytest.approx(AHEAD) and np.ptp(bar[:, 1]) == pytest.approx(2 * ASIDE, abs=0.1)


def test_a_class_that_nobody_has_drawn_before() -> None:
    classes = ClassSet("farm", ("track", "cow"), ((1, 2, 3), (200, 100, 50)), ("cow",))
    scene: Scene = scene_of(90, 160, instances=(replace(car(10, -2), class_id=1),))
    body = where(birds_eye(scene, classes, HEIGHT), (50, 100, 200))
    assert np.ptp(body, axis=0) == pytest.approx([0.9, 0.9], abs=0.15)  # within its outline


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0, 500), st.floats(-500, 500), st.none() | st.floats(0, 1e3)), max_size=5),
    st.sampled_from([360, 480, 722]),
)
def test_any_places_are_drawn_or_left_out(
    places: list[tuple[float, float, float | None]], height: int
) -> None:
    users = tuple(
        replace(car(near, left, k), ttc_s=ttc) for k, (near, left, ttc) in enumerate(places, start=1)
    )
    picture = birds_eye(scene_of(90, 160, instances=users), DRIVE, height)
    assert picture.dtype == np.uint8 and picture.shape[0] == height and picture.shape[1] % 2 == 0
    assert cv2.countNonZero(picture[..., 0]) > 0
