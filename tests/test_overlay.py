"""What is drawn, against the scene that it is drawn from."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception import Frame, Instance, Lane, PerceptionError, Scene, Status, draw
from perception.classes import DRIVE, UNKNOWN, ClassSet
from perception.overlay import (
    ALL,
    SCENE,
    ClassTint,
    EgoCarpet,
    Image,
    InstanceLabels,
    InstanceOutlines,
    LaneBoundaries,
    PublicationRate,
    StatusLine,
    Style,
)
from perception.overlay.instances import HIDEABLE, MOST_LABELS, colour_of
from perception.overlay.style import GREEN, GREY, RED, text_height, text_width

ROAD, VEHICLE, PEDESTRIAN = DRIVE.id("road"), DRIVE.id("vehicle"), DRIVE.id("pedestrian")
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]


def scene_of(height: int, width: int, boxes: tuple[Box, ...] = (), **more: object) -> Scene:
    """Road, and a vehicle that fills each box, the later ones over the earlier; their tracks count from 1."""
    labels = np.full((height, width), ROAD, np.uint8)
    instance_map = np.zeros((height, width), np.uint16)
    instances = []
    for k, (x0, y0, x1, y1) in enumerate(boxes, start=1):
        labels[max(y0, 0) : y1, max(x0, 0) : x1] = VEHICLE
        instance_map[max(y0, 0) : y1, max(x0, 0) : x1] = VEHICLE * 1000 + k
        instances.append(Instance(VEHICLE * 1000 + k, VEHICLE, 0.9, (x0, y0, x1, y1), k))
    values = {"instances": tuple(instances), "age_ms": 41.0, "timings_ms": {"infer": 38.2}} | more
    return Scene(12, 0, 0, "", "front", labels, instance_map, **values)  # type: ignore[arg-type]


def drawn(scene: Scene, *styles: Style, grey: int = 100) -> Image:
    height, width = scene.labels.shape
    frame = Frame(np.full((height, width, 3), grey, np.uint8), stamp_ns=0, sequence=12)
    return draw(frame, scene, DRIVE, styles)


def changed(picture: Image, grey: int = 100) -> Mask:
    mask: Mask = (picture != grey).any(axis=2)
    return mask


def of_colour(picture: Image, colour: tuple[int, int, int]) -> Mask:
    mask: Mask = (picture == np.array(colour, np.uint8)).all(axis=2)
    return mask


def away_from(mask: Mask) -> npt.NDArray[np.float32]:
    """How far each pixel is from the mask, in px."""
    away: npt.NDArray[np.float32] = cv2.distanceTransform(  # type: ignore[assignment]
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return away


def lane(*points: tuple[float, float], **values: object) -> Lane:
    given_values = {"kind": "solid", "confidence": 1.0} | values
    return Lane(np.array(points, np.float32).reshape(-1, 2), **given_values)  # type: ignore[arg-type]


# The whole


@pytest.mark.parametrize(("height", "width"), [(360, 640), (720, 1280), (2160, 3840)])
def test_all_styles_together_show_all_there_is(height: int, width: int) -> None:
    boxes = ((width // 8, height // 2, width // 4, height * 3 // 4),)
    sides = [
        lane((x * width, height - 1), (width / 2, height / 2), side=s)
        for x, s in ((0.3, "left"), (0.7, "right"))
    ]
    scene = scene_of(height, width, boxes, lanes=tuple(sides))
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


# Tints


def test_pixels_are_tinted_by_their_class_and_darkened_where_it_is_unknown() -> None:
    scene = scene_of(300, 500, ((100, 100, 200, 200),))
    scene.labels[250:] = UNKNOWN
    picture = drawn(scene, ClassTint(share=0.3))
    colours = np.array(DRIVE.colours)[:, ::-1]
    for labelled, tint in ((ROAD, colours[ROAD]), (VEHICLE, colours[VEHICLE]), (UNKNOWN, np.zeros(3))):
        pixels = picture[scene.labels == labelled].astype(float)
        assert np.abs(pixels - (0.7 * 100 + 0.3 * tint)).max() <= 1


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


# Lanes


def test_a_solid_boundary_is_one_line_that_narrows_with_the_distance() -> None:
    scene = scene_of(720, 1280, lanes=(lane((200, 719), (600, 300)),))
    line = changed(drawn(scene, LaneBoundaries()))
    rows, columns = np.nonzero(line)
    assert np.abs(columns - (200 + (719 - rows) * 400 / 419)).max() <= 7
    assert line[302:718].any(axis=1).all()
    widths = line.sum(axis=1)
    assert widths[600:700].mean() > widths[450:550].mean() + 1 > widths[310:400].mean() + 2


def runs(mask: Mask) -> list[int]:
    """Lengths of what is true without a break."""
    turns = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    lengths: list[int] = np.diff(turns)[::2].tolist()
    return lengths


def test_the_kind_of_a_boundary_can_be_told_from_its_dashes() -> None:
    dashes = {}
    for kind in ("solid", "dashed", "unknown"):
        scene = scene_of(720, 1280, lanes=(lane((400, 700), (400, 200), kind=kind),))
        dashes[kind] = runs(changed(drawn(scene, LaneBoundaries()))[:, 400])
    assert len(dashes["solid"]) == 1
    assert len(dashes["dashed"]) > 5
    assert 0.35 < sum(dashes["dashed"]) / 500 < 0.65
    assert len(dashes["unknown"]) > 2 * len(dashes["dashed"])
    whole = dashes["dashed"][1:-1]  # from far to near
    assert (np.diff(whole) >= -1).all()
    assert whole[-1] > 1.5 * whole[0]


def test_a_boundary_is_left_out_where_a_road_user_hides_it() -> None:
    scene = scene_of(360, 640, ((50, 150, 200, 250),), lanes=(lane((100, 350), (100, 50)),))
    line = changed(drawn(scene, LaneBoundaries()))[:, 100]
    assert line[55:145].all() and line[255:345].all()
    assert not line[155:245].any()


def test_less_sure_boundaries_are_greyer_but_there() -> None:
    def apart_from_grey(confidence: float) -> float:
        scene = scene_of(360, 640, lanes=(lane((100, 350), (100, 50), confidence=confidence),))
        return float(np.linalg.norm(drawn(scene, LaneBoundaries())[300, 100] - np.array(GREY, float)))

    distances = [apart_from_grey(confidence) for confidence in (0.0, 0.3, 0.6, 1.0)]
    assert distances == sorted(distances)
    assert distances[-1] > 1.3 * distances[0] > 80


def test_the_ego_lane_has_a_colour_of_its_own() -> None:
    sides = (lane((100, 350), (100, 50), side="left"), lane((300, 350), (300, 50), side="right"))
    scene = scene_of(360, 640, lanes=(*sides, lane((500, 350), (500, 50))))
    picture = drawn(scene, LaneBoundaries(colour=(1, 2, 3), ego_colour=(4, 5, 6)))
    assert picture[300, [100, 300, 500]].tolist() == [[4, 5, 6], [4, 5, 6], [1, 2, 3]]


# Instances


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
    near, beside, small = (300, 300, 500, 500), (250, 310, 310, 400), (340, 270, 380, 299)
    picture = drawn(scene := scene_of(720, 1280, (near, beside, small)), InstanceLabels())
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


# Status


class Later(StrEnum):
    """States that the node may come to know."""

    DEGRADED = "degraded"
    BLIND = "camera_blind"


@pytest.mark.parametrize("status", [Status.STALE, *Later])
def test_the_status_line_is_red_and_says_why_unless_all_is_well(status: StrEnum) -> None:
    good, bad = (drawn(scene_of(720, 1280, status=s), StatusLine()) for s in (Status.OK, status))
    for picture, colour, text in ((good, GREEN, "ok"), (bad, RED, status.replace("_", " "))):
        assert not changed(picture)[20:].any()
        assert of_colour(picture, colour)[:20, : text_width(text, 20)].mean() > 0.4
    assert not of_colour(good, RED).any()
    assert of_colour(bad, RED)[:20].mean() > 0.8
    assert not of_colour(good, GREEN)[:, text_width("ok", 20) :].any()


def test_each_status_is_written_out() -> None:
    pictures = [drawn(scene_of(720, 1280, status=s), StatusLine())[:20, :120] for s in (Status.STALE, *Later)]
    for one, other in combinations(pictures, 2):
        assert (one != other).any()


def ink(picture: Image) -> Mask:
    columns: Mask = (picture[:20, :].min(axis=2) > 180).any(axis=0)
    return columns


def test_the_status_line_tells_age_rate_and_engine_in_this_order() -> None:
    def written(line: StatusLine, **more: object) -> Mask:
        return ink(drawn(scene_of(720, 1280, **more), line))  # type: ignore[arg-type]

    widths = [text_width(text, 20) for text in ("ok", "00 ms old", "00 fps", "onnx-cpu")]
    starts = np.concatenate([[0], np.cumsum(widths)])
    full = written(StatusLine(31.0, "onnx-cpu"))
    for place, other in (
        (1, written(StatusLine(31.0, "onnx-cpu"), age_ms=77.0)),
        (2, written(StatusLine(28.0, "onnx-cpu"))),
        (3, written(StatusLine(31.0, "open-cpu"))),
    ):
        where = np.flatnonzero(full != other)
        assert len(where)
        assert starts[place] <= where.min() and where.max() < starts[place + 1]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 150), (360, 480), (720, 1280), (2160, 3840)])
@pytest.mark.parametrize("status", list(Status))
def test_the_status_stays_where_there_is_room_for_nothing_else(
    height: int, width: int, status: Status
) -> None:
    picture = drawn(scene_of(height, width, status=status), StatusLine(31.0, "onnx-cpu-int8"))
    bar = text_height(picture)
    assert not changed(picture)[bar:].any()
    shown = text_width(str(status), bar)
    assert shown <= width
    lone = drawn(scene_of(height, width, status=status, timings_ms={}, age_ms=0.0), StatusLine())
    np.testing.assert_array_equal(picture[:, :shown], lone[:, :shown])
    assert picture[:bar, :shown].reshape(-1, 3).std(axis=0).max() > 20  # there is text
    right = picture[:bar, -2:].reshape(-1, 3)
    assert (right == right[0]).all()  # and none is cut


def test_what_the_scene_alone_is_drawn_with_has_no_status_line() -> None:
    assert not any(isinstance(style, StatusLine) for style in SCENE)
    assert [type(style) for style in ALL[:-1]] == [type(style) for style in SCENE]


@settings(max_examples=50)
@given(st.floats(0.5, 200), st.integers(2, 300), st.floats(0, 1e5))
def test_the_rate_of_scenes_that_come_steadily_is_exact(rate: float, count: int, start: float) -> None:
    meter = PublicationRate()
    assert meter.count(start) is None
    for k in range(1, count):
        measured = meter.count(start + k / rate)
        assert measured == pytest.approx(rate, rel=1e-4)


def test_the_rate_is_steady_over_bursts_and_soon_at_a_new_pace() -> None:
    meter = PublicationRate()
    bursts = [meter.count(k // 2 / 15 + k % 2 * 0.001) for k in range(150)]
    assert all(rate is not None and 28 < rate < 32 for rate in bursts[62:])
    now, rate = 5.0, None
    while now < 7.5:
        now += 0.1
        rate = meter.count(now)
    assert rate == pytest.approx(10, rel=0.05)


def test_scenes_at_one_moment_have_no_rate() -> None:
    meter = PublicationRate()
    rates: list[float | None] = [meter.count(1.0), meter.count(1.0)]
    assert rates == [None, None]


Make = Callable[[], Style]


@pytest.mark.parametrize(
    "make", [ClassTint, EgoCarpet, LaneBoundaries, InstanceOutlines, InstanceLabels, StatusLine]
)
def test_styles_with_the_same_looks_are_equal(make: Make) -> None:
    assert make() == make()
