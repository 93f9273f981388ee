"""The status line, and the rate that it shows."""

from collections.abc import Callable
from enum import StrEnum
from itertools import combinations

import numpy as np
import pytest

from perception import Status
from perception.overlay import (
    ALL,
    SCENE,
    ClassTint,
    EgoCarpet,
    Image,
    InstanceLabels,
    InstanceOutlines,
    LaneBoundaries,
    StatusLine,
    Style,
)
from perception.overlay.style import GREEN, RED, text_height, text_width
from tests.overlay.scenes import Mask, changed, drawn, of_colour, scene_of


class Later(StrEnum):
    """States that the node may come to know."""

    DEGRADED = "degraded"
    BLIND = "camera_blind"


@pytest.mark.parametrize("status", [Status.STALE, *Later])
def test_the_status_line_is_red_and_says_why_unless_all_is_well(status: StrEnum) -> None:
    line = StatusLine(details=True)
    good, bad = (drawn(scene_of(720, 1280, status=s), line) for s in (Status.OK, status))
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


def test_the_status_line_shows_age_rate_and_engine_in_this_order() -> None:
    def written(line: StatusLine, **more: object) -> Mask:
        return ink(drawn(scene_of(720, 1280, **more), line))  # type: ignore[arg-type]

    widths = [text_width(text, 20) for text in ("ok", "00 ms old", "00 fps", "onnx-cpu")]
    starts = np.concatenate([[0], np.cumsum(widths)])
    full = written(StatusLine(31.0, "onnx-cpu", details=True))
    for place, other in (
        (1, written(StatusLine(31.0, "onnx-cpu", details=True), age_ms=77.0)),
        (2, written(StatusLine(28.0, "onnx-cpu", details=True))),
        (3, written(StatusLine(31.0, "open-cpu", details=True))),
    ):
        where = np.flatnonzero(full != other)
        assert len(where)
        assert starts[place] <= where.min() and where.max() < starts[place + 1]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 150), (360, 480), (720, 1280), (2160, 3840)])
@pytest.mark.parametrize("status", list(Status))
def test_the_status_stays_where_there_is_room_for_nothing_else(
    height: int, width: int, status: Status
) -> None:
    picture = drawn(scene_of(height, width, status=status), StatusLine(31.0, "onnx-cpu-int8", details=True))
    bar = text_height(picture)
    assert not changed(picture)[bar:].any()
    shown = text_width(status.replace("_", " "), bar)
    assert shown <= width
    few = scene_of(height, width, status=status, timings_ms={}, age_ms=0.0)
    lone = drawn(few, StatusLine(details=True))
    np.testing.assert_array_equal(picture[:, :shown], lone[:, :shown])
    assert picture[:bar, :shown].reshape(-1, 3).std(axis=0).max() > 20  # there is text
    right = picture[:bar, -2:].reshape(-1, 3)
    assert (right == right[0]).all()  # and none is cut


def test_nothing_is_said_unless_it_must_be_or_is_asked_for() -> None:
    assert not changed(drawn(scene_of(720, 1280), StatusLine(31.0, "onnx-cpu"))).any()
    degraded = drawn(scene_of(720, 1280, left_out=("lanes",)), StatusLine(31.0, "onnx-cpu"))
    text = text_width("ok", 20) + text_width("00 ms old", 20) + text_width("no lanes", 20)
    columns = np.flatnonzero(ink(degraded))
    assert text - text_width("no lanes", 20) < columns.max() < text  # that there are none says nothing
    stale = drawn(scene_of(720, 1280, status=Status.STALE), StatusLine(31.0, "onnx-cpu"))
    assert np.flatnonzero(ink(stale)).max() < text_width("stale", 20) + text_width("00 ms old", 20)


def test_a_recordings_scenes_have_no_age() -> None:
    old, older = (
        drawn(scene_of(720, 1280, status=Status.UNRELIABLE, max_age_ms=None, age_ms=ms), StatusLine())
        for ms in (11.0, 99.0)
    )
    np.testing.assert_array_equal(old, older)
    assert np.flatnonzero(ink(old)).max() < text_width("unreliable", 20)


def test_what_the_scene_alone_is_drawn_with_has_no_status_line() -> None:
    assert not any(isinstance(style, StatusLine) for style in SCENE)
    assert [type(style) for style in ALL[:-1]] == [type(style) for style in SCENE]


Make = Callable[[], Style]


@pytest.mark.parametrize(
    "make", [ClassTint, EgoCarpet, LaneBoundaries, InstanceOutlines, InstanceLabels, StatusLine]
)
def test_styles_with_the_same_looks_are_equal(make: Make) -> None:
    assert make() == make()
