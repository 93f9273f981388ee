"""Tints, pixel by pixel."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE, UNKNOWN
from perception.overlay import ClassTint, EgoCarpet
from tests.overlay.scenes import ROAD, VEHICLE, changed, drawn, lane, scene_of


def test_pixels_are_tinted_by_their_class_and_darkened_where_it_is_unknown() -> None:
    scene = scene_of(300, 500, ((100, 100, 200, 200),))
    scene.labels[250:] = UNKNOWN
    picture = drawn(scene, ClassTint(share=0.3))
    colours = np.array(DRIVE.colours)[:, ::-1]
    for labelled, tint in ((ROAD, colours[ROAD]), (VEHICLE, colours[VEHICLE]), (UNKNOWN, np.zeros(3))):
        pixels = picture[scene.labels == labelled].astype(float)
        assert np.abs(pixels - (0.7 * 100 + 0.3 * tint)).max() <= 1


def test_nothing_is_tinted_where_the_network_gives_no_classes() -> None:
    scene = scene_of(30, 50)
    scene.labels[:] = UNKNOWN
    assert not changed(drawn(scene, ClassTint())).any()


@settings(deadline=None, max_examples=30)
@given(st.tuples(*[st.integers(-30, 90)] * 4), st.tuples(*[st.integers(-5, 44)] * 4))
def test_the_carpet_lies_on_the_ego_lane_but_not_on_who_stands_there(
    x: tuple[int, int, int, int], y: tuple[int, int, int, int]
) -> None:
    left, right = (
        lane((x[0], y[0]), (x[1], y[1]), side="left"),
        lane((x[2], y[2]), (x[3], y[3]), side="right"),
    )
    scene = scene_of(40, 60, ((25, 12, 35, 22),), lanes=(left, right))
    assert scene.ego_lane is not None
    outline = scene.ego_lane.astype(np.float32)
    inside = np.array(
        [[cv2.pointPolygonTest(outline, (c, r), measureDist=True) for c in range(60)] for r in range(40)]
    )
    free = scene.instance_map == 0
    carpet = changed(drawn(scene, EgoCarpet()))
    assert not carpet[inside < -1.5].any()
    assert carpet[(inside > 1) & free].all()
    assert not carpet[~free].any()


def test_the_carpet_fades_into_the_distance() -> None:
    sides = (lane((60, 359), (300, 100), side="left"), lane((580, 359), (340, 100), side="right"))
    scene = scene_of(360, 640, lanes=sides)
    column = drawn(scene, EgoCarpet(colour=(0, 200, 0), near=0.6, far=0.1))[102:358, 320, 1].astype(int)
    assert (np.diff(column) >= 0).all()
    assert column[0] == pytest.approx(100 + 0.1 * 100, abs=3)
    assert column[-1] == pytest.approx(100 + 0.6 * 100, abs=3)


def test_there_is_no_carpet_without_both_boundaries() -> None:
    scene = scene_of(360, 640, lanes=(lane((60, 359), (300, 100), side="left"),))
    assert not changed(drawn(scene, EgoCarpet())).any()
