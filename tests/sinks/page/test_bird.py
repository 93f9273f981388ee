"""The bird's-eye view of the live page, pixel by pixel."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.health.types import Level
from perception.scene import Instance, Lane, Road, Signal
from tests.sinks.page.conftest import needs_browser
from tests.sinks.web_tab import GOOD, HEIGHT, VEHICLE, WIDTH, Feed, Tab

pytestmark = needs_browser

AHEAD, ALL = 60.0, 66.0  # metres above the own camera's place, and of the whole height
EGO, LANE = (60, 220, 90), (255, 200, 70)


def boundary(left: float, kind: str = "solid", side: str | None = None, sd: float = 0.1) -> Lane:
    """Straight ahead from 3 to 50 m; unsure from 40 m on."""
    ahead = np.linspace(3, 50, 48)
    metres = np.stack([ahead, np.full(48, left)], 1).astype(np.float32)
    sds = np.where(ahead > 40, 2.0, sd)[:, None].repeat(2, 1).astype(np.float32)
    points = np.tile(np.array([[60, 150]], np.float32), (48, 1))
    return Lane(points, kind, 1.0, side, metres, sds)  # type: ignore[arg-type]


CAR = Instance(8001, VEHICLE, 0.9, (10, 10, 60, 60), 1, 20.0, 1.0, 1.0, 0.2, 2.5, 0.3)
ROAD = {
    "lanes": (boundary(1.75, side="left"), boundary(-1.75, side="right"), boundary(-5.25)),
    "instances": (CAR, Instance(8002, VEHICLE, 0.4, (80, 10, 90, 60), 2)),
    "road": Road(-0.25, 0.02, 3.5, 0.05),
}


def shown(tab: Tab, feed: Feed, scene: dict[str, object]) -> npt.NDArray[np.int64]:
    feed.scene = scene
    tab.wait_for_frame(feed.sequence + 2)
    tab.page.click("#freeze")
    return tab.pixels("#bird").astype(np.int64)


def at(picture: npt.NDArray[np.int64], ahead: float, left: float) -> tuple[int, ...]:
    height, width, _ = picture.shape
    scale = height / ALL
    return tuple(picture[int((AHEAD - ahead) * scale), int(width / 2 - left * scale)].tolist())


def is_of(pixel: tuple[int, ...], colour: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) < 12


def test_the_road_is_seen_from_above_in_metres(tab: Tab, feed: Feed) -> None:
    picture = shown(tab, feed, ROAD)
    assert at(picture, 22, 1.0) == at(picture, 24, 0.3) == DRIVE.colours[VEHICLE]
    assert (
        at(picture, 19.5, 0.3) != DRIVE.colours[VEHICLE] != at(picture, 25, 0.3)
    )  # 4.4 m long, from its near end
    for ahead in (8, 14, 31, 38):
        assert is_of(at(picture, ahead, 1.75), EGO) and is_of(at(picture, ahead, -1.75), EGO)
        assert is_of(at(picture, ahead, -5.25), LANE)
        carpet = at(picture, ahead, -0.8)
        assert carpet[1] > carpet[0] + 20 and carpet[1] > carpet[2] + 20
    assert not is_of(at(picture, 47, 1.75), EGO)  # not known well
    assert not is_of(at(picture, 47, -5.25), LANE)
    assert min(at(picture, 1.2, 0.8)) > 200  # the own car
    assert tab.text("#bird-words").split("\n") == [
        "lane 3.5 m wide", "0.25 m right of its middle", "1 road user not placed",
    ]  # fmt: skip
    tab.wait("#instances", "20 m in 2.5 s")
    assert [cells[3] for cells in tab.cells("#instances")] == ["20 m in 2.5 s", "–"]
    assert tab.complaints == []


def test_switches_hold_for_it_too(tab: Tab, feed: Feed) -> None:
    shown(tab, feed, ROAD)
    tab.page.uncheck("#users")
    tab.page.uncheck("#lanes")
    bare = tab.pixels("#bird").astype(np.int64)
    assert at(bare, 22, 1.0) != DRIVE.colours[VEHICLE] and not is_of(at(bare, 8, 1.75), EGO)
    tab.page.check("#users")
    tab.page.fill("#least", "0.95")
    assert at(tab.pixels("#bird").astype(np.int64), 22, 1.0) != DRIVE.colours[VEHICLE]
    tab.page.uncheck("#bird-on")
    assert not tab.page.is_visible("#bird")


def test_without_metres_there_is_none_and_a_word_why(tab: Tab, feed: Feed) -> None:
    lane = replace(boundary(1.75), metres=None, metres_sd=None)
    feed.scene = {"lanes": (lane,), "instances": (replace(CAR, distance_m=None, lateral_m=None),)}
    tab.wait_for_frame(feed.sequence + 2)
    tab.wait("#bird-why", "no metres")
    assert not tab.page.is_visible("#bird") and tab.page.is_disabled("#bird-on")
    feed.scene = ROAD
    tab.page.wait_for_selector("#bird", state="visible")
    assert not tab.page.is_disabled("#bird-on") and not tab.page.is_visible("#bird-why")


def test_what_is_not_known_now_is_not_drawn(tab: Tab, feed: Feed) -> None:
    feed.scene = ROAD
    tab.page.wait_for_selector("#bird", state="visible")
    feed.health, feed.scene = replace(GOOD, signal=Signal.NO_SIGNAL, level=Level.ERROR), None
    tab.wait("#state", "NO SIGNAL")
    tab.wait("#bird-words", "not known now")
    picture = tab.pixels("#bird").astype(np.int64)
    assert at(picture, 22, 1.0) != DRIVE.colours[VEHICLE] and not is_of(at(picture, 8, 1.75), EGO)
    assert tab.page.get_attribute("#above", "class") == "above dim"


def test_a_boundary_that_is_lost_in_between_and_one_of_unknown_kind(tab: Tab, feed: Feed) -> None:
    lost = boundary(1.75, kind="unknown")
    assert lost.metres is not None
    lost.metres[10:20] = np.nan
    picture = shown(tab, feed, {"lanes": (lost,)})
    ahead = np.linspace(4, 39, 400)
    drawn = np.array([sum(at(picture, one, 1.75)[:2]) > 250 for one in ahead])
    gap = (ahead > 12.5) & (ahead < 22.5)
    assert not drawn[gap].any()
    assert 0.2 < drawn[~gap].mean() < 0.8 and np.diff(drawn).sum() > 20  # dots
    assert tab.text("#bird-words") == "ego lane not known"
    assert tab.complaints == []
    assert picture.shape[0] > HEIGHT / 2 and picture.shape[1] < WIDTH * 2


def test_who_passes_by_is_not_red(tab: Tab, feed: Feed) -> None:
    """Unless the lane leads to where it is: CAR is level with the camera in 2.5 s."""
    red = []
    for left, bend in ((1.0, 0.0), (3.0, 0.0), (3.0, 0.01), (2.1, 0.0), (2.1, None)):
        feed.scene = {
            "instances": (replace(CAR, lateral_m=left, lateral_sd_m=0.2),),
            "road": Road(0.1, 0.1, 3.5, 0.1, curvature_per_m=bend),
        }
        tab.wait_for_frame(feed.sequence + 2)
        picture = tab.pixels("#bird").astype(np.int64)
        red.append(int((np.abs(picture - (198, 47, 47)).max(-1) < 12).sum()))
    assert [count > 50 for count in red] == [True, False, True, False, True]
