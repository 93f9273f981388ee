"""Outlines and labels of road users."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception import Instance, Scene
from perception.overlay import Image, InstanceLabels, InstanceOutlines
from perception.overlay.instances import HIDEABLE, MOST_LABELS, colour_of
from perception.overlay.style import text_height, text_width
from tests.overlay.scenes import (
    PEDESTRIAN,
    VEHICLE,
    Box,
    Mask,
    away_from,
    changed,
    drawn,
    of_colour,
    runs,
    scene_of,
)


def border_of(scene: Scene, instance: Instance) -> Mask:
    """Its pixels that have a neighbour that is not its own; the frame's edge counts as one."""
    mask = scene.instance_map == instance.id
    own = np.pad(mask, 1)
    border: Mask = mask & ~(own[:-2, 1:-1] & own[2:, 1:-1] & own[1:-1, :-2] & own[1:-1, 2:])
    return border


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 150), st.integers(8, 90), st.integers(8, 70)),
        max_size=5,
    )
)
def test_outlines_lie_on_the_borders(ellipses: list[tuple[int, int, int, int]]) -> None:
    """Of ellipses that hide, touch and cut each other."""
    scene = scene_of(200, 300)
    for k, (x, y, across, down) in enumerate(ellipses, start=1):
        cv2.ellipse(scene.instance_map, (x, y), (across, down), 20, 0, 360, VEHICLE * 1000 + k, cv2.FILLED)
    instances = []
    for k in range(1, len(ellipses) + 1):
        rows, columns = np.nonzero(scene.instance_map == VEHICLE * 1000 + k)
        if len(rows):
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            instances.append(Instance(VEHICLE * 1000 + k, VEHICLE, 0.9, tuple(map(float, box)), k))  # type: ignore[arg-type]
    scene = replace(scene, instances=tuple(instances))
    outlines = changed(drawn(scene, InstanceOutlines()))
    borders = np.zeros((200, 300), bool)
    for instance in instances:
        borders |= border_of(scene, instance)
    if instances:
        assert away_from(outlines)[borders].max() <= 2
        assert not (outlines & (away_from(borders) > 3)).any()
    else:
        assert not outlines.any()


def near_colour(picture: Image, colour: tuple[int, int, int]) -> Mask:
    mask: Mask = np.abs(picture.astype(int) - colour).max(axis=2) < 50
    return mask


def test_where_road_users_touch_the_line_is_that_of_the_nearer() -> None:
    far, near = (200, 220, 400, 380), (400, 200, 600, 400)
    for boxes in ((far, near), (near, far)):
        scene = scene_of(720, 1280, boxes)
        picture = drawn(scene, InstanceOutlines())
        colour_far, colour_near = (
            colour_of(one) for one in sorted(scene.instances, key=lambda one: one.box[3])
        )
        assert near_colour(picture, colour_near)[205:395, [400, 599]].all()
        assert near_colour(picture, colour_far)[225:375, 200].all()
        assert near_colour(picture, colour_far)[[220, 379], 205:395].all()


@pytest.mark.parametrize(("height", "width"), [(360, 640), (720, 1280), (2160, 3840)])
def test_an_outline_is_as_bold_as_the_picture_is_large(height: int, width: int) -> None:
    scene = scene_of(height, width, ((width // 4, height // 4, width * 3 // 4, height * 3 // 4),))
    row = drawn(scene, InstanceOutlines())[height // 2][None]
    line = runs(near_colour(row, colour_of(scene.instances[0]))[0])
    assert len(line) == 2
    assert all(height / 500 <= bold <= height / 200 + 1 for bold in line)


def test_a_track_keeps_its_colour_and_others_have_another() -> None:
    one = Instance(8001, VEHICLE, 0.9, (0, 0, 9, 9), track=7)
    assert colour_of(one) == colour_of(
        replace(one, id=9004, class_id=PEDESTRIAN, score=0.2, box=(5, 5, 7, 7))
    )
    without = [replace(one, id=1000 * c + k, track=None) for c in (VEHICLE, PEDESTRIAN) for k in range(1, 9)]
    assert len({colour_of(instance) for instance in without}) == len(without)
    colours = np.array([colour_of(replace(one, track=track)) for track in range(1, 500)], float)
    for apart in range(1, 13):  # who comes into view together
        assert np.linalg.norm(colours[apart:] - colours[:-apart], axis=1).min() > 40
    assert (colours @ (0.114, 0.587, 0.299)).min() > 90  # black can be read on it


def bar_of(picture: Image, instance: Instance) -> Box | None:
    rows, columns = np.nonzero(of_colour(picture, colour_of(instance)))
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize(("height", "width"), [(360, 640), (720, 1280), (2160, 3840)])
def test_a_label_stands_on_its_road_user(height: int, width: int) -> None:
    scene = scene_of(height, width, ((width // 4, height // 4, width * 3 // 4, height * 3 // 4),))
    picture = drawn(scene, InstanceLabels())
    text = text_height(picture)
    assert 14 <= text <= height / 24
    expected = text_width("vehicle 1  90%", text)
    x, y = width // 4, height // 4
    assert bar_of(picture, scene.instances[0]) == (x, y - text, x + expected, y)
    assert (picture[y - text : y, x : x + expected].max(axis=2) < 60).mean() > 0.05  # the ink


@pytest.mark.parametrize(
    ("track", "score", "text"),
    [(7, 0.42, "vehicle 7  42%"), (1234, 1.0, "vehicle 1234  100%"), (None, 0.9, "vehicle  90%")],
)
def test_a_label_says_class_track_and_score(track: int | None, score: float, text: str) -> None:
    scene = scene_of(720, 1280, ((300, 300, 600, 500),))
    instance = replace(scene.instances[0], track=track, score=score)
    bar = bar_of(drawn(replace(scene, instances=(instance,)), InstanceLabels()), instance)
    assert bar is not None
    assert bar[2] - bar[0] == text_width(text, 20)


def test_what_is_too_small_for_a_label_has_none() -> None:
    assert not changed(drawn(scene_of(720, 1280, ((300, 300, 500, 339),)), InstanceLabels())).any()
    assert changed(drawn(scene_of(720, 1280, ((300, 300, 500, 340),)), InstanceLabels())).any()


def test_in_a_crowd_the_nearer_keep_their_labels_and_others_get_shorter_ones() -> None:
    near, next_to_it, small = (300, 300, 500, 500), (250, 310, 310, 400), (340, 270, 380, 299)
    picture = drawn(scene := scene_of(720, 1280, (near, next_to_it, small)), InstanceLabels())
    bars = [bar_of(picture, instance) for instance in scene.instances]
    assert bars[2] is None
    # Its whole label would hide the small one, and the second's would touch the first's.
    assert bars[0] is not None and bars[0][2] - bars[0][0] == text_width("1", 20)
    assert bars[1] is not None and bars[1][2] - bars[1][0] == text_width("2", 20)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(-30, 300), st.integers(-30, 170), st.integers(5, 120), st.integers(5, 120)),
        max_size=40,
    )
)
def test_labels_neither_touch_each_other_nor_hide_anybody(places: list[tuple[int, int, int, int]]) -> None:
    boxes = tuple((x, y, max(x + w, 1), max(y + h, 1)) for x, y, w, h in places)
    scene = scene_of(180, 320, boxes)
    picture = drawn(scene, InstanceLabels())
    found = [(one, bar) for one in scene.instances if (bar := bar_of(picture, one))]
    assert len(found) <= MOST_LABELS
    canvas = np.zeros((180, 320), int)
    for instance, (x0, y0, x1, y1) in found:
        assert y0 >= 14  # the status line's
        canvas[y0:y1, x0:x1] += 1
        for other in scene.instances:
            a0, b0, a1, b1 = other.box
            hidden = max(0, min(x1, a1) - max(x0, a0)) * max(0, min(y1, b1) - max(y0, b0))
            assert other is instance or hidden <= HIDEABLE * (a1 - a0) * (b1 - b0)
    assert canvas.max(initial=0) <= 1
    assert (changed(picture) == (canvas == 1)).all()
