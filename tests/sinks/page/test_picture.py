"""What the live page draws, pixel by pixel."""

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from perception.health.types import Level
from perception.scene import Instance, Lane, Signal
from tests.sinks.page.conftest import needs_browser
from tests.sinks.web_tab import GOOD, GREYS, HEIGHT, ROAD, VEHICLE, WIDTH, Feed, Tab, tinted

pytestmark = needs_browser


def test_the_picture_changes_and_has_the_frames_colours(tab: Tab) -> None:
    tab.wait("#state", "OK")
    assert tab.text("#reasons") == ""
    seen: set[int] = set()
    deadline = time.monotonic() + 5
    while len(seen) < 2 and time.monotonic() < deadline:
        pixels = tab.pixels()
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        left, right = pixels[:, : WIDTH // 2 - 1], pixels[:, WIDTH // 2 + 1 :]
        grey = min(GREYS, key=lambda grey: abs(float(left.mean()) - tinted(grey, ROAD).mean()))
        assert np.abs(left - tinted(grey, ROAD)).max() <= 4
        assert np.abs(right - tinted(grey, VEHICLE)).max() <= 4
        seen.add(grey)
    assert seen == set(GREYS)
    origin = f"127.0.0.1:{tab.page.url.split(':')[2].split('/')[0]}"
    assert {url.split("/")[2] for url in tab.requests if not url.startswith("blob:")} == {origin}
    assert any(url.startswith("ws://") for url in tab.requests)
    assert tab.complaints == []


def test_a_class_switch_changes_the_pixels_of_that_class_alone(tab: Tab) -> None:
    tab.page.click("#freeze")
    before = tab.pixels()
    tab.page.uncheck("input[name=vehicle]")
    after = tab.pixels()
    half = WIDTH // 2
    np.testing.assert_array_equal(after[:, : half - 1], before[:, : half - 1])
    grey = min(GREYS, key=lambda grey: abs(float(after[0, -1, 0]) - grey))
    assert np.abs(after[:, half + 1 :].astype(int) - grey).max() <= 3
    assert np.abs(before[:, half + 1 :] - tinted(grey, VEHICLE)).max() <= 4
    tab.page.click("#none")
    assert np.abs(tab.pixels().astype(int) - grey).max() <= 3
    tab.page.click("#all")
    np.testing.assert_array_equal(tab.pixels(), before)


def test_outlines_and_lanes_are_drawn_where_they_are_and_can_be_switched_off(tab: Tab, feed: Feed) -> None:
    lane = Lane(np.array([[40, 180], [40, 100]], np.float32), "solid", 1.0, "left")
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[50:150, 200:300] = 8001
    ids[50:100, 250:300] = 0  # an L: its outline is no box
    feed.scene = {
        "instances": (Instance(8001, VEHICLE, 0.9, (200, 50, 300, 150), 1),),
        "instance_map": ids,
        "lanes": (lane,),
    }
    tab.wait_for_frame(feed.sequence + 2)  # the next one may have been begun without them
    tab.page.click("#freeze")
    drawn = tab.pixels().astype(int)
    tab.page.uncheck("#users")
    tab.page.uncheck("#lanes")
    changed = np.abs(drawn - tab.pixels()).sum(axis=2) > 30
    assert changed[60:140, 200].all()
    assert changed[149, 210:290].all()
    assert changed[60:90, 248:251].any(axis=1).all() and changed[99:102, 260:290].any(axis=0).all()
    assert changed[110:170, 40].all()
    assert not changed[60:140, 205:245].any() and not changed[105:140, 205:295].any()
    assert not changed[55:95, 255:].any()  # the corner of the box that is not of it
    assert not changed[:, 60:190].any()


def test_the_ego_lane_is_filled_up_to_what_stands_on_it(tab: Tab, feed: Feed) -> None:
    sides = {"left": 40.0, "right": 140.0}
    lanes = (
        Lane(np.array([[x, 190], [x, 90]], np.float32), "solid", 1.0, side)  # type: ignore[arg-type]
        for side, x in sides.items()
    )
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[120:150, 80:110] = 8001
    car = Instance(8001, VEHICLE, 0.9, (80, 120, 110, 150), 1)
    feed.scene = {"lanes": tuple(lanes), "instances": (car,), "instance_map": ids}
    tab.wait_for_frame(feed.sequence + 2)
    tab.page.click("#freeze")
    drawn = tab.pixels().astype(int)
    tab.page.uncheck("#lanes")
    bare = tab.pixels().astype(int)
    green = np.array([60, 220, 90])
    for row, share in ((188, 0.5), (140, 0.375), (92, 0.25)):
        expected = (1 - share) * bare[row, 50:70] + share * green
        assert np.abs(drawn[row, 50:70] - expected).max() <= 4
    assert (drawn[125:145, 85:105] == bare[125:145, 85:105]).all()
    assert (drawn[:80] == bare[:80]).all() and (drawn[:, 150:] == bare[:, 150:]).all()


def test_road_users_below_the_score_that_is_asked_for_are_hidden(tab: Tab, feed: Feed) -> None:
    sure, unsure = (200, 50, 300, 150), (30, 50, 130, 150)
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[50:150, 200:300], ids[50:150, 30:130] = 8001, 8002
    feed.scene = {
        "instances": (Instance(8001, VEHICLE, 0.9, sure, 1), Instance(8002, VEHICLE, 0.4, unsure, 2)),
        "instance_map": ids,
    }
    tab.wait_for_frame(feed.sequence + 2)
    tab.page.click("#freeze")
    drawn = tab.pixels().astype(int)
    tab.page.fill("#least", "0.5")
    changed = np.abs(drawn - tab.pixels()).sum(axis=2) > 0
    assert changed[60:140, 29:31].any(axis=1).all() and not changed[:, 180:].any()
    assert tab.page.inner_text("#least-shown") == "50 %"
    tab.wait("#count", "1")


def test_freezing_stops_the_picture_but_not_the_state(tab: Tab, feed: Feed) -> None:
    tab.page.click("input[name=pole]")  # which then has the focus
    tab.page.keyboard.press("Space")
    tab.wait("#frozen", "FROZEN")
    assert not tab.page.is_checked("input[name=pole]")
    assert tab.page.get_attribute("#freeze", "aria-pressed") == "true"
    before, sequence = tab.pixels(), int(tab.text("#sequence"))
    feed.health = replace(GOOD, captured=5000, published=4966)
    tab.wait("#accounting", "5000")
    for _ in range(4):
        np.testing.assert_array_equal(tab.pixels(), before)
        time.sleep(0.05)
    assert int(tab.text("#sequence")) > sequence
    feed.health = replace(GOOD, signal=Signal.NO_SIGNAL, level=Level.ERROR)
    tab.wait("#state", "NO SIGNAL")
    feed.health = GOOD
    tab.page.keyboard.press("Space")
    tab.page.wait_for_selector("#frozen", state="hidden")
    tab.wait("#state", "OK")


def test_a_saved_picture_is_what_is_shown(tab: Tab, tmp_path: Path) -> None:
    tab.page.keyboard.press("Space")
    tab.wait("#frozen", "frame")
    sequence = int(tab.text("#frozen").split()[3])
    with tab.page.expect_download() as saving:
        tab.page.keyboard.press("s")
    saving.value.save_as(tmp_path / "saved.png")
    assert saving.value.suggested_filename == f"front-{sequence:06d}.png"
    saved = cv2.imread(str(tmp_path / "saved.png"))
    assert saved is not None
    np.testing.assert_array_equal(saved[..., ::-1], tab.pixels())
